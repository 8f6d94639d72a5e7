#!/usr/bin/env python3
"""Requests a second and latency over HTTP from 1 to 64 connections, measured with `purser bench` and drawn as SVG.

Writes docs/bench/http.json and docs/bench/http.svg. With --draw it draws the JSON that is there and measures nothing.
"""

import argparse
import json
import statistics

from common import ROOT, bench, build_purser, described, machine, purser

CONNECTIONS = [1, 2, 4, 8, 16, 32, 64]
FOLDER = ROOT / "docs" / "bench"

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 80, 80, 60, 70


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


def ceiling(value):
    """The next number of two leading digits, so that axes end at a round one."""
    step = 10 ** max(len(str(int(value))) - 2, 0)
    return (int(value / step) + 1) * step


def place(at, most):
    """Where a point of the plot is: its place among the connections, its share of the axis."""
    x = LEFT + CONNECTIONS.index(at) * (WIDTH - LEFT - RIGHT) / (len(CONNECTIONS) - 1)
    return x, HEIGHT - BOTTOM - most * (HEIGHT - TOP - BOTTOM)


def line(points, key, most, colour, dashes):
    places = [place(point["connections"], point[key] / most) for point in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>{dots}'


def text(x, y, what, anchor="middle", size=12):
    what = what.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{what}</text>'


def axes(most_requests, most_micros):
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    for part in range(5):
        _, y = place(CONNECTIONS[0], part / 4)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        yield text(LEFT - 8, y + 4, f"{most_requests * part / 4:,.0f}".replace(",", " "), "end")
        yield text(WIDTH - RIGHT + 8, y + 4, f"{most_micros * part / 4:,.0f}".replace(",", " "), "start")
    for connections in CONNECTIONS:
        yield text(place(connections, 0)[0], HEIGHT - BOTTOM + 18, str(connections))
    yield text(WIDTH / 2, HEIGHT - BOTTOM + 36, "connections, each with one debit under way")
    yield text(LEFT, TOP - 12, "requests/s (solid)", "middle")
    yield text(WIDTH - RIGHT, TOP - 12, "µs (dashed p50, dotted p99)", "end")


def draw(result):
    points = result["points"]
    most_requests = ceiling(max(point["requests_per_second"] for point in points))
    most_micros = ceiling(max(point["p99_micros"] for point in points))
    parts = list(axes(most_requests, most_micros))
    for way, colour, name in (("http", "#1f5fa8", "TCP"), ("unix", "#b5541c", "unix socket")):
        of_way = [point for point in points if point["way"] == way]
        for key, most, dashes in (
            ("requests_per_second", most_requests, ""),
            ("p50_micros", most_micros, "8 4"),
            ("p99_micros", most_micros, "2 4"),
        ):
            parts.append(line(of_way, key, most, colour, dashes))
        x = LEFT + (40 if way == "http" else 130)
        parts.append(f'<circle cx="{x}" cy="24" r="5" fill="{colour}"/>' + text(x + 10, 28, name, "start", 13))
    parts.append(text(WIDTH / 2, HEIGHT - 14, described(result["machine"]), size=10))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif">\n<title>Debits over HTTP by connections</title>\n{body}\n</svg>\n'
    )


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
