# mypy: ignore-errors
"""arq: independent jobs only."""

import asyncio
from functools import cache

import driver
import uvloop
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

REDIS = RedisSettings.from_dsn(driver.URL)
WHY = "jobs know nothing of each other"


async def body(ctx: dict, mark: str) -> None:
    driver.ran(mark)


class Settings:
    """What `arq adapter.Settings` runs."""

    functions = (body,)
    redis_settings = REDIS
    max_jobs = 100
    keep_result = 0


@cache
def connecting() -> asyncio.Task[ArqRedis]:
    return asyncio.ensure_future(create_pool(REDIS))


async def flat(n: int) -> None:
    pool = await connecting()
    for _ in range(n):
        await pool.enqueue_job("body", "x")


def start(workload: str, processes: int) -> str:
    for _ in range(processes):
        driver.spawn("arq", "adapter.Settings")
    return "max_jobs 100, keep_result 0, uvloop"


CANNOT = dict.fromkeys(("diamonds", "chain", "wide"), WHY)
PEER = driver.Peer(("arq", "redis"), start, {"flat": flat}, CANNOT)

if __name__ == "__main__":
    driver.main()
