# mypy: ignore-errors
"""taskiq with taskiq-pipelines. Levels only: a level is a map whose results a waiter task polls. So voice and prompts share
a level, a no-op stands for voice in the level of the slides, and two waiters run beside the 23 bodies."""

import driver
from taskiq_pipelines import Pipeline, PipelineMiddleware
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

CHECK_S = 0.01
CONCURRENCY = {"w2": 1000}
AFTER = {"v": "-", "p": "s"}

# Only a map needs results.
results = driver.WORKLOAD in ("w2", "w2lat", "w4")

broker = RedisStreamBroker(driver.URL, consumer_id="0").with_middlewares(PipelineMiddleware())
if results:
    broker = broker.with_result_backend(RedisAsyncResultBackend(driver.URL, result_ex_time=600))


@broker.task("body")
async def body(mark: str) -> None:
    driver.ran(mark)


@broker.task("member")
async def member(mark: str) -> str | None:
    """A body of a level; returns what comes after it in the next level."""
    if mark != "-":
        driver.ran(mark)
    return AFTER.get(mark)


@broker.task("head")
async def head(mark: str, members: str, count: int) -> list[str]:
    """A body before a level; returns the members of that level."""
    driver.ran(mark)
    return [*members[:-1], *[members[-1]] * count]


async def flat(n: int) -> None:
    for _ in range(n):
        await body.kiq("x")


async def diamonds(n: int) -> None:
    for _ in range(n):
        levels = Pipeline(broker, head).map(member, check_interval=CHECK_S)
        pipeline = levels.map(member, check_interval=CHECK_S).call_after(body, mark="f")
        await pipeline.kiq("t", "vp", driver.SLIDES)


async def chain(n: int) -> None:
    pipeline = Pipeline(broker, body)
    for i in range(1, n):
        pipeline = pipeline.call_after(body, mark=driver.link(i))
    await pipeline.kiq(driver.link(0))


async def wide(n: int) -> None:
    pipeline = Pipeline(broker, head).map(member, check_interval=CHECK_S).call_after(body, mark=">")
    await pipeline.kiq("<", "m", n)


def start(workload: str, processes: int) -> str:
    concurrency = CONCURRENCY.get(workload, 100)
    words = ("--workers", str(processes), "--max-async-tasks", str(concurrency))
    driver.spawn("taskiq", "worker", "adapter:broker", *words, "--log-level", "ERROR")
    return f"stream, {' '.join(words)}" + (f", maps polled every {CHECK_S * 1000:g} ms" if results else "")


SHAPES = {"flat": flat, "diamonds": diamonds, "chain": chain, "wide": wide}
PEER = driver.Peer(("taskiq", "taskiq-redis", "taskiq-pipelines", "redis"), start, SHAPES)

if __name__ == "__main__":
    driver.main()
