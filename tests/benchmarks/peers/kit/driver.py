"""What the Python adapters share. It runs in the environment of a peer, so it knows the standard library only.

An adapter is called as `adapter.py <workload> <count> <redis_url> <processes>` and prints one JSON line, either
{"version", "settings", "tasks", "seconds", "latencies_s"} or {"cannot": why}.

`BENCH_RAN` names a file to which every body appends two bytes, its mark and the low byte of its process id. Its
size tells from outside how many bodies ran, without one Redis command, and its content tells in which order.
"""

import asyncio
import importlib
import inspect
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

CALLED: Final = len(sys.argv) == 5 and sys.argv[1] in ("w1", "w2", "w2lat", "w3", "w4")
# Workers are started with arguments of their own and find these in the environment.
WORKLOAD: Final = os.environ.setdefault("BENCH_WORKLOAD", sys.argv[1] if CALLED else "")
URL: Final = os.environ.setdefault("BENCH_REDIS_URL", sys.argv[3] if CALLED else "")
RAN: Final = os.open(os.environ["BENCH_RAN"], os.O_WRONLY | os.O_APPEND)
SHAPE_OF: Final = {"w1": "flat", "w2": "diamonds", "w2lat": "diamonds", "w3": "chain", "w4": "wide"}
DIAMOND: Final = 23
SLIDES: Final = 10
WARM_UP_S: Final = 10.0
# How often the driver looks: often enough for what is measured, and seldom, since it shares the cores with the peer.
POLL_S: Final = {"w2lat": 0.0005, "w3": 0.001}.get(WORKLOAD, 0.005)

# No peer pays for a line in a log per task.
logging.disable(logging.INFO)

_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Peer:
    """What an adapter offers, as `PEER` of its module.

    Attributes:
        packages: whose versions are shown; the first is the peer.
        start: starts the workers for a workload and a number of processes, returns the settings in words.
        shapes: submit `n` tasks (flat), workflows (diamonds), links (chain), or 1 -> n -> 1 (wide); sync or async.
        cannot: why a shape is missing.
    """

    packages: tuple[str, ...]
    start: Callable[[str, int], str]
    shapes: Mapping[str, Callable[[int], Any]]
    cannot: Mapping[str, str] = field(default_factory=dict)


def ran(mark: str) -> None:
    """The whole work of a body. Marks: x flat; t v p s f diamond; A-T round and round chain; < m > wide."""
    os.write(RAN, bytes((ord(mark), os.getpid() & 255)))


def link(n: int) -> str:
    """Mark of the n-th link of a chain."""
    return chr(ord("A") + n % 20)


def spawn(module: str, *words: str, **environment: str) -> None:
    """Start `python -m module words...` in a process group of its own."""
    command = [sys.executable, "-m", module, *words]
    _children.append(subprocess.Popen(command, stdout=2, process_group=0, env=os.environ | environment))


def main() -> None:
    """Measure what the command line asks for and print it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    workload, count, _, processes = sys.argv[1:]
    # Under the name that the workers know, not as __main__.
    peer = importlib.import_module("adapter").PEER
    try:
        print(json.dumps(asyncio.run(_measure(peer, workload, int(count), int(processes)))), flush=True)
    finally:
        for child in _children:
            os.killpg(child.pid, signal.SIGKILL)
    # Pools and event loops of a peer may take seconds to leave, and nothing is left to do.
    os._exit(0)


async def _measure(peer: Peer, workload: str, count: int, processes: int) -> dict[str, Any]:
    shape = SHAPE_OF[workload]
    if shape not in peer.shapes:
        return {"cannot": peer.cannot[shape]}
    settings = peer.start(workload, processes)
    await _warm_up(peer, shape, processes)
    latencies = await _work(peer, workload, count)
    return {
        "version": ", ".join(f"{name} {version(name)}" for name in peer.packages),
        "settings": settings,
        "tasks": _tasks(workload, count),
        "seconds": sum(latencies),
        "latencies_s": latencies if workload == "w2lat" else [],
    }


def _tasks(workload: str, count: int) -> int:
    return {"w1": count, "w2": DIAMOND * count, "w2lat": DIAMOND * count, "w3": count, "w4": count + 2}[
        workload
    ]


async def _work(peer: Peer, workload: str, count: int) -> list[float]:
    """Seconds of each run: one of `count`, for a latency `count` of one."""
    sizes = [1] * count if workload == "w2lat" else [count]
    shape, seconds = peer.shapes[SHAPE_OF[workload]], []
    for size in sizes:
        enough, started = _count() + _tasks(workload, size), time.perf_counter()
        await _submit(shape, size)
        await _until(enough)
        seconds.append(time.perf_counter() - started)
    return seconds


async def _warm_up(peer: Peer, shape: str, processes: int) -> None:
    """Run small work until every process has done some, then one workflow of the shape to come."""
    deadline = time.perf_counter() + WARM_UP_S
    while True:
        enough = _count() + 20
        await _submit(peer.shapes["flat"], 20)
        await _until(enough)
        if len(_processes()) >= processes or time.perf_counter() > deadline:
            break
    if shape == "diamonds":
        await _submit(peer.shapes[shape], 1)
        await _until(enough + DIAMOND)


async def _submit(shape: Callable[[int], Any], size: int) -> None:
    submitted = shape(size)
    if inspect.isawaitable(submitted):
        await submitted


async def _until(enough: int) -> None:
    while _count() < enough:
        for child in _children:
            if child.poll() is not None:
                sys.exit(f"a worker ended by itself with code {child.returncode}")
        await asyncio.sleep(POLL_S)


def _count() -> int:
    return os.fstat(RAN).st_size // 2


def _processes() -> set[int]:
    with open(os.environ["BENCH_RAN"], "rb") as file:  # noqa: PTH123 - a plain read
        return set(file.read()[1::2])
