"""What the measuring scripts share: the machine, programs that are built once, servers that end with the script."""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def machine():
    """What figures have to be read with."""
    with open("/proc/cpuinfo") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "commit": commit or "unknown",
        "date": datetime.date.today().isoformat(),
        "load": round(os.getloadavg()[0], 1),
    }


def described(facts):
    """The machine in one line."""
    return "{cpu}, {cores} cores, Linux {kernel}, commit {commit}, {date}, load before {load}".format(**facts)


def build(profile, *arguments, target=None):
    """Builds with cargo; the folder that the programs are in."""
    target = target or ROOT / "target"
    command = ["cargo", "build", "--locked", "--profile", profile, "--target-dir", str(target), *arguments]
    # An incremental build inlines less; what is only tried out may be one.
    environment = os.environ if profile == "dev" else {**os.environ, "CARGO_INCREMENTAL": "0"}
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    return target / ("debug" if profile == "dev" else profile)


def build_purser(profile):
    """The program and the floors, always both: with other features their dependencies would be built a second time."""
    folder = build(profile, "--bin", "purser", "--example", "floors")
    return folder / "purser", folder / "examples" / "floors"


@contextlib.contextmanager
def running(command, **options):
    """A server that is killed at the end, in whatever way that comes."""
    process = subprocess.Popen(command, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def echo(command):
    """A server that prints its address first."""
    with running(command, stdout=subprocess.PIPE) as process:
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit(f"{command[0]} did not start")
        yield address


@contextlib.contextmanager
def purser(program, **sections):
    """A purser with a data folder of its own and one worker, as the servers beside it have: its addresses, its folder and its
    process. `sections` are what else is configured."""
    with tempfile.TemporaryDirectory(prefix="purser-bench-") as folder:
        folder = pathlib.Path(folder)
        config = folder / "purser.toml"
        socket = f"unix:{folder / 'purser.sock'}"
        config.write_text(
            f'data = "{folder / "data"}"\n[server]\nworkers = 1\nhttp = ["127.0.0.1:0", "{socket}"]\n'
            'grpc = ["127.0.0.1:0"]\n[log]\nformat = "json"\n'
            + "".join(f"[{name}]\n{lines}\n" for name, lines in sections.items())
        )
        log = folder / "log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PURSER_")}
        with open(log, "w") as to, running([program, "serve", "--config", config], stderr=to, env=environment) as process:
            yield {"unix": socket, "data": folder / "data", "pid": process.pid, **listening(process, log)}


def listening(process, log):
    """Waits until a purser listens everywhere."""
    found = {}
    while len(found) < 2:
        if process.poll() is not None:
            raise SystemExit(f"purser did not start:\n{log.read_text()}")
        time.sleep(0.02)
        for line in log.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                said = json.loads(line)
                address = said.get("address", "")
                if said.get("message") in ("listening", "listening for gRPC") and not address.startswith("unix:"):
                    found["grpc" if "gRPC" in said["message"] else "http"] = f"http://{address}"
    return found


def metrics(server, *names):
    """What a purser's metrics say of these."""
    with urllib.request.urlopen(f"{server['http']}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    return [float(re.search(rf"^{name} (\S+)", page, re.MULTILINE).group(1)) for name in names]


def wait_until_flushed(server):
    """Until the store has all that the journal has: what is measured next has the processors to itself."""
    while metrics(server, "purser_unflushed_entries") != [0]:
        time.sleep(0.05)


def bench(program, *arguments):
    """Runs `purser bench` and reads its report."""
    with sending(program, *arguments) as process:
        return report(process)


def sending(program, *arguments):
    """`purser bench` while it runs."""
    command = [program, "bench", "--json", *map(str, arguments)]
    return running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def report(process):
    """Waits for what `purser bench` tells in the end."""
    printed, errors = process.communicate()
    if not printed.strip():
        raise SystemExit(f"{' '.join(map(str, process.args))}:\n{errors}")
    told = json.loads(printed)
    if told["errors"] or told["denied"]:
        raise SystemExit(f"not everything was allowed: {told}")
    return told
