#!/usr/bin/env python3
"""Half of the highest rate for ten minutes: whether a server's memory grows, and whether answers take longer with time.

Finds the highest rate of debits over HTTP with `purser bench`, then sends half of it, each when it is due, and prints each
minute with what the server occupies; writes docs/bench/soak.json. The server remembers so few ids that as many are remembered
within the first minute as ever will be: memory that grows after that is a leak, or a backlog. SQLite takes some 20 MB a second
on the disk of temporary files meanwhile.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import statistics
import sys
import time

from common import ROOT, bench, build_purser, described, machine, metrics, purser, report, sending

CONNECTIONS = 16
WARM_UP = 2
# Below what comes in a minute; the default, 10 000 000, would be reached only after some minutes.
REMEMBERED = 500_000
# Whoever asks for metrics takes the server's time, so as often as Prometheus does by default.
METRICS_SECONDS = 15
METRICS = {
    "unflushed_entries": "purser_unflushed_entries",
    "flush_lag_seconds": "purser_flush_lag_seconds",
    "remembered": "purser_remembered_operations",
}
WANTED = 1.2


def occupied(server):
    """Bytes of the server's memory and files."""
    status = pathlib.Path(f"/proc/{server['pid']}/status").read_text()
    kilobytes = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    sizes = {"journal_bytes": 0, "store_bytes": 0}
    for folder, _, names in os.walk(server["data"]):
        for name in names:
            kind = "store_bytes" if ".db" in name else "journal_bytes"
            sizes[kind] += size(pathlib.Path(folder, name))
    return {"memory_bytes": int(kilobytes.group(1)) * 1024, **sizes}


def size(file):
    """A file of the journal may go meanwhile."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def told(server):
    """What the server's metrics say."""
    return dict(zip(METRICS, metrics(server, *METRICS.values())))


def watch(process, server):
    """What the server occupies, once a second for as long as the sender runs."""
    start, said, samples = time.monotonic() + WARM_UP, {}, []
    for second in itertools.count(-WARM_UP):
        time.sleep(max(start + second - time.monotonic(), 0))
        if process.poll() is not None:
            return samples
        if second % METRICS_SECONDS == 0:
            said = told(server)
        samples.append({"second": second, **occupied(server), **said})
        if second > 0 and second % 60 == 59:
            print(f"minute {second // 60 + 1}: {mebibytes(samples[-1]['memory_bytes'])} MiB", file=sys.stderr)


def minute(number, part, samples):
    """One minute as the sender and the server have seen it: memory at the median, what else there is at its most."""
    within = [sample for sample in samples if sample["second"] // 60 == number]
    most = {key: max(sample.get(key, 0) for sample in within) for key in ["journal_bytes", "store_bytes", *METRICS]}
    memory = statistics.median(sample["memory_bytes"] for sample in within)
    latency = {f"{name}_micros": part["latency_micros"][name] for name in ("p50", "p99", "p99.9", "max")}
    speed = {"decisions_per_second": part["decisions_per_second"]}
    return {"minute": number + 1, **speed, **latency, "memory_bytes": memory, **most}


def measure(arguments):
    facts = machine()
    program, _ = build_purser(arguments.profile)
    idempotency = f"entries_max = {REMEMBERED}"
    with purser(program, idempotency=idempotency) as server:
        where = ["--url", server["http"], "--connections", CONNECTIONS, "--members", 20, "--warm-up", WARM_UP]
        highest = bench(program, *where, "--seconds", arguments.seconds)["decisions_per_second"]
        rate = int(highest / 2)
        print(f"{highest:.0f} debits a second at the most; {rate} for {arguments.minutes} minutes", file=sys.stderr)
        pace = ["--rate", rate, "--seconds", 60 * arguments.minutes, "--every", 60]
        with sending(program, *where, *pace) as process:
            samples = watch(process, server)
            sent = report(process)
    minutes = [minute(number, part, samples) for number, part in enumerate(sent["parts"])]
    plan = {"highest_per_second": highest, "rate": rate, "remembered_max": REMEMBERED, "complete": sent["complete"]}
    return {"machine": facts, "plan": plan, "minutes": minutes}


def mebibytes(count):
    return f"{count / 2**20:.1f}"


def table(minutes):
    times = ["p50 µs", "p99 µs", "p99.9 µs", "max µs"]
    sizes = ["memory MiB", "journal MiB", "SQLite MiB", "entries not flushed", "for s", "ids remembered"]
    names = ["minute", "decisions/s", *times, *sizes]
    yield "| " + " | ".join(names) + " |"
    yield "|---" * len(names) + "|"
    for of in minutes:
        figures = [of["decisions_per_second"], *(of[f"{name}_micros"] for name in ("p50", "p99", "p99.9", "max"))]
        sizes = [mebibytes(of[f"{what}_bytes"]) for what in ("memory", "journal", "store")]
        backlog = [f"{of['unflushed_entries']:.0f}", f"{of['flush_lag_seconds']:.2f}", f"{of['remembered']:.0f}"]
        yield "| " + " | ".join([str(of["minute"]), *(f"{figure:.0f}" for figure in figures), *sizes, *backlog]) + " |"


def compared(minutes):
    """The last minute beside the second: in the first the server is still filling up."""
    if len(minutes) < 3:
        return "Nothing is compared: that takes three minutes."
    second, last = minutes[1], minutes[-1]
    grown = last["memory_bytes"] - second["memory_bytes"]
    ratio = last["p99.9_micros"] / second["p99.9_micros"]
    return (
        f"From minute 2 to minute {last['minute']}: memory grew by {mebibytes(grown)} MiB of "
        f"{mebibytes(second['memory_bytes'])} (wanted: 0), p99.9 is {ratio:.2f} times as long (wanted: at most {WANTED})."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=5, help="of finding the highest rate")
    parser.add_argument("--profile", default="release")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "docs" / "bench" / "soak.json")
    arguments = parser.parse_args()
    result = measure(arguments)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    plan = result["plan"]
    print(f"{plan['rate']} debits a second, half of {plan['highest_per_second']:.0f}. {described(result['machine'])}.\n")
    print("\n".join(table(result["minutes"])))
    print(f"\n{compared(result['minutes'])}")
    if not plan["complete"]:
        print("The server fell behind: not everything that was due was answered.")


if __name__ == "__main__":
    main()
