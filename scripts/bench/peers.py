#!/usr/bin/env python3
"""Purser beside what a user would take instead, one after the other in rounds, on the same cores.

Prints a table for docs/performance.md and writes target/bench-peers.json. What is missing is skipped, and said.
`purser bench` asks Purser and every server that speaks its language; Redis and PostgreSQL are asked by their own
programs, which choose their members alike but not by Zipf's law.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import servers
from common import ROOT, bench, build, build_purser, described, echo, machine, purser, wait_until_flushed

# Purser's own row of each kind comes first: the others are compared with it.
KINDS = {
    "http": "HTTP, {connections} connections",
    "rate": "HTTP, 2 000 requests a second over {connections} connections",
    "disk": "synced before each answer, 64 connections",
    "many": "many decisions at once, in decisions/s",
    "grpc": "gRPC, 4 connections x 16 in flight",
}
# Connections, whatever else is asked for.
CONNECTIONS = {"disk": 64, "grpc": 4}


class Peer:
    """A row of the table: how to ask it once."""

    def __init__(self, kind, name, ask, connections=None):
        self.kind, self.name, self.ask, self.rounds = kind, name, ask, []
        self.connections = connections or CONNECTIONS.get(kind)

    def median(self, key):
        return statistics.median(round[key] for round in self.rounds)

    def row(self, own):
        speeds = [round["per_second"] for round in self.rounds]
        cells = [self.name, f"{self.median('per_second'):.0f}", f"{min(speeds):.0f} to {max(speeds):.0f}"]
        latencies = [f"{self.median('p50_micros'):.0f}", f"{self.median('p99_micros'):.0f}"]
        return [*cells, *latencies, "" if self is own else self.compared(own)]

    def compared(self, own):
        if self.kind == "many":
            return ""
        if self.kind == "rate":
            return f"p50 {ratio(own, self, 'p50_micros'):.2f}, p99 {ratio(own, self, 'p99_micros'):.2f}"
        return f"{ratio(own, self, 'per_second'):.2f}"


def ratio(own, other, key):
    """The median of Purser's figures over the other's, round by round."""
    return statistics.median(mine[key] / its[key] for mine, its in zip(own.rounds, other.rounds))


def by_bench(program, *where):
    def ask(connections, seconds):
        report = bench(program, *where, "--connections", connections, "--seconds", seconds, "--warm-up", 1)
        latency = report["latency_micros"]
        return {
            "per_second": report["decisions_per_second"],
            "p50_micros": latency["p50"],
            "p99_micros": latency["p99"],
        }

    return ask


def by_caller(floors, how, url):
    def ask(connections, seconds):
        command = [floors, how, url, str(connections), str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{how} {url}:\n{done.stderr}")
        return json.loads(done.stdout)

    return ask


def running_peers(floors):
    """Peers that somebody else has started, with limits on `team` and on `member` in the namespace or domain `bench`."""
    for variable, kind, name, how in (
        ("PEER_LIMITADOR_URL", "http", "Limitador's server", "ask-limitador"),
        ("PEER_ENVOY_RLS_ADDR", "grpc", "rate limit service of Envoy", "ask-rls"),
    ):
        url = os.environ.get(variable)
        if url:
            yield Peer(kind, f"{name} at {url}", by_caller(floors, how, url if "://" in url else f"http://{url}"))
        else:
            skip(name, f"{variable} is not set")


def skip(what, why):
    print(f"skipped: {what}: {why}", file=sys.stderr)


def start(arguments, stack, pursers):
    """Starts everything that is there, and adds those of Purser to `pursers`."""
    program, floors = build_purser(arguments.profile)
    own = stack.enter_context(purser(program))
    synced = stack.enter_context(purser(program, journal='durability = "disk"'))
    pursers += [own, synced]
    axum, hyper, tonic = (stack.enter_context(echo([floors, name])) for name in ("axum", "hyper", "tonic"))
    unary = ["--via", "grpc", "--in-flight", 16, "--grpc"]
    yield Peer("http", "purser, debit", by_bench(program, "--url", own["http"]))
    yield Peer("http", "purser, debit over a unix socket", by_bench(program, "--url", own["unix"]))
    yield Peer("http", "minimal axum echo", by_bench(program, "--url", axum))
    yield Peer("http", "hyper echo", by_bench(program, "--url", hyper))
    if arguments.without_limitador:
        skip("limitador", "--without-limitador")
    else:
        manifest = ["--manifest-path", "benches/peers/Cargo.toml"]
        limitador = build(arguments.profile, *manifest, target=ROOT / "target" / "peers") / "limitador"
        address = stack.enter_context(echo([limitador]))
        yield Peer("http", "limitador's library behind axum, in memory", by_bench(program, "--url", address))
    if shutil.which("redis-server") and shutil.which("redis-benchmark"):
        server = stack.enter_context(servers.redis())
        yield Peer("http", "Redis, Lua script", lambda n, seconds: servers.ask_redis(server, n, seconds))
        careful = stack.enter_context(servers.redis("always"))
        yield Peer("disk", "purser, debit at `disk`", by_bench(program, "--url", synced["http"]))
        yield Peer("disk", "Redis, Lua script, `always`", lambda n, seconds: servers.ask_redis(careful, n, seconds))
    else:
        skip("Redis", "install the Debian packages redis-server and redis-tools")
    if (servers.programs() / "pgbench").exists():
        database = stack.enter_context(servers.postgres())
        yield Peer("http", "PostgreSQL, row locks", lambda n, seconds: servers.ask_postgres(database, n, seconds))
    else:
        skip("PostgreSQL", "install the Debian package postgresql")
    slowly = ["--rate", 2000]
    yield Peer("rate", "purser, debit", by_bench(program, "--url", own["http"], *slowly))
    yield Peer("rate", "minimal axum echo", by_bench(program, "--url", axum, *slowly))
    batch = by_bench(program, "--url", own["http"], "--via", "batch", "--rows", 100)
    yield Peer("many", "purser, HTTP batches of 100, 4 connections", batch, 4)
    stream = by_bench(program, "--url", own["http"], "--via", "stream", "--in-flight", 256, "--grpc", own["grpc"])
    yield Peer("many", "purser, one gRPC stream, 256 in flight", stream, 1)
    yield Peer("grpc", "purser, debit", by_bench(program, "--url", own["http"], *unary, own["grpc"]))
    # Teams are made in purser; the echo knows of none.
    yield Peer("grpc", "tonic echo", by_bench(program, "--url", own["http"], *unary, tonic))
    yield from running_peers(floors)


def table(peers, connections):
    yield "| server | requests/s | spread | p50 µs | p99 µs | Purser's ratio |"
    yield "|---|---|---|---|---|---|"
    for kind, name in KINDS.items():
        of_kind = [peer for peer in peers if peer.kind == kind]
        yield f"| *{name.format(connections=connections)}* | | | | | |"
        for peer in of_kind:
            yield "| " + " | ".join(peer.row(of_kind[0])) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of each server in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--profile", default="release")
    parser.add_argument("--without-limitador", action="store_true", help="builds no package but purser")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "target" / "bench-peers.json")
    arguments = parser.parse_args()
    facts = machine()
    with contextlib.ExitStack() as stack:
        pursers = []
        peers = list(start(arguments, stack, pursers))
        for number in range(arguments.rounds):
            for peer in peers:
                for server in pursers:
                    # What one of them still writes to its store would be taken from whoever comes next.
                    wait_until_flushed(server)
                peer.rounds.append(peer.ask(peer.connections or arguments.connections, arguments.seconds))
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    print(f"{arguments.rounds} rounds of {arguments.seconds} s, interleaved, medians. {described(facts)}.\n")
    print("\n".join(table(peers, arguments.connections)))
    result = {
        "machine": facts,
        "rounds": [{"kind": peer.kind, "name": peer.name, "rounds": peer.rounds} for peer in peers],
    }
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
