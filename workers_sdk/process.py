"""A process of workers: signals in, exit code out."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Protocol

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

    Raises:
        ExceptionGroup: a bug; the process ends with it.
    """
    if not structlog.is_configured():
        logs.configure()
    loops.run(_serve_all(workers))


async def _serve_all(workers: Sequence[Serving]) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _heard, number, stop, hurry)
    async with asyncio.TaskGroup() as group:
        serving = [group.create_task(worker.serve(stop, hurry)) for worker in workers]
    if left := sum(task.result() for task in serving):
        structlog.get_logger("workers_sdk").error("handlers_do_not_stop", handlers=left)
        _leave_them()


def _heard(number: int, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    if hurry.is_set():
        os._exit(128 + number)
    (hurry if stop.is_set() else stop).set()


def _leave_them() -> None:
    """The loop would wait for their coroutines and the interpreter for their threads; their tasks are with other workers
    already."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
