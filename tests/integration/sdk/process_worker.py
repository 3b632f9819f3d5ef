"""A worker for a process of its own."""

import asyncio
import threading

from workers_sdk import Context, Worker

worker = Worker("text-service", drain_s=30)
stubborn = Worker("voice-service", drain_s=0)


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
