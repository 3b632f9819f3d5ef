"""A worker whose handlers do nothing. `BENCH_CONCURRENCY` handlers at once, of `BENCH_SERVICES`.

Those of a chain leave the time in the file `BENCH_MARKS`, 8 bytes each, in one write.
"""

import os
import time
from typing import Any

from workers_sdk import Context, Worker

SERVICES = "text-service voice-service image-service video-service"

worker = Worker(
    *os.environ.get("BENCH_SERVICES", SERVICES).split(),
    concurrency=int(os.environ.get("BENCH_CONCURRENCY", "400")),
)
marks = os.open(os.environ.get("BENCH_MARKS", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


async def _nothing() -> None:
    """The work."""


@worker.task("Step")
async def _step() -> None:
    os.write(marks, time.monotonic_ns().to_bytes(8, "big"))


@worker.task("Items")
async def _items(ctx: Context) -> dict[str, Any]:
    return {"first": 1, "all": list(range(ctx.params["n"]))}


@worker.task("Spawner")
async def _spawner(ctx: Context) -> None:
    for _ in range(ctx.params["n"]):
        ctx.spawn("Text")


for name in ("Text", "Voice", "Prompt", "Slide", "Video", "First", "Middle", "Last", "CreateSlide"):
    worker.task(name)(_nothing)


if __name__ == "__main__":
    worker.run()
