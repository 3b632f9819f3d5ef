# mypy: ignore-errors
"""SAQ: independent jobs only."""

import driver
from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

WHY = "jobs know nothing of each other"


async def body(ctx: dict, *, mark: str) -> None:
    driver.ran(mark)


queue = RedisQueue(Redis.from_url(driver.URL))
settings = {"queue": queue, "functions": [body], "concurrency": 10}


async def flat(n: int) -> None:
    for _ in range(n):
        await queue.enqueue("body", mark="x", ttl=-1)


def start(workload: str, processes: int) -> str:
    driver.spawn("saq", "adapter.settings", "--workers", str(processes))
    return "concurrency 10, ttl -1, uvloop"


CANNOT = dict.fromkeys(("diamonds", "chain", "wide"), WHY)
PEER = driver.Peer(("saq", "redis"), start, {"flat": flat}, CANNOT)

if __name__ == "__main__":
    driver.main()
