"""What the hook adds to a call: the same calls through LiteLLM with it and without, in turn."""

from __future__ import annotations

import statistics
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
                "over TCP": place.start_proxy("tcp"),
                "over a unix socket": place.start_proxy("socket", url=f"unix:{place.socket}"),
            }
            times = measure(proxies)
        finally:
            place.stop()
    base = statistics.median(times["without"])
    print(f"{'hook':<20}{'p50 ms':>9}{'p99 ms':>9}{'added p50 ms':>14}")
    for name, taken in times.items():
        p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
        print(f"{name:<20}{p50:>9.2f}{p99:>9.2f}{p50 - base:>14.2f}")


def measure(proxies: dict[str, str]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in proxies}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "one two three"}], "max_tokens": 10}
    headers = {"authorization": "Bearer key-of-ana"}
    with httpx.Client(headers=headers, timeout=60) as client:
        for number in range(WARM_UP + CALLS):
            for name, proxy in proxies.items():
                start = time.perf_counter()
                client.post(f"{proxy}/chat/completions", json=body).raise_for_status()
                if number >= WARM_UP:
                    times[name].append((time.perf_counter() - start) * 1_000)
    return times


if __name__ == "__main__":
    main()
