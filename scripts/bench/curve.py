#!/usr/bin/env python3
"""Requests a second and latency over HTTP from 1 to 64 connections, measured with `purser bench` and drawn as SVG.

Writes docs/bench/http.json and docs/bench/http.svg. With --draw it draws the JSON that is there and measures nothing.
"""

import argparse
import json
import statistics

from common import ROOT, bench, build_purser, machine, purser
from drawing import BLUE, DASHED, DOTTED, ORANGE, axes, ceiling, legend, line, picture

CONNECTIONS = [1, 2, 4, 8, 16, 32, 64]
FOLDER = ROOT / "docs" / "bench"


def measure(arguments):
    facts = machine()
    program, _ = build_purser(arguments.profile)
    rounds = {(way, n): [] for way in ("http", "unix") for n in CONNECTIONS}
    with purser(program) as server:
        for _ in range(arguments.rounds):
            for (way, connections), reports in rounds.items():
                timing = ["--seconds", arguments.seconds, "--warm-up", 1, "--members", 20]
                reports.append(bench(program, "--url", server[way], "--connections", connections, *timing))
                print(f"{way}, {connections} connections: {reports[-1]['requests_per_second']:.0f}/s", flush=True)
    points = [
        {
            "way": way,
            "connections": connections,
            "requests_per_second": statistics.median(report["requests_per_second"] for report in reports),
            "p50_micros": statistics.median(report["latency_micros"]["p50"] for report in reports),
            "p99_micros": statistics.median(report["latency_micros"]["p99"] for report in reports),
        }
        for (way, connections), reports in rounds.items()
    ]
    plan = {"rounds": arguments.rounds, "seconds": arguments.seconds}
    return {"machine": facts, "plan": plan, "points": points}


def draw(result):
    points = result["points"]
    most_requests = ceiling(max(point["requests_per_second"] for point in points))
    most_micros = ceiling(max(point["p99_micros"] for point in points))
    left, right = ("requests/s (solid)", most_requests), ("µs (dashed p50, dotted p99)", most_micros)
    parts = list(axes(CONNECTIONS, "connections, each with one debit under way", left, right))
    for way, colour in (("http", BLUE), ("unix", ORANGE)):
        for key, most, dashes in (
            ("requests_per_second", most_requests, ""),
            ("p50_micros", most_micros, DASHED),
            ("p99_micros", most_micros, DOTTED),
        ):
            parts.append(line([point[key] for point in points if point["way"] == way], most, colour, dashes))
    parts += legend([(BLUE, "TCP"), (ORANGE, "unix socket")])
    return picture("Debits over HTTP by connections", parts, result["machine"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved; medians are drawn")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement, after one of warming up")
    parser.add_argument("--profile", default="release")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if not arguments.draw:
        (FOLDER / "http.json").write_text(json.dumps(measure(arguments), indent=1) + "\n")
    (FOLDER / "http.svg").write_text(draw(json.loads((FOLDER / "http.json").read_text())))
    print(FOLDER / "http.svg")


if __name__ == "__main__":
    main()
