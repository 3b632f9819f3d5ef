"""Who is measured, how much work each one gets, and with how many worker processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

# What the numbers count.
WORKLOADS: Final = {
    "w1": "independent tasks",
    "w2": "diamonds of 23 tasks",
    "w2lat": "diamonds of 23 tasks, one after another",
    "w3": "tasks in one chain",
    "w4": "tasks between one first and one last",
}
FULL: Final = {"w1": 20_000, "w2": 500, "w2lat": 50, "w3": 200, "w4": 10_000}
QUICK: Final = {"w1": 500, "w2": 10, "w2lat": 5, "w3": 50, "w4": 200}


@dataclass(frozen=True)
class Peer:
    """One system.

    Attributes:
        home: what its adapter runs on; `ours` runs in this environment and always does the full work.
        note: how it expresses the work, and what to know beside its figures.
        counts: where less than FULL is enough to tell its rate in a few seconds.
        processes: numbers of worker processes to try, where those of `process_counts` are not meant.
    """

    name: str
    home: Literal["python", "node", "ours"]
    note: str
    counts: Mapping[str, int] = field(default_factory=dict)
    processes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def count(self, workload: str, *, quick: bool) -> int:
        """How much of a workload this peer gets."""
        full = self.counts.get(workload, FULL[workload])
        return min(full, QUICK[workload]) if quick and self.home != "ours" else full

    def process_counts(self, workload: str) -> tuple[int, ...]:
        """Numbers of worker processes to try. A chain keeps one process busy at a time."""
        return self.processes.get(workload, (1,) if workload == "w3" else (1, 2))


_ONE: Final = dict.fromkeys(WORKLOADS, (1,))

_ALL: Final = (
    Peer("ceiling", "ours", "Redis alone: all commands of a task in one script", {"w1": 100_000}, _ONE),
    Peer(
        "scenarist", "ours", "templates, rendered and submitted one by one; ends when the scenario is final"
    ),
    Peer("scenarist-aof", "ours", "the same with its data on disk"),
    Peer("bullmq", "node", "flows are trees: the body of a shared first task adds the tree"),
    Peer(
        "huey",
        "python",
        "chord, started by the body of the first task; no acknowledgement: a worker that dies loses its task",
        {"w1": 10_000, "w2": 300},
    ),
    Peer(
        "dramatiq",
        "python",
        "group of pipelines, started by the body of the first task",
        {"w1": 10_000, "w2": 200, "w4": 1_000},
    ),
    Peer(
        "taskiq",
        "python",
        "levels: voice and prompts in one level, results polled by a waiter task",
        {"w1": 5_000, "w2": 100, "w4": 1_000},
    ),
    Peer("saq", "python", "independent jobs only", {"w1": 5_000}),
    Peer("arq", "python", "independent jobs only", {"w1": 4_000}),
    Peer(
        "streaq",
        "python",
        "the whole graph, enqueued task by task",
        {"w1": 4_000, "w2": 100, "w4": 1_000},
    ),
    Peer(
        "dask",
        "python",
        "the whole graph, all workflows in one submission; no Redis, state in memory only",
        {"w1": 2_000, "w2": 200},
    ),
    Peer(
        "celery",
        "python",
        "the whole graph as chain and chord; acknowledges before it runs (its default)",
        {"w1": 2_000, "w2": 60, "w2lat": 30, "w4": 1_000},
    ),
    Peer(
        "rq",
        "python",
        "the whole graph, enqueued task by task; one worker only, since with two its graphs did not end here",
        {"w1": 1_000, "w2": 30, "w2lat": 20, "w4": 300},
        _ONE | {"w1": (1, 2)},
    ),
)
PEERS: Final = {peer.name: peer for peer in _ALL}
