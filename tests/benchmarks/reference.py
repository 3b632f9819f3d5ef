"""What the machine can do right now: a loop that moves items through a stream and does nothing else.

One asyncio redis-py client with hiredis, commands in pipelines of 100: XADD, XREADGROUP, XACK. Rates of different
days and machines compare as ratios to it.
"""

import time
from typing import Any, Final

from redis.asyncio import Redis

PIPELINE: Final = 100
ITEMS: Final = 20_000


async def reference_rate(url: str, items: int = ITEMS) -> float:
    """Items per second through the loop, once."""
    client: Any = Redis.from_url(url)
    await client.delete("bench:reference")
    await client.xgroup_create("bench:reference", "g", "0", mkstream=True)
    started = time.perf_counter()
    for _ in range(items // PIPELINE):
        async with client.pipeline(transaction=False) as pipeline:
            for _ in range(PIPELINE):
                pipeline.xadd("bench:reference", {"payload": "x" * 64})
            await pipeline.execute()
        reply = await client.xreadgroup("g", "c", {"bench:reference": ">"}, count=PIPELINE)
        async with client.pipeline(transaction=False) as pipeline:
            for entry_id, _ in reply[0][1]:
                pipeline.xack("bench:reference", "g", entry_id)
            await pipeline.execute()
    seconds = time.perf_counter() - started
    await client.delete("bench:reference")
    await client.aclose()
    return items / seconds
