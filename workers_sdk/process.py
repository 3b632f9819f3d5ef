"""A process of workers: signals in, exit code out."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

import structlog

from . import logs
from .protocol import loops


class Serving(Protocol):
    """A `Worker`."""

    async def serve(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> int:
        """See `Worker.serve`."""
        ...


def run_workers(workers: Sequence[Serving]) -> None:
    """Run workers until SIGTERM or SIGINT, then drain; the second signal hurries, the third ends the process at once.

    A bug, and handlers that cannot be stopped, end the process at once too, with exit code 1.
    """
    if not structlog.is_configured():
        logs.configure()
    loops.run(_serve_all(workers))


async def _serve_all(workers: Sequence[Serving]) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _heard, number, stop, hurry)
    log = structlog.get_logger("workers_sdk")
    try:
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(worker.serve(stop, hurry)) for worker in workers]
    except Exception:
        log.exception("worker_bug")
        _leave_them()
    if left := sum(task.result() for task in serving):
        log.error("handlers_do_not_stop", handlers=left)
        _leave_them()


def _heard(number: int, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    if hurry.is_set():
        os._exit(128 + number)
    (hurry if stop.is_set() else stop).set()


def _leave_them() -> NoReturn:
    """The loop would wait for coroutines of handlers, and the interpreter for their threads; their tasks go to other workers,
    if they have not already."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
