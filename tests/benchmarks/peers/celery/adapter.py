# mypy: ignore-errors
"""Celery: a chain whose second step is a chord. Results are kept only where a chord needs them."""

import driver
from celery import Celery, chain, chord

TRANSPORT = driver.URL.replace("unix://", "redis+socket://")
# Many short tasks: the documents advise to prefetch more than the 4 per worker of the default.
PREFETCH = 64 if driver.WORKLOAD == "w1" else 4

app = Celery("bench", broker=TRANSPORT, backend=TRANSPORT)
app.conf.update(worker_prefetch_multiplier=PREFETCH)


@app.task(name="body", ignore_result=True)
def body(mark: str) -> None:
    driver.ran(mark)


@app.task(name="member")
def member(mark: str) -> None:
    """A body that a chord waits for."""
    driver.ran(mark)


def flat(n: int) -> None:
    for _ in range(n):
        body.delay("x")


def diamonds(n: int) -> None:
    for _ in range(n):
        slides = [chain(body.si("p"), member.si("s")) for _ in range(driver.SLIDES)]
        chain(body.si("t"), chord([member.si("v"), *slides], body.si("f"))).delay()


def links(n: int) -> None:
    chain(*(body.si(driver.link(i)) for i in range(n))).delay()


def wide(n: int) -> None:
    chain(body.si("<"), chord([member.si("m") for _ in range(n)], body.si(">"))).delay()


def start(workload: str, processes: int) -> str:
    pool = ("-P", "threads", "-c", "4") if processes == 1 else ("-P", "prefork", "-c", str(processes))
    calm = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    driver.spawn("celery", "-A", "adapter", "worker", "-l", "error", *pool, *calm)
    return f"{' '.join(pool)}, prefetch multiplier {PREFETCH}"


SHAPES = {"flat": flat, "diamonds": diamonds, "chain": links, "wide": wide}
PEER = driver.Peer(("celery", "redis"), start, SHAPES)

if __name__ == "__main__":
    driver.main()
