"""A real Purser for each test, with a team in it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(os.environ.get("PURSER_BIN", ROOT / "target/debug/purser"))


class Sidecar:
    """A running Purser: by TCP and by a unix socket."""

    def __init__(self, folder: Path, tokens_file: Path | None = None) -> None:
        self.socket = folder / "purser.sock"
        command = [PROGRAM, "serve", "--data", folder / "data", "--log-format", "json"]
        command += ["--http", "127.0.0.1:0", "--http", f"unix:{self.socket}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PURSER_")}
        if tokens_file:
            environment["PURSER_TOKENS_FILE"] = str(tokens_file)
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.url = self._listening()

    def _listening(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            fields = json.loads(line)
            fields = fields.get("fields", fields)
            if fields.get("message") == "listening" and not fields["address"].startswith("unix:"):
                return f"http://{fields['address']}"
        raise AssertionError("the server ended before it listened")

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def put(self, path: str, body: object) -> None:
        httpx.put(f"{self.url}{path}", json=body).raise_for_status()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def tokens(folder: Path, admin: str) -> Path:
    """A tokens file with one token, of an admin."""
    file = folder / "tokens"
    file.write_text(f"admin test {hashlib.sha256(admin.encode()).hexdigest()}\n")
    return file


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    """Team `acme` with 1 000 credits; `ana` in it has a limit of 100."""
    with Sidecar(tmp_path) as sidecar:
        sidecar.put(
            "/v1/subscriptions/sub_1",
            {
                "owner": "olga",
                "plan": "team",
                "status": "active",
                "seats": 2,
                "credits_per_seat": "500",
                "billing_anchor": "2026-01-01T00:00:00Z",
            },
        )
        sidecar.put("/v1/teams/acme", {"name": "Acme", "owner": "olga"})
        sidecar.put("/v1/teams/acme/members/ana", {"role": "member", "access": "seat", "limit": "100"})
        yield sidecar


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The OpenAPI document of a running Purser."""
    with Sidecar(tmp_path_factory.mktemp("document")) as sidecar:
        answer: dict[str, Any] = httpx.get(f"{sidecar.url}/openapi.json").raise_for_status().json()
        return answer
