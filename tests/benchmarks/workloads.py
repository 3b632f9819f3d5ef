"""The four shapes of work, each submitted through the path that the API uses, without HTTP."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from orchestrator.api.models import GenerateIn
from orchestrator.api.submission import identify
from orchestrator.handover import new_scenario
from orchestrator.templates import Limits, Registry, generate
from tests.benchmarks.system import System
from tests.support.wait import wait_until

CLIENTS: Final = 16
"""Requests under way at once, as an API process would have them."""
LATENCY_EVERY_S: Final = 0.0005
CHAINS: Final = 5
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


async def ended(system: System, count: int, *, every_s: float = 0.002) -> None:
    """Wait until `count` scenarios ended well, looking from outside. Raises CommandError when a process ended."""

    async def enough() -> bool:
        system.fleet.check()
        return await system.ended() >= count

    await wait_until(enough, what="the end of all scenarios", timeout_s=600, every_s=every_s)


async def many(
    system: System, name: str, variables: Mapping[str, Any], scenarios: int, *, every_s: float = 0.002
) -> Measured:
    """Submit equal scenarios, `CLIENTS` at once, and wait until all ended well; looks every `every_s` seconds."""
    before = await system.ended()
    left = iter(range(scenarios))
    started = time.perf_counter()

    async def client() -> int:
        return sum([(await submit(system, name, variables))[1] for _ in left])

    tasks = sum(await asyncio.gather(*(client() for _ in range(CLIENTS))))
    await ended(system, before + scenarios, every_s=every_s)
    return Measured(tasks, time.perf_counter() - started)


async def w1_flat(system: System) -> Measured:
    """20,000 independent tasks in a batch of 20 scenarios."""
    return await many(system, "BenchFlat", {"N": 1_000}, 20)


async def w2_diamond(system: System) -> Measured:
    """500 scenarios of 23 tasks."""
    return await many(system, "BenchDiamond", {}, 500)


async def w2_latency(system: System) -> Measured:
    """50 of those one after another on an idle system."""
    runs = [await many(system, "BenchDiamond", {}, 1, every_s=LATENCY_EVERY_S) for _ in range(50)]
    return Measured(
        sum(run.tasks for run in runs), sum(run.seconds for run in runs), tuple(run.seconds for run in runs)
    )


async def w3_chain(system: System) -> Measured:
    """Chains of 200 tasks, one after another; a latency is the time from one body to the next."""
    runs, hops = [], list[float]()
    for _ in range(CHAINS):
        start = system.marks.stat().st_size
        runs.append(await many(system, "BenchChain", {}, 1))
        marks = system.marks.read_bytes()[start:]
        times = [int.from_bytes(marks[i : i + 8], "big") / 1e9 for i in range(0, len(marks), 8)]
        hops += [later - earlier for earlier, later in pairwise(times)]
    return Measured(sum(run.tasks for run in runs), sum(run.seconds for run in runs), tuple(hops))


async def w4_wide(system: System) -> Measured:
    """1 -> 10,000 -> 1."""
    return await many(system, "BenchWide", {}, 1)


WORKLOADS: Final[dict[str, Workload]] = {
    "w1": w1_flat,
    "w2": w2_diamond,
    "w2lat": w2_latency,
    "w3": w3_chain,
    "w4": w4_wide,
}
