"""A whole system for one measurement: server, engines and workers as processes, and what they cost."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cli.fleet import Fleet
from orchestrator.embedded import EmbeddedServer, find_server
from orchestrator.store.store import Policy, Store
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

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
        return {role: _cpu_s(pid) for role, pid in self.pids.items()}

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


@asynccontextmanager
async def running_system(
    *, server: str, workers: int, engines: int = 1, concurrency: int = 400
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
        store = await Store.open(link, policy=Policy(), sets_lease=True)
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
