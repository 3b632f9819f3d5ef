"""A real worker whose tasks do next to nothing: for tests of what is around the work."""

import asyncio
from typing import Any

from workers_sdk import Context, Worker

worker = Worker("alpha-service", "beta-service", concurrency=4)


@worker.task("Step")
async def step(ctx: Context) -> dict[str, Any]:
    """Take long enough that a kill hits something under way."""
    await asyncio.sleep(0.02)
    return {"task": ctx.task_id, "attempt": ctx.attempt}
