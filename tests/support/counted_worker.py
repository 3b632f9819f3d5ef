"""A real worker that notes in Redis how many of its kind work at once, in all processes."""

import asyncio
import os
from typing import Any, Final

from workers_sdk import Context, Worker
from workers_sdk.protocol.link import RedisLink

AT_WORK: Final = "test:at-work"
"""Set of `<process id> <task id> <attempt>`."""
COUNTS: Final = "test:counts"
"""List: how many were at work, each time that one more began."""

worker = Worker("limited-service", concurrency=4)
link = RedisLink(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))


@worker.task("Item")
async def item(ctx: Context) -> dict[str, Any]:
    """Be at work for a moment."""
    member = f"{os.getpid()} {ctx.task_id} {ctx.attempt}"
    await link.execute("SADD", AT_WORK, member)
    await link.execute("RPUSH", COUNTS, await link.execute("SCARD", AT_WORK))
    await asyncio.sleep(0.03)
    await link.execute("SREM", AT_WORK, member)
    return {"attempt": ctx.attempt}
