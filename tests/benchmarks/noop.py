"""A worker whose handlers do nothing. `BENCH_CONCURRENCY` handlers at once."""

import os

from workers_sdk import Worker

worker = Worker(
    "text-service",
    "voice-service",
    "image-service",
    "video-service",
    concurrency=int(os.environ.get("BENCH_CONCURRENCY", "400")),
)


async def _nothing() -> None:
    """The work."""


for name in ("Text", "Voice", "Prompt", "Slide", "Video", "First", "Middle", "Last", "Step"):
    worker.task(name)(_nothing)


if __name__ == "__main__":
    worker.run()
