"""What the hook adds to a call: the same calls through LiteLLM with it and without, in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

from conftest import Place

CALLS = 400
WARM_UP = 40


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        try:
            place.start_purser()
            place.start_model()
            place.begin()
            proxies = {
                "without": place.start_proxy("without", metered=False),
                "tcp": place.start_proxy("tcp"),
                "unix": place.start_proxy("unix", url=f"unix:{place.socket}"),
            }
            times, worked = measure(place, proxies)
        finally:
            place.stop()
    base = statistics.median(times["without"])
    print(f"{'hook':<10}{'p50 ms':>9}{'p99 ms':>9}{'added p50 ms':>14}{'CPU ms a call':>15}{'added':>8}")
    for name, taken in times.items():
        p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
        added = worked[name] - worked["without"]
        print(f"{name:<10}{p50:>9.2f}{p99:>9.2f}{p50 - base:>14.2f}{worked[name]:>15.2f}{added:>8.2f}")


def measure(place: Place, proxies: dict[str, str]) -> tuple[dict[str, list[float]], dict[str, float]]:
    """How long each call took, and how long each proxy worked a call."""
    times: dict[str, list[float]] = {name: [] for name in proxies}
    began: dict[str, float] = {}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "one two three"}], "max_tokens": 10}
    headers = {"authorization": "Bearer key-of-ana"}
    with httpx.Client(headers=headers, timeout=60) as client:
        for number in range(WARM_UP + CALLS):
            if number == WARM_UP:
                began = {name: worked_ms(place.processes[name]) for name in proxies}
            for name, proxy in proxies.items():
                start = time.perf_counter()
                client.post(f"{proxy}/chat/completions", json=body).raise_for_status()
                if number >= WARM_UP:
                    times[name].append((time.perf_counter() - start) * 1_000)
        worked = {name: (worked_ms(place.processes[name]) - began[name]) / CALLS for name in proxies}
    return times, worked


def worked_ms(process: subprocess.Popen) -> float:
    """How long a process has had a core: what it needs, however busy the machine is."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) * 1_000 / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
