"""Redis time per task by script, without the noise of other processes: one process drives all scripts, step by step.

python -m tests.benchmarks.scripts --server redis-server --scenarios 200
"""

import argparse
import asyncio
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import structlog

from orchestrator.embedded import EmbeddedServer, find_server
from orchestrator.engine.advancer import BATCH, Advancer
from orchestrator.engine.loop import Seams
from orchestrator.engine.materializer import Materializer
from orchestrator.store.store import Store
from tests.benchmarks.system import System
from tests.benchmarks.workloads import submit
from workers_sdk.held import Delivery
from workers_sdk.outcome import succeeded
from workers_sdk.protocol.keys import GROUP_WORKERS
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.scripts import LUA, Scripts
from workers_sdk.wire import Wire

SERVICES = ("text-service", "voice-service", "image-service", "video-service")


async def drive(url: str, workload: str, variables: dict[str, Any], scenarios: int) -> dict[str, Any]:
    """Submit, materialize, start, finish and advance until nothing is left; returns microseconds per task."""
    link = RedisLink(url)
    store = await Store.open(link, sets_lease=True, unsafe_volatile=True)
    system = System(url, link, store)
    at = store.partitions[0]
    for service in SERVICES:
        await link.execute("XGROUP", "CREATE", at.queue(service), GROUP_WORKERS, "0", "MKSTREAM")
    seams = Seams(link)
    materializer, advancer = Materializer(store, seams, at, "m"), Advancer(store, seams, at, "a")
    wire = Wire(link, Scripts(LUA), "w")
    await materializer.step()
    await advancer.step()
    await link.execute("CONFIG", "RESETSTAT")
    phases: dict[str, dict[str, tuple[int, int]]] = {}

    async def note(phase: str) -> None:
        spent = phases.setdefault(phase, {})
        for name, (calls, us) in (await system.command_us()).items():
            before = spent.get(name, (0, 0))
            spent[name] = before[0] + calls, before[1] + us
        await link.execute("CONFIG", "RESETSTAT")

    tasks = 0
    for _ in range(scenarios):
        tasks += (await submit(system, workload, variables))[1]
    await note("submit")
    while await link.execute("XLEN", at.scenarios):
        await materializer.step()
    await note("materialize")
    finished: list[Any] = []
    done = 0
    while done < tasks:
        if finished:
            await wire.finish(at, finished)
        await note("finish")
        done += len(finished)
        reply = await wire.fetch(link, map(at.queue, SERVICES), ">", "COUNT", BATCH // len(SERVICES))
        await note("fetch")
        deliveries = [
            Delivery.decode(at, stream.decode().removeprefix("queue:"), entry_id, flat)
            for stream, entries in reply
            for entry_id, flat in entries
        ]
        finished = [(delivery, succeeded(None)) for delivery in deliveries[:BATCH]]
        while await link.execute("XLEN", at.task_events):
            await advancer.step()
        await note("advance")
    await link.close()
    return {
        "tasks": tasks,
        "us_per_task": {phase: round(sum_of(spent) / tasks, 1) for phase, spent in phases.items()},
        "total": round(sum(sum_of(spent) for spent in phases.values()) / tasks, 1),
        "inner": {
            phase: {
                name: [round(calls / tasks, 2), round(us / tasks, 2)]
                for name, (calls, us) in sorted(spent.items(), key=lambda item: -item[1][1])
                if us / tasks > 0.05
            }
            for phase, spent in phases.items()
        },
    }


def sum_of(spent: dict[str, tuple[int, int]]) -> float:
    """Time of what clients called. The time of a script holds that of its commands."""
    return sum(spent.get(name, (0, 0))[1] for name in ("evalsha", "eval", "xreadgroup"))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="")
    parser.add_argument("--workload", default="BenchDiamond")
    parser.add_argument("--variables", type=json.loads, default={})
    parser.add_argument("--scenarios", type=int, default=100)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer(
            Path(folder), program=find_server(arguments.server), settings={"appendonly": "no"}
        ) as server,
    ):
        result = asyncio.run(drive(server.url, arguments.workload, arguments.variables, arguments.scenarios))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
