"""A whole system for one measurement: server, engines and workers as processes, and what they cost."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.cli.fleet import Fleet
from orchestrator.embedded import EmbeddedServer, find_server
from orchestrator.processes import stop_child
from orchestrator.store.store import SCRIPTS, Policy, Store
from tests.benchmarks.cluster import running_masters
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status
from workers_sdk.protocol.scripts import LUA, Scripts

TICKS: Final = os.sysconf("SC_CLK_TCK")
SETTLE_S: Final = 0.5


@dataclass
class System:
    """What a workload drives and measures.

    Attributes:
        servers: a link to each Redis for what is said to a server and not to its keys; `link` itself for a single one.
        redis: process ids of the servers by role.
        marks: file in which the handlers of a chain leave their times.
        environment: of the processes that are still to be started.
    """

    url: str
    link: RedisLink
    store: Store
    servers: Sequence[RedisLink] = ()
    redis: Mapping[str, int] = field(default_factory=dict)
    fleet: Fleet = field(default_factory=lambda: Fleet(Path(), {}))
    environment: MutableMapping[str, str] = field(default_factory=dict)
    marks: Path = Path()
    engines: int = 1

    def __post_init__(self) -> None:
        self.servers = self.servers or [self.link]

    @property
    def workers(self) -> list[str]:
        """Names of the workers that run."""
        return [name for name in self.fleet.children if name.startswith("worker-")]

    async def set_workers(self, count: int) -> None:
        """Start or stop workers until so many run, and wait until all read."""
        for name in self.workers[count:]:
            stop_child(self.fleet.children.pop(name))
        for n in range(len(self.workers), count):
            self.fleet.start(f"worker-{n}", "workers_sdk", "tests.benchmarks.noop")
        readers = (count + 2 * self.engines) * self.store.partitions.count
        await wait_until(lambda: self._all_read(readers), what="all to read")
        await asyncio.sleep(SETTLE_S)

    async def set_aof(self, on: bool) -> None:
        """Switch the append-only file (synced every second) on or off, and wait until it is so."""
        for server in self.servers:
            await server.execute("CONFIG", "SET", "appendonly", "yes" if on else "no")
            await wait_until(partial(_is_written, server), what="the append-only file", timeout_s=60)

    async def ended(self) -> int:
        """How many scenarios have ended well so far."""
        keys = [at.index_of(Status.SUCCESS) for at in self.store.partitions]
        return sum(await self.link.execute_many([("ZCARD", key) for key in keys]))

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far, by role."""
        pids = {name: child.pid for name, child in self.fleet.children.items()} | dict(self.redis)
        return {role: _cpu_s(pid) for role, pid in pids.items()} | {"submitter": time.process_time()}

    async def command_us(self) -> dict[str, tuple[int, int]]:
        """Calls and microseconds of each Redis command so far. Commands inside scripts count for themselves too."""
        found: dict[str, tuple[int, int]] = {}
        for name, shown in (await self.info("commandstats")).items():
            command = name.removeprefix("cmdstat_")
            for one in shown:
                values = dict(pair.split("=") for pair in one.split(","))
                calls, us = found.get(command, (0, 0))
                found[command] = (calls + int(values["calls"]), us + int(values["usec"]))
        return found

    async def info(self, section: str) -> dict[str, list[str]]:
        """A section of INFO: name -> value of each server."""
        found: dict[str, list[str]] = {}
        for server in self.servers:
            for line in (await server.execute("INFO", section)).decode().splitlines():
                name, colon, value = line.partition(":")
                if colon:
                    found.setdefault(name, []).append(value.strip())
        return found

    async def total(self, section: str, name: str) -> int:
        """A number of INFO, summed over all servers."""
        return sum(map(int, (await self.info(section))[name]))

    async def log_scripts(self, slower_than_us: int = 0) -> None:
        """From here on Redis notes the time of every call, or of slow ones only.

        All calls: it costs some percent, so rates are not to be quoted.
        """
        for server in self.servers:
            await server.execute("CONFIG", "SET", "slowlog-max-len", 1_000_000)
            await server.execute("CONFIG", "SET", "slowlog-log-slower-than", slower_than_us)
            await server.execute("SLOWLOG", "RESET")

    async def script_us(self) -> dict[str, list[int]]:
        """Microseconds of each call since `log_scripts`, by script, or by command where it is none.

        Redis notes slow commands inside scripts for themselves too.
        """
        names = {script.sha.encode(): name for name, script in Scripts(LUA, SCRIPTS).by_name.items()}
        found: dict[str, list[int]] = {}
        for server in self.servers:
            for entry in await server.execute("SLOWLOG", "GET", -1):
                _, _, microseconds, command = entry[:4]
                word = command[0].decode().lower()
                name = f"{names.get(command[1], 'eval')}.lua" if word in ("eval", "evalsha") else word
                found.setdefault(name, []).append(microseconds)
        return found

    async def _all_read(self, readers: int) -> bool:
        """All of them wait in a blocking read."""
        self.fleet.check()
        return await self.total("clients", "blocked_clients") >= readers


@asynccontextmanager
async def running_system(
    *,
    server: str,
    workers: int,
    engines: int = 1,
    concurrency: int = 400,
    aof: bool = False,
    partitions: int = 1,
    masters: int = 0,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[System]:
    """Start everything, wait until all workers read, stop everything.

    Args:
        masters: so many servers on TCP ports, which are a cluster when they are several, instead of one on a unix socket.
        settings: more environment variables of engines and workers.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, pids, urls = await _servers(stack, folder, server, masters)
        marks = folder / "marks"
        environment = {
            **os.environ,
            "REDIS_URL": url,
            "SCENARIST_LOG_LEVEL": "warning",
            "SCENARIST_PARTITIONS": str(partitions),
            "BENCH_CONCURRENCY": str(concurrency),
            "BENCH_MARKS": str(marks),
            **(settings or {}),
        }
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        fleet = Fleet(folder / "logs", environment)
        stack.callback(fleet.stop)
        link = RedisLink(url)
        stack.push_async_callback(link.close)
        links = [RedisLink(one) for one in urls] or [link]
        for one in links:
            stack.push_async_callback(one.close)
            if not aof:
                await one.execute("CONFIG", "SET", "appendonly", "no")
                environment["SCENARIST_UNSAFE_VOLATILE"] = "1"
        store = await Store.open(
            link, partitions=partitions, policy=Policy(), sets_lease=True, unsafe_volatile=not aof
        )
        for n in range(engines):
            fleet.start(f"engine-{n}", "orchestrator", "engine")
        system = System(url, link, store, links, pids, fleet, environment, marks, engines)
        await system.set_workers(workers)
        yield system


async def _servers(
    stack: AsyncExitStack, folder: Path, choice: str, masters: int
) -> tuple[str, dict[str, int], list[str]]:
    """Start the server or servers: address, process ids by role, and the addresses of those on TCP ports."""
    program = find_server(choice)
    if masters:
        nodes = await stack.enter_async_context(running_masters(folder / "redis", program, masters))
        return (
            nodes[0].url,
            {f"redis-{n}": node.pid for n, node in enumerate(nodes)},
            [one.url for one in nodes],
        )
    redis = stack.enter_context(EmbeddedServer(folder / "redis", program=program))
    return redis.url, {"redis": redis.pid or 0}, []


async def _is_written(server: RedisLink) -> bool:
    text = (await server.execute("INFO", "persistence")).decode()
    return "aof_rewrite_in_progress:0" in text and "aof_rewrite_scheduled:0" in text


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
