"""The four shapes of work, each submitted through the path that the API uses, without HTTP."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from orchestrator.api.models import GenerateIn
from orchestrator.api.submission import identify, new_scenario
from orchestrator.templates import Limits, Registry, generate
from tests.benchmarks.system import System
from tests.support.wait import wait_until
from workers_sdk.protocol.messages import Status

CLIENTS: Final = 16
"""Requests under way at once, as an API process would have them."""
LIMITS: Final = Limits(max_tasks=200_000, max_edges=1_000_000)
REGISTRY: Final = Registry([Path(__file__).parent / "templates"], LIMITS)


@dataclass(frozen=True)
class Measured:
    """Tasks done, seconds from the first submission to the last end as seen from outside, and single latencies."""

    tasks: int
    seconds: float
    latencies_s: tuple[float, ...] = ()


Workload = Callable[[System], Awaitable[Measured]]


async def submit(system: System, name: str, variables: Mapping[str, Any]) -> tuple[str, int]:
    """Render and submit one scenario; returns its id and its number of tasks."""
    body = GenerateIn(scenario=name)
    scenario_id, _ = identify(body, None)
    scenario = generate(
        REGISTRY.get(name), scenario_id=scenario_id, variables=variables, now=datetime.now(UTC), limits=LIMITS
    )
    await system.store.submit(new_scenario(scenario, []))
    return scenario_id, len(scenario.tasks)


async def ended(system: System, count: int) -> None:
    """Wait until `count` scenarios ended well, looking from outside."""
    key = system.store.partitions[0].index_of(Status.SUCCESS)

    async def enough() -> bool:
        return bool(await system.link.execute("ZCARD", key) >= count)

    await wait_until(enough, what="the end of all scenarios", timeout_s=600, every_s=0.002)


async def _many(system: System, name: str, variables: Mapping[str, Any], scenarios: int) -> Measured:
    before = await system.link.execute("ZCARD", system.store.partitions[0].index_of(Status.SUCCESS))
    left = iter(range(scenarios))
    started = time.perf_counter()

    async def client() -> int:
        return sum([(await submit(system, name, variables))[1] for _ in left])

    tasks = sum(await asyncio.gather(*(client() for _ in range(CLIENTS))))
    await ended(system, before + scenarios)
    return Measured(tasks, time.perf_counter() - started)


async def w1_flat(system: System) -> Measured:
    """20,000 independent tasks in a batch of 20 scenarios."""
    return await _many(system, "BenchFlat", {"N": 1_000}, 20)


async def w2_diamond(system: System) -> Measured:
    """500 scenarios of 23 tasks."""
    return await _many(system, "BenchDiamond", {}, 500)


async def w2_latency(system: System) -> Measured:
    """50 of those one after another on an idle system."""
    runs = [await _many(system, "BenchDiamond", {}, 1) for _ in range(50)]
    return Measured(
        sum(run.tasks for run in runs), sum(run.seconds for run in runs), tuple(run.seconds for run in runs)
    )


async def w3_chain(system: System) -> Measured:
    """Chains of 200 tasks, one after another."""
    runs = [await _many(system, "BenchChain", {}, 1) for _ in range(5)]
    return Measured(
        sum(run.tasks for run in runs),
        sum(run.seconds for run in runs),
        tuple(run.seconds / run.tasks for run in runs),
    )


async def w4_wide(system: System) -> Measured:
    """1 -> 10,000 -> 1."""
    return await _many(system, "BenchWide", {}, 1)


WORKLOADS: Final[dict[str, Workload]] = {
    "w1": w1_flat,
    "w2": w2_diamond,
    "w2lat": w2_latency,
    "w3": w3_chain,
    "w4": w4_wide,
}
