"""From the measured cost of a task to what a million tasks per second would take. Every line says which of both it is.

python -m tests.benchmarks.capacity results/<file>.json
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.report import median, name_of, rows_of, table

WANTED_PER_S: Final = 1_000_000
BUSY: Final = 0.7
"""Share of a core that is planned with; the rest is for peaks and for Redis' own work."""

Json = Any


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU of one W2 task by process, bytes over the network and in memory, and what partitions add."""

    redis_us: float
    engine_us: float
    worker_us: float
    submitter_us: float
    bytes_in: float
    bytes_out: float
    memory: float
    factor: float

    @classmethod
    def of(cls, server: Json) -> "Cost":
        """Medians of the runs with the better number of workers. Raises KeyError: something was not measured."""
        rows = rows_of(server, "w2")

        def cpu(role: str) -> float:
            sums = [
                {"us": sum(us for name, us in row["cpu_us_per_task"].items() if name.startswith(role))}
                for row in rows
            ]
            return median(sums, "us")

        network = [row["bytes_per_task"] for row in rows]
        return cls(
            cpu("redis"),
            cpu("engine"),
            cpu("worker"),
            cpu("submitter"),
            median(network, "to_redis"),
            median(network, "from_redis"),
            server["memory"]["finished"]["growth"],
            factor_of(server),
        )


def _measured(costs: Sequence[Cost]) -> list[list[str]]:
    lines: Mapping[str, Sequence[float]] = {
        "Redis, CPU per task": [cost.redis_us for cost in costs],
        "engine, CPU per task": [cost.engine_us for cost in costs],
        "workers, CPU per task (handlers do nothing)": [cost.worker_us for cost in costs],
        "rendering and submission, CPU per task": [cost.submitter_us for cost in costs],
    }
    rows = [["measured", name, *(f"{us:.0f} us" for us in found)] for name, found in lines.items()]
    network = [f"{cost.bytes_in:.0f} and {cost.bytes_out:.0f} bytes" for cost in costs]
    rows.append(["measured", "to and from Redis per task", *network])
    rows.append(["measured", "memory per finished task", *(f"{cost.memory:.0f} bytes" for cost in costs)])
    return rows


def _cores(us: float, factor: float = 1.0) -> str:
    return f"{math.ceil(WANTED_PER_S * us * factor / 1e6 / BUSY):,}"


def _arithmetic(costs: Sequence[Cost]) -> list[list[str]]:
    lines = {
        "one master, tasks/s": [f"{BUSY * 1e6 / cost.redis_us / cost.factor:,.0f}" for cost in costs],
        "one engine process, tasks/s": [
            f"{BUSY * 1e6 / cost.engine_us / cost.factor:,.0f}" for cost in costs
        ],
        "10^6/s: masters, one core each": [_cores(cost.redis_us, cost.factor) for cost in costs],
        "10^6/s: engine processes": [_cores(cost.engine_us, cost.factor) for cost in costs],
        "10^6/s: cores of workers beside the work itself": [
            _cores(cost.worker_us, cost.factor) for cost in costs
        ],
        "10^6/s: API processes, without HTTP": [_cores(cost.submitter_us) for cost in costs],
        "10^6/s: network of all masters together": [
            f"{WANTED_PER_S * 8 * (cost.bytes_in + cost.bytes_out) / 1e9:.1f} Gbit/s" for cost in costs
        ],
        "10^6/s: memory per second of retention": [
            f"{WANTED_PER_S * cost.memory / 1e9:.2f} GB" for cost in costs
        ],
    }
    return [["arithmetic", name, *found] for name, found in lines.items()]


def factor_of(server: Json) -> float:
    """How much more a task costs with 4 partitions than with one; at least 1. Raises KeyError: not measured."""
    costs = server["partitions"]["costs"]
    return max(1.0, float(costs["4"]["cpu_us"] / costs["1"]["cpu_us"]))


def markdown(data: Json) -> str:
    """The table."""
    wanted = {"throughput": "rows", "memory": "finished", "partitions": "costs"}
    servers = [
        server
        for server in data["servers"]
        if all(key in server.get(part, {}) for part, key in wanted.items())
    ]
    costs = [Cost.of(server) for server in servers]
    share = ["measured", "cost with 4 partitions to that with one", *(f"{cost.factor:.2f}" for cost in costs)]
    rows = [*_measured(costs), share, *_arithmetic(costs)]
    return (
        f"{table(['', 'W2', *map(name_of, servers)], rows)}\n\n{data['started_at']}, commit {data['commit']}."
    )


def main() -> None:
    """See the module."""
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
