#!/usr/bin/env python3
"""What a debit costs from 1 000 to 10 000 000 members, and what memory they take: the bench `decide`, once for each size.

Writes docs/bench/growth.json and docs/bench/growth.svg and prints a table. With --draw it draws the JSON that is there and
measures nothing.
"""

import argparse
import json
import os
import re
import subprocess

from common import ROOT, described, machine
from drawing import BLUE, DASHED, DOTTED, GREEN, ORANGE, axes, ceiling, legend, line, picture, spaced

MEMBERS = [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
# As many as the bench puts into a team.
TEAM = 100
FOLDER = ROOT / "docs" / "bench"

NAME, HANDLE = "debit", "decide_apply_queue"
WAYS = {NAME: "debit by name, its id remembered", HANDLE: "decide, apply, queue, by handle"}
SKEWS = ["Zipf", "Uniform"]
THINGS = ["an idle member", "a remembered debit", "an open hold"]


def build():
    """The bench's program, as cargo runs it."""
    command = ["cargo", "bench", "--locked", "--bench", "decide", "--no-run", "--message-format", "json"]
    environment = {**os.environ, "CARGO_INCREMENTAL": "0"}
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    built = [json.loads(said) for said in done.stdout.splitlines()]
    return next(one["executable"] for one in built if one.get("executable") and one["target"]["name"] == "decide")


def run(program, members):
    """What the bench prints of one size; it also makes a hundredth of it, of which nothing is measured."""
    words = "|".join(f"decide/{members}/{way}/" for way in WAYS)
    environment = {**os.environ, "PURSER_BENCH_TEAMS": str(members // TEAM)}
    command = [program, "--bench", words]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def read(printed, members):
    """One point of the curves. A thing of which there are too few to tell is left out."""
    single = re.compile(rf"^decide/{members}/(\w+)/(\w+): median (\d+) ns, p99 (\d+) ns", re.MULTILINE)
    nanos = {way: {} for way in WAYS}
    for way, skew, median, p99 in single.findall(printed):
        nanos[way][skew] = {"median": int(median), "p99": int(p99)}
    occupied = re.compile(rf"^(.*) occupies (\d+) bytes \(\d+ in {members // TEAM} teams\)$", re.MULTILINE)
    return {"members": members, "nanos": nanos, "bytes": {what: int(count) for what, count in occupied.findall(printed)}}


def measure():
    facts, program, points = machine(), build(), []
    for members in MEMBERS:
        points.append(read(run(program, members), members))
        print("\n".join(rows(points[-1:])), flush=True)
    return {"machine": facts, "points": points}


def rows(points):
    """Lines of the table for docs/performance.md."""
    for point in points:
        cells = [spaced(point["members"])]
        for way in WAYS:
            by_skew = [point["nanos"][way][skew] for skew in SKEWS]
            cells += [f"{spaced(nanos['median'])} ({spaced(nanos['p99'])})" for nanos in by_skew]
        cells += [str(point["bytes"].get(thing, "")) for thing in THINGS]
        yield "| " + " | ".join(cells) + " |"


def table(points):
    headings = [f"{name}, {skew}, ns (p99)" for name in WAYS.values() for skew in SKEWS]
    headings = ["members", *headings, *(f"{thing}, bytes" for thing in THINGS)]
    return ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|", *rows(points)]


def draw(result):
    points = result["points"]
    medians = {
        (way, skew): [point["nanos"][way][skew]["median"] for point in points] for way in WAYS for skew in SKEWS
    }
    occupied = [point["bytes"].get(THINGS[0]) for point in points]
    most_nanos = ceiling(max(max(values) for values in medians.values()))
    most_bytes = ceiling(max(value or 0 for value in occupied))
    left, right = ("median ns (Zipf solid, uniform dashed)", most_nanos), ("bytes (dotted)", most_bytes)
    parts = list(axes([point["members"] for point in points], "members, in teams of 100", left, right))
    for way, colour in ((NAME, BLUE), (HANDLE, ORANGE)):
        for skew, dashes in zip(SKEWS, ("", DASHED)):
            parts.append(line(medians[way, skew], most_nanos, colour, dashes))
    parts.append(line(occupied, most_bytes, GREEN, DOTTED))
    parts += legend([(BLUE, "debit by name"), (ORANGE, "by handle"), (GREEN, "an idle member")])
    return picture("Debits by members", parts, result["machine"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if not arguments.draw:
        (FOLDER / "growth.json").write_text(json.dumps(measure(), indent=1) + "\n")
    result = json.loads((FOLDER / "growth.json").read_text())
    (FOLDER / "growth.svg").write_text(draw(result))
    print(f"\n{described(result['machine'])}.\n")
    print("\n".join(table(result["points"])))
    print(FOLDER / "growth.svg")


if __name__ == "__main__":
    main()
