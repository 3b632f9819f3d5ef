"""Servers on TCP ports of this machine, for `partitions.py`: one, or a cluster of masters."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.embedded import TUNING
from orchestrator.processes import start_child, stop_child
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink, Unavailable

SLOTS: Final = 16_384


@dataclass(frozen=True)
class Node:
    """One master."""

    port: int
    bus: int
    pid: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}"


@asynccontextmanager
async def running_masters(folder: Path, program: Path, masters: int) -> AsyncIterator[list[Node]]:
    """Start servers with the settings of our own. More than one are a cluster, each with an equal share of the slots."""
    ports = _free_ports(2 * masters)
    async with AsyncExitStack() as stack:
        nodes = []
        for n in range(masters):
            own = folder / str(n)
            own.mkdir(parents=True)
            options = TUNING | {"port": str(ports[n]), "bind": "127.0.0.1", "dir": str(own)}
            if masters > 1:
                options |= {"cluster-enabled": "yes", "cluster-port": str(ports[masters + n])}
            words = [word for name, value in options.items() for word in (f"--{name}", value)]
            process = start_child([str(program), *words], log=own / "server.log")
            stack.callback(stop_child, process)
            nodes.append(Node(ports[n], ports[masters + n], process.pid))
        links = [RedisLink(node.url) for node in nodes]
        for link in links:
            stack.push_async_callback(link.close)
            await wait_until(partial(_answers, link), what="a server")
        if masters > 1:
            await _join(nodes, links)
        yield nodes


async def _join(nodes: list[Node], links: list[RedisLink]) -> None:
    bounds = [SLOTS * n // len(nodes) for n in range(len(nodes) + 1)]
    for n, link in enumerate(links):
        await link.execute("CLUSTER", "ADDSLOTSRANGE", bounds[n], bounds[n + 1] - 1)
    for node in nodes[1:]:
        await links[0].execute("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus)
    for link in links:
        await wait_until(partial(_is_whole, link, len(nodes)), what="the cluster", timeout_s=30)


async def _answers(link: RedisLink) -> bool:
    try:
        return bool(await link.execute("PING"))
    except Unavailable:
        return False


async def _is_whole(link: RedisLink, masters: int) -> bool:
    info = await link.execute("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and len(await link.execute("CLUSTER", "SLOTS")) == masters


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
