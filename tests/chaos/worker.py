"""A worker that does what `params` say, and writes down when it began and ended: `python -m tests.chaos.worker`."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any, Final

from workers_sdk import Context, Fail, Worker

SERVICES: Final = ("chaos-async", "chaos-thread", "chaos-process", "chaos-limited")
SLICE_S: Final = 0.05

worker = Worker(*SERVICES, concurrency=6, drain_s=2, kill_after_s=1)


@worker.task("Work")
async def work(ctx: Context) -> dict[str, Any]:
    """On the loop."""
    until = begin(ctx)
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(SLICE_S, left))
        ctx.progress(50, "in the middle")
    return outcome(ctx)


@worker.task("Thread")
def thread(ctx: Context) -> dict[str, Any]:
    """In a thread."""
    return in_slices(ctx)


@worker.task("Process", run="process")
def process(ctx: Context) -> dict[str, Any]:
    """In a process of its own; may end that process."""
    if ctx.attempt <= int(ctx.params.get("die", 0)):
        os._exit(3)
    return in_slices(ctx)


def in_slices(ctx: Context) -> dict[str, Any]:
    """Work, look whether it is still wanted, give signs of life."""
    until = begin(ctx)
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(SLICE_S, left))
        ctx.cancelled.raise_if_set()
        ctx.heartbeat()
    return outcome(ctx)


def begin(ctx: Context) -> float:
    """Until when to work."""
    note("begin", ctx)
    return time.monotonic() + float(ctx.params.get("ms", 10)) / 1000


def outcome(ctx: Context) -> dict[str, Any]:
    """The result, or the failure, that is asked for."""
    params = ctx.params
    if params.get("bad") or ctx.attempt <= int(params.get("flaky", 0)):
        note("fail", ctx)
        raise Fail(f"asked to fail, attempt {ctx.attempt}", code="Asked", retry=not params.get("bad"))
    for number in range(int(params.get("spawn", 0))):
        ctx.spawn("Work", "chaos-async", params={"ms": 0, "number": number})
    note("end", ctx)
    return {
        "task": ctx.task_id,
        "attempt": ctx.attempt,
        "value": params.get("value", 1),
        "parts": [{"text": f"part {n}"} for n in range(int(params.get("n", 0)))],
        "large": "x" * int(params.get("large", 0)),
    }


def note(what: str, ctx: Context) -> None:
    """Append a line to this process' journal; one write, so that a kill leaves whole lines."""
    line = {
        "what": what,
        "t": time.monotonic(),
        "task": ctx.task_id,
        "attempt": ctx.attempt,
        "scenario": ctx.scenario_id,
        "service": ctx.service,
        "key": ctx.params.get("key"),
        "at": ctx.params.get("at"),
        "who": ctx.params.get("who"),
    }
    with Path(os.environ["CHAOS_JOURNAL"], f"{os.getpid()}.jsonl").open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    worker.run()
