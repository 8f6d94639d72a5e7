"""A real LiteLLM proxy with the shipped hook, a real Purser beside it, and a model API behind it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PURSER_BIN", str(ROOT / "target/debug/purser"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PURSER_", "OPENAI_"))}


def wait_for(url: str, process: subprocess.Popen, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while True:
        assert process.poll() is None, f"{process.args} ended"
        try:
            if httpx.get(url).status_code < 500:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"{url} is not answered"
        time.sleep(0.05)


@dataclass
class Place:
    """All of them at work."""

    folder: Path
    socket: Path = Path()
    seen: int = 0
    """The ledger's last position when the test began."""
    used: Decimal = Decimal(0)
    """Of the pool, when the test began."""
    called: int = 0
    """How many calls had reached the model when the test began."""
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    purser: str = ""
    model: str = ""
    proxy: str = ""

    def start_purser(self) -> None:
        self.socket = self.folder / "purser.sock"
        config = self.folder / "purser.toml"
        config.write_text(f'[rates]\nfile = "{ROOT}/tests/litellm/rates.toml"\n')
        command = [PROGRAM, "serve", "--config", config, "--data", self.folder / "data", "--http", "127.0.0.1:0"]
        command += ["--http", f"unix:{self.socket}"]
        command += ["--log-format", "json"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=clean_environment())
        self.processes["purser"] = process
        assert process.stderr is not None
        for line in process.stderr:
            fields = json.loads(line).get("fields", json.loads(line))
            if fields.get("message") == "listening" and not fields["address"].startswith("unix:"):
                self.purser = f"http://{fields['address']}"
                break
        self.put(
            "/v1/subscriptions/sub_1",
            {
                "owner": "olga",
                "plan": "team",
                "status": "active",
                "seats": 5,
                "credits_per_seat": "200",
                "billing_anchor": "2026-01-01T00:00:00Z",
            },
        )
        self.put("/v1/teams/acme", {"name": "Acme", "owner": "olga"})

    def begin(self) -> None:
        """A test begins: ana has no limit, and only what follows counts."""
        self.set_ana(limit=None)
        self.seen = max((row["position"] for row in self._rows()), default=0)
        self.used = Decimal(self.get("/v1/teams/acme/pool")["used"])
        self.called = self.calls()

    def start_model(self) -> None:
        port = free_port()
        self.processes["model"] = subprocess.Popen([sys.executable, Path(__file__).with_name("model.py"), str(port)])
        self.model = f"http://127.0.0.1:{port}"
        wait_for(f"{self.model}/calls", self.processes["model"])

    def start_proxy(self, name: str, *, metered: bool = True, url: str | None = None, when_down: str = "closed") -> str:
        """LiteLLM with the shipped files; only the model's address is changed, or the hook left out."""
        folder = self.folder / name
        shutil.copytree(ROOT / "deploy/litellm", folder)
        config = (folder / "config.yaml").read_text()
        assert "http://127.0.0.1:9000/v1" in config
        config = config.replace("http://127.0.0.1:9000/v1", f"{self.model}/v1")
        if not metered:
            config = config.replace("callbacks: purser_litellm.purser", "callbacks: []")
        (folder / "config.yaml").write_text(config)
        port = free_port()
        command = [Path(sys.executable).with_name("litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        settings = {
            "PURSER_LITELLM_URL": url or self.purser,
            "PURSER_LITELLM_WHEN_DOWN": when_down,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "OPENAI_API_KEY": "unused",
            "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(32)}",
        }
        output = (self.folder / f"{name}.log").open("w")
        process = subprocess.Popen(command, cwd=folder, env=clean_environment() | settings, stdout=output, stderr=output)
        self.processes[name] = process
        wait_for(f"http://127.0.0.1:{port}/health/liveliness", process)
        return f"http://127.0.0.1:{port}"

    def put(self, path: str, body: object) -> None:
        httpx.put(f"{self.purser}{path}", json=body).raise_for_status()

    def get(self, path: str) -> dict:
        return httpx.get(f"{self.purser}{path}").raise_for_status().json()

    def set_ana(self, limit: str | None) -> None:
        self.put("/v1/teams/acme/members/ana", {"role": "member", "access": "seat", "limit": limit})

    def calls(self) -> int:
        """How many calls ever reached the model."""
        return int(httpx.get(f"{self.model}/calls").text)

    def entries(self, kind: str) -> list[dict]:
        """The test's entries of one kind, in the ledger."""
        return [row for row in self._rows() if row["kind"] == kind and row["position"] > self.seen]

    def _rows(self) -> list[dict]:
        answer = httpx.get(f"{self.purser}/v1/teams/acme/entries", headers={"accept": "application/x-ndjson"})
        return [json.loads(line) for line in answer.raise_for_status().text.splitlines()]

    def spent(self, seconds: float = 30) -> Decimal:
        """What the test spent of the pool, once no hold is open; the same as its entries say."""
        deadline = time.monotonic() + seconds
        while True:
            pool = self.get("/v1/teams/acme/pool")
            settled, released = self.entries("settled"), self.entries("released")
            if pool["held"] == "0" and len(settled) + len(released) == len(self.entries("held")):
                break
            assert time.monotonic() < deadline, f"still open: {pool}"
            time.sleep(0.05)
        spent = Decimal(pool["used"]) - self.used
        assert spent == sum(Decimal(row["credits"]) for row in settled)
        return spent

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("litellm"))
    try:
        place.start_purser()
        place.start_model()
        place.proxy = place.start_proxy("proxy")
        yield place
    finally:
        place.stop()


@pytest.fixture
def place(session: Place) -> Place:
    session.begin()
    return session
