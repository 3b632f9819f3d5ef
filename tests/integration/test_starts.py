"""How the roles start: a Redis that cannot be worked with is told in one line, one that is not there yet is waited for."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit
from orchestrator.cli.fleet import Fleet
from orchestrator.store.backlog import health_of
from tests.integration.link.servers import RedisProcess, free_port
from tests.support.engines import running_engine
from tests.support.fleet import HOST, clean_environment
from tests.support.graphs import chain, graph
from tests.support.wait import wait_until
from workers_sdk import Worker
from workers_sdk.protocol.keys import META, scenario_id_from
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status
from workers_sdk.protocol.server import RIGHTS

ROOT = Path(__file__).parents[2]
WORKER = "tests.integration.sdk.process_worker:worker"
ROLES = {
    "engine": ("orchestrator", "engine"),
    "api": ("orchestrator", "serve"),
    "worker": ("workers_sdk", WORKER),
}
LIMITED = "redis://limited:secret@"


async def told_to(server: RedisProcess, *commands: tuple[str, ...]) -> None:
    """Set a server up."""
    link = RedisLink(f"redis://{server.address}")
    for command in commands:
        await link.execute(*command)
    await link.close()


def set_up(server: RedisProcess, *commands: tuple[str, ...]) -> None:
    asyncio.run(
        told_to(server, ("HSET", META, "partitions", "1", "lease_ms", "15000", "schema", "1"), *commands)
    )


@contextlib.contextmanager
def replica(folder: Path) -> Iterator[str]:
    with RedisProcess(folder / "primary", appendonly="yes") as primary:
        set_up(primary)
        where = {"replicaof": primary.address.replace(":", " "), "repl_diskless_sync_delay": "0"}
        with RedisProcess(folder / "replica", appendonly="yes", **where) as server:
            yield f"redis://{server.address}"


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[str]:
    files = {"cluster_port": str(free_port()), "cluster_config_file": "nodes.conf"}
    with RedisProcess(folder, appendonly="yes", cluster_enabled="yes", **files) as server:
        asyncio.run(told_to(server, ("CLUSTER", "ADDSLOTSRANGE", "0", "16383")))
        asyncio.run(whole(server))
        set_up(server)
        yield f"redis://{server.address}"


async def whole(server: RedisProcess) -> None:
    link = RedisLink(f"redis://{server.address}")

    async def is_whole() -> bool:
        return b"cluster_state:ok" in await link.execute("CLUSTER", "INFO")

    await wait_until(is_whole, what="the cluster")
    await link.close()


@contextlib.contextmanager
def with_user(folder: Path, *rules: str) -> Iterator[str]:
    with RedisProcess(folder, appendonly="yes") as server:
        set_up(server, ("ACL", "SETUSER", "limited", "on", ">secret", "&*", *rules))
        yield f"{LIMITED}{server.address}"


@contextlib.contextmanager
def with_password(folder: Path) -> Iterator[str]:
    with RedisProcess(folder, appendonly="yes") as server:
        set_up(server, ("CONFIG", "SET", "requirepass", "secret"))
        yield f"redis://:wrong@{server.address}"


Server = Callable[[Path], contextlib.AbstractContextManager[str]]
UNFIT: dict[str, tuple[Server, str]] = {
    "a replica": (replica, "it is a replica, which takes no writes"),
    "a cluster": (cluster, "set SCENARIST_PARTITIONS to 2 or more"),
    "no scripts": (lambda folder: with_user(folder, "~*", "+@all", "-@scripting"), "more rights"),
    "not all keys": (lambda folder: with_user(folder, "~scenarist:*", "+@all"), "more rights"),
    "a wrong password": (with_password, "AUTH: WRONGPASS"),
}


@pytest.mark.parametrize("which", UNFIT)
def test_a_redis_that_cannot_be_worked_with_is_told_in_one_line(
    which: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server, words = UNFIT[which]
    with server(tmp_path) as url:
        for role in ("serve", "engine"):
            capfd.readouterr()
            assert run([role, "--redis", url]) == Exit.UNREACHABLE
            said = capfd.readouterr()
            [line] = (said.out + said.err).splitlines()
            assert line.startswith("error: Redis cannot be used: ")
            assert words in line
        done = subprocess.run(
            [sys.executable, "-m", *ROLES["worker"]],
            cwd=ROOT,
            env=clean_environment(REDIS_URL=url, PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == Exit.UNREACHABLE
    [told] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (told["level"], told["event"]) == ("error", "redis_cannot_be_used")
    assert words in told["error"]


async def test_the_rights_that_are_told_are_enough_to_start(tmp_path: Path) -> None:
    """And not only for that: see what the roles do once they run."""
    rules = RIGHTS.split()
    server = RedisProcess(tmp_path, appendonly="yes")
    with server:
        await told_to(server, ("ACL", "SETUSER", "limited", "on", ">secret", "&*", *rules))
        url = f"{LIMITED}{server.address}"
        async with running_engine(url) as engine, worker_on(url).running():
            scenario_id = scenario_id_from(b"of a limited user")
            await engine.store.submit(graph(chain(2), scenario_id=scenario_id))
            assert (await engine.finished(scenario_id)).status is Status.SUCCESS
            await health_of(engine.store)


def worker_on(url: str) -> Worker:
    worker = Worker("test-service", redis_url=url)
    for name in chain(2):
        worker.task(name)(lambda: None)
    return worker


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[Fleet, RedisProcess]]:
    """All roles, and a server that is not started."""
    server = RedisProcess(tmp_path / "redis", appendonly="yes")
    own = {"REDIS_URL": f"redis://{server.address}", "HOST": HOST, "PORT": str(free_port())}
    more = {"SCENARIST_ARTIFACTS": str(tmp_path / "artifacts"), "PYTHONPATH": str(ROOT)}
    fleet = Fleet(tmp_path / "logs", clean_environment(**own, **more, SCENARIST_REDIS_WAIT_S="600"))
    try:
        for name, words in ROLES.items():
            fleet.start(name, *words)
        yield fleet, server
    finally:
        fleet.stop()
        server.stop()


async def has_said(fleet: Fleet, name: str, event: str) -> None:
    """Wait for a line in the log of a role."""
    log = fleet.log_of(name)
    await wait_until(lambda: event in log.read_text(), what=f"{event} of {name}", timeout_s=120)


async def all_say(fleet: Fleet, **events: str) -> None:
    """Wait for a line of each role, in that order."""
    for name, event in events.items():
        await has_said(fleet, name, event)


async def test_roles_that_start_before_redis_wait_for_it(started: tuple[Fleet, RedisProcess]) -> None:
    fleet, server = started
    await all_say(fleet, engine="waiting_for_redis", api="waiting_for_redis", worker="redis_unavailable")
    fleet.check()
    server.start()
    await all_say(fleet, engine="engine_started", worker="worker_started", api="redis_available")
    fleet.check()


async def test_roles_that_wait_for_redis_can_be_stopped(started: tuple[Fleet, RedisProcess]) -> None:
    fleet, _ = started
    await all_say(fleet, engine="waiting_for_redis", api="waiting_for_redis", worker="redis_unavailable")
    for child in fleet.children.values():
        child.send_signal(signal.SIGTERM)
    await wait_until(
        lambda: None not in [child.poll() for child in fleet.children.values()], what="the end", timeout_s=120
    )
    assert {name: child.returncode for name, child in fleet.children.items()} == dict.fromkeys(ROLES, Exit.OK)
