"""A worker for a process of its own."""

import asyncio
import contextlib
import threading

from tests.integration.sdk import process_handlers
from workers_sdk import Context, Worker

worker = Worker("text-service", drain_s=30)
stubborn = Worker("voice-service", drain_s=0)
swallowing = Worker("slide-service", drain_s=0)
blocking = Worker("block-service")
leaving = Worker("thread-service", drain_s=0)
processes = Worker("image-service", drain_s=0)
processes.task("Stubborn", run="process")(process_handlers.stubborn)
processes.task("Patient", run="process")(process_handlers.patient)


@worker.task("Slow")
async def slow(ctx: Context) -> str:
    """Long enough to be running when the signal comes."""
    await asyncio.sleep(0.5)
    return "finished"


@worker.task("Endless")
async def endless(ctx: Context) -> None:
    """Ends only when cancelled."""
    await asyncio.Event().wait()


@stubborn.task("Deaf")
def deaf(ctx: Context) -> None:
    """Never looks at its cancel token."""
    threading.Event().wait(300)


@leaving.task("Thread")
async def thread(ctx: Context) -> None:
    """Leaves a thread of the loop behind when it is cancelled."""
    await asyncio.to_thread(threading.Event().wait, 300)


@blocking.task("Block")
async def block(ctx: Context) -> None:
    """Keeps the loop for itself."""
    threading.Event().wait(300)


@swallowing.task("Swallow")
async def swallow(ctx: Context) -> None:
    """Goes on whatever it is told."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
