# mypy: ignore-errors
"""RQ: `depends_on`. Results are kept only where others depend on the job."""

import driver
from redis import Redis
from rq import Queue

CHUNK = 1000

queue = Queue("bench", connection=Redis.from_url(driver.URL))


def body(mark: str) -> None:
    driver.ran(mark)


def after(mark: str, *before: object) -> object:
    return queue.enqueue("adapter.body", mark, depends_on=list(before) or None)


def flat(n: int) -> None:
    for done in range(0, n, CHUNK):
        job = Queue.prepare_data("adapter.body", ("x",), result_ttl=0)
        queue.enqueue_many([job] * min(CHUNK, n - done))


def diamonds(n: int) -> None:
    for _ in range(n):
        text = after("t")
        slides = [after("s", after("p", text)) for _ in range(driver.SLIDES)]
        after("f", after("v", text), *slides)


def chain(n: int) -> None:
    last: tuple[object, ...] = ()
    for i in range(n):
        last = (after(driver.link(i), *last),)


def wide(n: int) -> None:
    first = after("<")
    after(">", *[after("m", first) for _ in range(n)])


def start(workload: str, processes: int) -> str:
    for _ in range(processes):
        words = ("-w", "rq.worker.SimpleWorker", "-u", driver.URL, "--quiet", "-P", ".")
        driver.spawn("rq.cli", "worker", *words, "bench")
    return "SimpleWorker"


SHAPES = {"flat": flat, "diamonds": diamonds, "chain": chain, "wide": wide}
PEER = driver.Peer(("rq", "redis"), start, SHAPES)

if __name__ == "__main__":
    driver.main()
