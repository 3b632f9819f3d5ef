# mypy: ignore-errors
"""Dask: one graph for all workflows, handed to the scheduler at once. State is in memory, and no Redis is used."""

from itertools import count

import dask
import driver
from dask.distributed import Client, LocalCluster

numbers = count()
clients: list[Client] = []
futures: list = []


def body(mark: str, *before: object) -> None:
    driver.ran(mark)


def submit(graph: dict, last: list) -> None:
    """Hand over a graph. The futures are kept: Dask forgets work that nobody waits for."""
    futures.extend(clients[0].get(graph, last, sync=False))


def task(graph: dict, mark: str, *before: str) -> str:
    """Add a body to a graph; returns its key."""
    key = f"{mark}-{next(numbers)}"
    graph[key] = (body, mark, *before)
    return key


def flat(n: int) -> None:
    graph: dict = {}
    submit(graph, [task(graph, "x") for _ in range(n)])


def diamonds(n: int) -> None:
    graph: dict = {}
    submit(graph, [diamond(graph) for _ in range(n)])


def diamond(graph: dict) -> str:
    text = task(graph, "t")
    slides = [task(graph, "s", task(graph, "p", text)) for _ in range(driver.SLIDES)]
    return task(graph, "f", task(graph, "v", text), *slides)


def chain(n: int) -> None:
    graph: dict = {}
    last: tuple[str, ...] = ()
    for i in range(n):
        last = (task(graph, driver.link(i), *last),)
    submit(graph, list(last))


def wide(n: int) -> None:
    graph: dict = {}
    first = task(graph, "<")
    submit(graph, [task(graph, ">", *[task(graph, "m", first) for _ in range(n)])])


def start(workload: str, processes: int) -> str:
    # By default tasks of one large group wait in the scheduler until a worker is free: 2 to 3 times slower for small ones.
    dask.config.set({"distributed.scheduler.worker-saturation": "inf"})
    cluster = LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address=None)
    clients.append(Client(cluster))
    return "LocalCluster, 1 thread per worker, worker-saturation inf"


SHAPES = {"flat": flat, "diamonds": diamonds, "chain": chain, "wide": wide}
PEER = driver.Peer(("distributed",), start, SHAPES)

if __name__ == "__main__":
    driver.main()
