"""A process of workers: signals in, exit code out."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Final, NoReturn, Protocol

import structlog

from . import logs
from .protocol import loops
from .protocol.server import ServerUnfit

UNFIT: Final = 3
"""Exit code: as of the roles of the server when Redis cannot be used."""

THREADS_S: Final = 5.0
"""How long threads of the loop may go on when no handler is left."""


class Serving(Protocol):
    """A `Worker`."""

    async def serve(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> int:
        """See `Worker.serve`."""
        ...


def run_workers(workers: Sequence[Serving]) -> None:
    """Run workers until SIGTERM or SIGINT, then drain; the second signal hurries, the third ends the process at once.

    A bug, and handlers that cannot be stopped, end the process at once too, with exit code 1; a Redis that cannot be worked with
    ends it with 3.

    Raises:
        ValueError: it is not the main thread, which alone hears signals (there is `Worker.running` for others).
    """
    if not structlog.is_configured():
        logs.configure()
    loops.run(_serve_all(workers))


async def _serve_all(workers: Sequence[Serving]) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    log = structlog.get_logger("workers_sdk")
    with _signals_set(stop, hurry):
        try:
            async with asyncio.TaskGroup() as group:
                serving = [group.create_task(worker.serve(stop, hurry)) for worker in workers]
        except Exception as error:
            if isinstance(error, ExceptionGroup) and (unfit := error.subgroup(ServerUnfit)):
                log.error("redis_cannot_be_used", error=str(unfit.exceptions[0]))
                _leave_them(UNFIT)
            log.exception("worker_bug")
            _leave_them()
    if left := sum(task.result() for task in serving):
        log.error("handlers_do_not_stop", handlers=left)
        _leave_them()
    # What handlers gave to `asyncio.to_thread`, the loop would wait for when it closes, without end.
    threads = asyncio.ensure_future(asyncio.get_running_loop().shutdown_default_executor())
    await asyncio.wait([threads], timeout=THREADS_S)
    if not threads.done():
        log.error("threads_do_not_stop")
        _leave_them()


@contextlib.contextmanager
def _signals_set(*events: asyncio.Event) -> Iterator[None]:
    """Let each signal set the next event, and one that finds none left end the process.

    By handlers of the interpreter, not of the loop: these run also while a coroutine keeps the loop for itself.
    """
    loop, left = asyncio.get_running_loop(), list(events)

    def heard(number: int, _frame: FrameType | None) -> None:
        if not left:
            os._exit(128 + number)
        loop.call_soon_threadsafe(left.pop(0).set)

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_them(code: int = 1) -> NoReturn:
    """The loop would wait for coroutines of handlers, and the interpreter for their threads; their tasks go to other workers,
    if they have not already."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
