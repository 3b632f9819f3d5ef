"""Tasks that the engine is asked about, per second of one replica, beside plain tasks in the same run.

python -m tests.benchmarks.special --server redis-server --kinds when gates --repeat 3

Each kind is N tasks that become ready at once, in each of some scenarios: with a condition, with a value of a result, gates (until all are open),
scenarios of one task, children of a `foreach`, tasks of a handler's `spawn`. Every measurement stands between two of plain tasks in the same shape.
"""

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.store.records import Cause
from tests.benchmarks.system import System, running_system
from tests.benchmarks.workloads import many, submit
from tests.support.wait import wait_until

KINDS: Final = {"when": 1_000, "set": 1_000, "gates": 500, "scenarios": 250, "foreach": 1_000, "spawn": 500}
"""How many tasks of a kind one scenario has."""
TEMPLATES: Final = Path(__file__).parent / "templates"

Json = Any


async def rate(system: System, kind: str, size: int, scenarios: int) -> float:
    """Tasks of a kind per second."""
    variables = {"KIND": kind, "N": size}
    started = time.perf_counter()
    if kind == "gates":
        ids = [(await submit(system, "BenchSpecial", variables))[0] for _ in range(scenarios)]
        await wait_until(
            lambda: _open(system, size * scenarios), what="the gates", timeout_s=600, every_s=0.01
        )
        seconds = time.perf_counter() - started
        for scenario_id in ids:
            while await system.store.cancel(scenario_id, Cause("measured")) == "MORE":
                continue
        await wait_until(lambda: _open(system, 0), what="the gates to close", timeout_s=600)
        return size * scenarios / seconds
    if kind == "scenarios":
        before = await system.ended()
        ids = [(await submit(system, "BenchSpecial", variables))[0] for _ in range(scenarios)]
        wanted = before + scenarios * (size + 1)
        await wait_until(lambda: _ended(system, wanted), what="the scenarios", timeout_s=600, every_s=0.01)
        return size * scenarios / (time.perf_counter() - started)
    return size * scenarios / (await many(system, "BenchSpecial", variables, scenarios)).seconds


async def _open(system: System, count: int) -> bool:
    return await system.link.execute("ZCARD", system.store.partitions[0].gates) == count  # type: ignore[no-any-return]


async def _ended(system: System, count: int) -> bool:
    system.fleet.check()
    return await system.ended() >= count


@dataclass(frozen=True)
class Spent:
    """Tasks of a kind per second, and CPU microseconds of engine and Redis for each."""

    per_s: float
    engine_us: float
    redis_us: float


async def spent(system: System, kind: str, size: int, scenarios: int) -> Spent:
    """One measurement."""
    before = system.cpu_s()
    per_s = await rate(system, kind, size, scenarios)
    after, tasks = system.cpu_s(), size * scenarios
    engine, redis = (1e6 * (after[role] - before[role]) / tasks for role in ("engine-0", "redis"))
    return Spent(per_s, engine, redis)


async def measure(
    server: str, kinds: list[str], *, repeat: int, scenarios: int, size: int = 0
) -> dict[str, Json]:
    """By kind: medians of the rate, of its share of that of plain tasks, and of the CPU time."""
    found: dict[str, list[tuple[Spent, float]]] = {}
    settings = {"SCENARIST_TEMPLATES": str(TEMPLATES)}
    async with running_system(server=server, workers=1, settings=settings) as system:
        await rate(system, "plain", 500, 2)
        for _ in range(repeat):
            before = await spent(system, "plain", 1_000, scenarios)
            for kind in kinds:
                special = await spent(system, kind, size or KINDS[kind], scenarios)
                after = await spent(system, "plain", 1_000, scenarios)
                found.setdefault(kind, []).append((special, 2 * special.per_s / (before.per_s + after.per_s)))
                found.setdefault("plain", []).append((after, 1.0))
                before = after
    return {kind: _medians(rows) for kind, rows in found.items()}


def _medians(rows: list[tuple[Spent, float]]) -> dict[str, Json]:
    return {
        "per_s": round(statistics.median(one.per_s for one, _ in rows)),
        "of_plain": round(statistics.median(share for _, share in rows), 3),
        "engine_us": round(statistics.median(one.engine_us for one, _ in rows)),
        "redis_us": round(statistics.median(one.redis_us for one, _ in rows)),
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", default="")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--scenarios", type=int, default=4)
    parser.add_argument("--size", type=int, default=0, help="tasks of a kind in one scenario")
    arguments = parser.parse_args()
    more = {"repeat": arguments.repeat, "scenarios": arguments.scenarios, "size": arguments.size}
    for kind, figures in asyncio.run(measure(arguments.server, arguments.kinds, **more)).items():
        print(json.dumps({"kind": kind, **figures}))


if __name__ == "__main__":
    main()
