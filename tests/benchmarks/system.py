"""A whole system for one measurement: server, engines and workers as processes, and what they cost."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cli.fleet import Fleet
from orchestrator.embedded import EmbeddedServer, find_server
from orchestrator.store.store import SCRIPTS, Policy, Store
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.scripts import LUA, Scripts

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class System:
    """What a workload drives and measures.

    Attributes:
        pids: process ids by role, `redis` and the names of the fleet.
    """

    url: str
    link: RedisLink
    store: Store
    pids: Mapping[str, int] = field(default_factory=dict)

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far, by role."""
        return {role: _cpu_s(pid) for role, pid in self.pids.items()} | {"submitter": time.process_time()}

    async def command_us(self) -> dict[str, tuple[int, int]]:
        """Calls and microseconds of each Redis command so far. Commands inside scripts count for themselves too."""
        text = (await self.link.execute("INFO", "commandstats")).decode()
        found = {}
        for line in text.splitlines():
            if line.startswith("cmdstat_"):
                name, _, rest = line.removeprefix("cmdstat_").partition(":")
                values = dict(pair.split("=") for pair in rest.split(","))
                found[name] = (int(values["calls"]), int(values["usec"]))
        return found


    async def log_scripts(self) -> None:
        """From here on Redis notes the time of every call. It costs some percent, so rates are not to be quoted."""
        await self.link.execute("CONFIG", "SET", "slowlog-max-len", 1_000_000, "slowlog-log-slower-than", 0)
        await self.link.execute("SLOWLOG", "RESET")

    async def script_us(self) -> dict[str, list[int]]:
        """Microseconds of each call since `log_scripts`, by script, or by command where it is none."""
        names = {script.sha.encode(): name for name, script in Scripts(LUA, SCRIPTS).by_name.items()}
        found: dict[str, list[int]] = {}
        for entry in await self.link.execute("SLOWLOG", "GET", -1):
            _, _, microseconds, command = entry[:4]
            name = names.get(command[1], "eval") if command[0].upper() == b"EVALSHA" else command[0].decode().lower()
            found.setdefault(name, []).append(microseconds)
        return found


@asynccontextmanager
async def running_system(
    *, server: str, workers: int, engines: int = 1, concurrency: int = 400, aof: bool = False
) -> AsyncIterator[System]:
    """Start everything, wait until all workers read, stop everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(EmbeddedServer(folder / "redis", program=find_server(server)))
        environment = {
            **os.environ,
            "REDIS_URL": redis.url,
            "SCENARIST_LOG_LEVEL": "warning",
            "BENCH_CONCURRENCY": str(concurrency),
        }
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        fleet = Fleet(folder / "logs", environment)
        stack.callback(fleet.stop)
        link = RedisLink(redis.url)
        if not aof:
            await link.execute("CONFIG", "SET", "appendonly", "no")
            environment["SCENARIST_UNSAFE_VOLATILE"] = "1"
        store = await Store.open(link, policy=Policy(), sets_lease=True, unsafe_volatile=not aof)
        for n in range(engines):
            fleet.start(f"engine-{n}", "orchestrator", "engine")
        for n in range(workers):
            fleet.start(f"worker-{n}", "workers_sdk", "tests.benchmarks.noop")
        pids = {name: child.pid for name, child in fleet.children.items()}
        info = (await link.execute("INFO", "server")).decode()
        pids["redis"] = int(
            next(line for line in info.splitlines() if line.startswith("process_id:")).split(":")[1]
        )
        await wait_until(lambda: _all_read(link, workers + 2 * engines), what="all to read")
        await asyncio.sleep(0.5)
        yield System(redis.url, link, store, pids)
        await link.close()


async def _all_read(link: RedisLink, readers: int) -> bool:
    """All of them wait in a blocking read."""
    text = (await link.execute("INFO", "clients")).decode()
    return int(text.partition("blocked_clients:")[2].split()[0]) >= readers


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
