"""Whoever generates a client from the OpenAPI document gets one that works: schemathesis compares it with what is served."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Sidecar, tokens

EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "10"))
"""Of each operation."""

CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_what_is_served_is_what_the_document_says(tmp_path: Path) -> None:
    token = "the-admin"
    with Sidecar(tmp_path, tokens_file=tokens(tmp_path, token)) as sidecar:
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIG, "run", f"{sidecar.url}/openapi.json"]
        command += ["--header", f"Authorization: Bearer {token}", "--seed", "1", "--max-examples", str(EXAMPLES)]
        command += ["--no-color"]
        checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    if checked.returncode != 0:
        pytest.fail(checked.stdout[-20_000:] + checked.stderr)
