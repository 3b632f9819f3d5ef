# mypy: ignore-errors
"""Dramatiq: a group of pipelines with a completion callback. A shared first task is not expressible: its body starts the group."""

import dramatiq
import driver
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend

# By default 2 messages per thread are prefetched, and a consumer that has them sleeps for milliseconds: 4 times slower.
PREFETCH = 100
THREADS = {"w3": 8}

broker = RedisBroker(url=driver.URL)
broker.add_middleware(GroupCallbacks(RedisBackend(url=driver.URL)))
dramatiq.set_broker(broker)


@dramatiq.actor
def body(mark: str) -> None:
    driver.ran(mark)


@dramatiq.actor
def text() -> None:
    driver.ran("t")
    slides = [dramatiq.pipeline([message("p"), message("s")]) for _ in range(driver.SLIDES)]
    fan_in([message("v"), *slides], "f")


@dramatiq.actor
def first(n: int) -> None:
    driver.ran("<")
    fan_in([message("m") for _ in range(n)], ">")


def message(mark: str) -> dramatiq.Message:
    return body.message_with_options(args=(mark,), pipe_ignore=True)


def fan_in(members: list, last: str) -> None:
    group = dramatiq.group(members)
    group.add_completion_callback(message(last))
    group.run()


def flat(n: int) -> None:
    for _ in range(n):
        body.send("x")


def diamonds(n: int) -> None:
    for _ in range(n):
        text.send()


def chain(n: int) -> None:
    dramatiq.pipeline([message(driver.link(i)) for i in range(n)]).run()


def start(workload: str, processes: int) -> str:
    words = ("-p", str(processes), "-t", str(THREADS.get(workload, 2)))
    driver.spawn("dramatiq", "adapter", *words, dramatiq_queue_prefetch=str(PREFETCH))
    return f"{' '.join(words)}, dramatiq_queue_prefetch {PREFETCH}"


SHAPES = {"flat": flat, "diamonds": diamonds, "chain": chain, "wide": first.send}
PEER = driver.Peer(("dramatiq", "redis"), start, SHAPES)

if __name__ == "__main__":
    driver.main()
