"""How both clients reach Purser: by TCP or by a unix socket, with a token, within a time."""

from __future__ import annotations

import httpx

TIMEOUT_SECONDS = 2.0
"""For one try: a decision takes microseconds, and a caller waits for it before each call."""

TRIES = 3
"""Sending again is safe, because the same id is charged once."""

PAUSE_SECONDS = 0.05
"""Between two tries; twice as long each time."""


def options(base_url: str, token: str | None, timeout: float) -> dict[str, object]:
    """What an httpx client is made with."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if base_url.startswith("unix:"):
        # The host is not looked up: the socket says where.
        return {"base_url": "http://purser", "headers": headers, "timeout": timeout}
    return {"base_url": base_url, "headers": headers, "timeout": timeout}


def socket(base_url: str) -> str | None:
    """The path of the unix socket, where it is one."""
    return base_url.removeprefix("unix:") if base_url.startswith("unix:") else None


def failure(error: httpx.TransportError) -> str:
    """What to tell of it."""
    return f"no answer from Purser: {type(error).__name__} {error}".rstrip()
