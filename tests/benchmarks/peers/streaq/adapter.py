# mypy: ignore-errors
"""streaQ: `start(after=...)`. Its documents forbid `enqueue_many` for tasks with dependencies, so those are enqueued one by one."""

import os
from contextlib import AsyncExitStack

import driver
from streaq import Worker

CONCURRENCY = {1: 32, 2: 16}
CHUNK = 1000

worker = Worker(
    redis_url=driver.URL,
    concurrency=int(os.environ.get("BENCH_CONCURRENCY", "32")),
    anyio_kwargs={"use_uvloop": True},
)
connections: list[AsyncExitStack] = []


@worker.task(ttl=0)
async def alone(mark: str) -> None:
    driver.ran(mark)


@worker.task()
async def body(mark: str) -> None:
    """A body that others may wait for: without its result, one enqueued after its end waits for ever."""
    driver.ran(mark)


async def connected() -> None:
    """Open the connection of the submitting process, once."""
    if not connections:
        connections.append(AsyncExitStack())
        await connections[0].enter_async_context(worker)


async def after(mark: str, *before: str) -> str:
    """Enqueue a body behind others; returns its id."""
    return (await body.enqueue(mark).start(after=before)).id


async def flat(n: int) -> None:
    await connected()
    for done in range(0, n, CHUNK):
        await worker.enqueue_many([alone.enqueue("x") for _ in range(min(CHUNK, n - done))])


async def diamonds(n: int) -> None:
    for _ in range(n):
        text = await after("t")
        slides = [await after("s", await after("p", text)) for _ in range(driver.SLIDES)]
        await after("f", await after("v", text), *slides)


async def chain(n: int) -> None:
    last: tuple[str, ...] = ()
    for i in range(n):
        last = (await after(driver.link(i), *last),)


async def wide(n: int) -> None:
    first = await after("<")
    await after(">", *[await after("m", first) for _ in range(n)])


def start(workload: str, processes: int) -> str:
    concurrency = CONCURRENCY[processes]
    driver.spawn("streaq", "run", "adapter:worker", "-w", str(processes), BENCH_CONCURRENCY=str(concurrency))
    return f"concurrency {concurrency}, uvloop" + (", ttl 0" if workload == "w1" else "")


SHAPES = {"flat": flat, "diamonds": diamonds, "chain": chain, "wide": wide}
PEER = driver.Peer(("streaq", "coredis"), start, SHAPES)

if __name__ == "__main__":
    driver.main()
