# mypy: ignore-errors
"""Huey: a chord of pipelines. A shared first task is not expressible: its body starts the chord. No acknowledgement."""

import driver
from huey import RedisHuey
from huey.api import chord

huey = RedisHuey("bench", url=driver.URL, results=False)


@huey.task()
def body(mark: str, results: list | None = None) -> None:
    driver.ran(mark)


@huey.task()
def text() -> None:
    driver.ran("t")
    slides = [body.s("p").then(body, "s") for _ in range(driver.SLIDES)]
    huey.enqueue(chord([body.s("v"), *slides], body.s("f")))


@huey.task()
def first(n: int) -> None:
    driver.ran("<")
    huey.enqueue(chord([body.s("m") for _ in range(n)], body.s(">")))


def flat(n: int) -> None:
    for _ in range(n):
        body("x")


def diamonds(n: int) -> None:
    for _ in range(n):
        text()


def chain(n: int) -> None:
    head = body.s(driver.link(0))
    for i in range(1, n):
        head.then(body, driver.link(i))
    huey.enqueue(head)


def start(workload: str, processes: int) -> str:
    words = ("-k", "thread" if processes == 1 else "process", "-w", str(processes))
    driver.spawn("huey.bin.huey_consumer", "adapter.huey", *words, "--quiet")
    return " ".join(words)


SHAPES = {"flat": flat, "diamonds": diamonds, "chain": chain, "wide": first}
PEER = driver.Peer(("huey", "redis"), start, SHAPES)

if __name__ == "__main__":
    driver.main()
