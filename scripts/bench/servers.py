"""Redis and PostgreSQL as a user would take them instead: a two-level check as a Lua script, and one under row locks."""

import contextlib
import csv
import os
import pathlib
import pwd
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

from common import running

TEAMS, MEMBERS = 10, 100

# The member is one of a thousand, and its hundred's team pays. Nothing is written where either has too little.
LUA = """
local pool = 'pool:' .. string.sub(KEYS[1], -3, -3)
local used, drawn = tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(redis.call('GET', pool) or '0')
local cost = tonumber(ARGV[1])
if used + cost > tonumber(ARGV[2]) then return {0, 'member_limit', used} end
if drawn + cost > tonumber(ARGV[3]) then return {0, 'pool_exhausted', drawn} end
redis.call('SET', KEYS[1], used + cost)
redis.call('SET', pool, drawn + cost)
return {1, used + cost, drawn + cost}
"""

TABLES = f"""
CREATE TABLE pool (id int PRIMARY KEY, used bigint NOT NULL, funds bigint NOT NULL);
CREATE TABLE member (id int PRIMARY KEY, used bigint NOT NULL, cap bigint NOT NULL);
INSERT INTO pool SELECT n, 0, 1000000000000 FROM generate_series(0, {TEAMS - 1}) n;
INSERT INTO member SELECT n, 0, 1000000000000 FROM generate_series(0, {TEAMS * MEMBERS - 1}) n;
"""

# The member's row is locked before the pool's, always in this order.
TRANSACTION = f"""
\\set member random(0, {TEAMS * MEMBERS - 1})
\\set team :member / {MEMBERS}
BEGIN;
UPDATE member SET used = used + 10000 WHERE id = :member AND used + 10000 <= cap;
UPDATE pool SET used = used + 10000 WHERE id = :team AND used + 10000 <= funds;
COMMIT;
"""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def redis(synced="everysec"):
    """A Redis that writes its log as Purser does at `os`: before long on disk, not before each answer. With `always` as at `disk`."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="purser-bench-") as folder:
        options = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "yes"]
        command = ["redis-server", *map(str, options), "--appendfsync", synced]
        with running(command, stdout=subprocess.DEVNULL):
            ask = ["redis-cli", "-p", str(port)]
            wait_for([*ask, "PING"], "PONG")
            loaded = subprocess.run([*ask, "SCRIPT", "LOAD", LUA], capture_output=True, text=True, check=True)
            yield port, loaded.stdout.strip()


def ask_redis(server, connections, seconds):
    """`redis-benchmark` has no time, only a number of requests: a first run says how many that is."""
    port, script = server
    call = ["EVALSHA", script, "1", "member:__rand_int__", "10000", "1000000000000", "1000000000000"]

    def run(requests):
        options = ["-p", port, "-c", connections, "-n", requests, "-r", TEAMS * MEMBERS, "--csv"]
        command = ["redis-benchmark", *map(str, options), *call]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        row = list(csv.DictReader(printed[printed.index('"test"') :].splitlines()))[0]
        micros = {name: float(row[f"{name}_latency_ms"]) * 1000 for name in ("p50", "p99")}
        return {"per_second": float(row["rps"]), "p50_micros": micros["p50"], "p99_micros": micros["p99"]}

    return run(int(run(10_000)["per_second"] * seconds) + 1)


def programs():
    """The folder of PostgreSQL's programs; Debian has them beside the path."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else pathlib.Path(shutil.which("initdb") or "initdb").parent


def account():
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@contextlib.contextmanager
def postgres():
    """A PostgreSQL that does not wait for the disk before it answers a commit, as Purser does not at `os`."""
    port, bin, user = free_port(), programs(), account()
    with tempfile.TemporaryDirectory(prefix="purser-bench-") as folder:
        if user:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        data = f"{folder}/data"
        init = [bin / "initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync"]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
        settings = ["synchronous_commit=off", "shared_buffers=256MB", "listen_addresses=127.0.0.1"]
        command = [bin / "postgres", "-D", data, "-p", str(port), "-k", folder]
        for setting in settings:
            command += ["-c", setting]
        # SIGINT ends it without waiting for its clients.
        with running(command, stderr=subprocess.DEVNULL, cwd="/", **user):
            at = ["-h", "127.0.0.1", "-p", str(port), "-U", "bench", "postgres"]
            wait_for([bin / "psql", *at, "-Atc", "SELECT 'ready'"], "ready")
            subprocess.run([bin / "psql", "-q", *at], input=TABLES, text=True, check=True)
            yield bin, at


def ask_postgres(server, connections, seconds):
    """The latencies are in a log with a line for each transaction."""
    bin, at = server
    with tempfile.TemporaryDirectory(prefix="purser-bench-") as folder:
        script = pathlib.Path(folder, "debit.sql")
        script.write_text(TRANSACTION)
        options = ["-n", "-M", "prepared", "-c", connections, "-j", 1, "-T", seconds, "-f", script, "-l"]
        command = [bin / "pgbench", *map(str, options), *at]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        micros = sorted(
            int(line.split()[2]) for log in pathlib.Path(folder).glob("pgbench_log.*") for line in open(log)
        )
    tps = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    return {
        "per_second": float(tps.group(1)),
        "p50_micros": statistics.median(micros),
        "p99_micros": micros[len(micros) * 99 // 100],
    }


def wait_for(command, answer, seconds=60):
    end = time.monotonic() + seconds
    while answer not in subprocess.run(command, capture_output=True, text=True).stdout:
        if time.monotonic() > end:
            raise SystemExit(f"{command[0]} has no server to ask after {seconds} s")
        time.sleep(0.05)
