"""The roles of the system, one process each."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from orchestrator.api.app import create_app, template_registry
from orchestrator.api.policy import egress_of, policy_of
from orchestrator.artifacts import Artifacts
from orchestrator.config import Settings
from orchestrator.engine import BLOCK_MS, Engine, Launcher, Seams, Sending
from orchestrator.logs import configure
from orchestrator.packs import Pack
from orchestrator.store.admission import Admission
from orchestrator.store.server import ServerUnfit
from orchestrator.store.store import Store
from orchestrator.templates import Limits, Registry
from workers_sdk.protocol import loops
from workers_sdk.protocol.link import RedisLink, Refused, Unavailable

from .exits import CommandError, Exit
from .options import Host, Port, RedisUrl, packs_here, server_settings
from .planning import template_errors
from .server import run_server

T = TypeVar("T")


def serve(*, host: Host = None, port: Port = None, redis: RedisUrl = None) -> int:
    """Run the API."""
    settings = server_settings(host=host, port=port, redis_url=redis)
    _log(settings)
    with _redis_errors(), template_errors():
        return Exit.OK if run_server(create_app(settings, warm=True), settings) else Exit.UNREACHABLE


def engine(*, redis: RedisUrl = None) -> int:
    """Run one orchestrator; any number may run, on any machines."""
    settings = server_settings(redis_url=redis)
    _log(settings)
    with template_errors():
        registry = template_registry(settings)
    with _redis_errors():
        loops.run(_run_engine(settings, registry))
    return Exit.OK


@contextmanager
def _redis_errors() -> Iterator[None]:
    try:
        yield
    except (ServerUnfit, Unavailable, Refused) as error:
        raise CommandError(f"Redis cannot be used: {error}", Exit.UNREACHABLE) from error


def worker(target: str, /, *, redis: RedisUrl = None) -> int:
    """Run one worker.

    Args:
        target: `pack/name` (see `scenarist up`), or a module such as `package.module` or `package.module:worker`.
    """
    # The worker's process knows the SDK and its own module, and nothing of the server.
    environment = os.environ | {"REDIS_URL": server_settings(redis_url=redis).redis_url}
    os.execve(
        sys.executable, [sys.executable, "-m", "workers_sdk", module_of(target, packs_here())], environment
    )


def module_of(target: str, packs: list[Pack]) -> str:
    """Module of a worker by `pack/name`; a module's name is returned as it is.

    Raises:
        CommandError: USAGE, with the names that there are.
    """
    if "/" not in target:
        return target
    known = {f"{pack.name}/{name}": module for pack in packs for name, module in pack.workers.items()}
    if target not in known:
        raise CommandError(f"no worker {target}; there are: {', '.join(sorted(known)) or 'none'}", Exit.USAGE)
    return known[target]


def _log(settings: Settings) -> None:
    configure("debug" if settings.debug else settings.log_level, json=settings.log_json)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What comes of it; None when `stop` came first."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def _run_engine(settings: Settings, registry: Registry) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    link = RedisLink(settings.redis_url, name="scenarist-engine")
    # Three blocked reads for every partition, and one to spare.
    reading = RedisLink(
        settings.redis_url,
        block_ms=BLOCK_MS,
        connections=3 * settings.partitions + 1,
        name="scenarist-engine-reading",
    )
    try:
        opening = Store.open(
            link,
            partitions=settings.partitions,
            policy=policy_of(settings),
            unsafe_volatile=settings.unsafe_volatile,
            sets_lease=True,
            wait_s=settings.redis_wait_s,
        )
        store = await _unless(stop, opening)
        if store is None:
            return
        limits = Limits(max_tasks=settings.max_tasks)
        admission = Admission(link, settings.admission_memory)
        launcher = Launcher(store, registry, limits, strict=settings.strict_templates, admission=admission)
        sending = Sending(
            egress=egress_of(settings),
            timeout_s=settings.webhooks_timeout_s,
            keep_ms=settings.webhooks_retention_s * 1000,
        )
        artifacts = Artifacts(settings.artifacts)
        engine = Engine(store, Seams(reading), launcher=launcher, sending=sending, artifacts=artifacts)
        await engine.run(stop)
    finally:
        await reading.close()
        await link.close()
