"""Redis servers on ports of their own, with the options that a test needs."""

import asyncio
import itertools
import os
import socket
import subprocess
import time
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from redis.crc import key_slot

from orchestrator.embedded import find_server
from orchestrator.processes import start_child, stop_child, tail
from tests.support.servers import PROGRAMS
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

START_TIMEOUT_S: Final = 20.0
THIRDS: Final = ((0, 5460), (5461, 10922), (10923, 16383))
# Runs beside this one have neighbouring process ids; they must not count through the same ports.
_ports = itertools.count(20_000 + os.getpid() * 101 % 12_000)


class RedisProcess:
    """A server program over a folder; a context manager. The same program as for all other tests (`TEST_SERVER`)."""

    def __init__(self, folder: Path, **options: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.socket = folder / "redis.sock"
        self._options = {name.replace("_", "-"): value for name, value in options.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def option(self, name: str) -> str:
        """Value of an option."""
        return self._options[name]

    def start(self) -> None:
        """Start and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "unixsocket": str(self.socket),
            "save": "",
            **self._options,
        }
        program = find_server(PROGRAMS[os.environ.get("TEST_SERVER", "")])
        words = [word for name, value in options.items() for word in (f"--{name}", *value.split(" "))]
        self._process = start_child([str(program), *words], log=self.folder / "server.log")
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start:\n{tail(self.folder / 'server.log')}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process:
            stop_child(self._process)
            self._process = None

    def kill(self) -> None:
        """End it without giving it time for anything."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            try:
                client.connect(("127.0.0.1", self.port))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith((b"+PONG", b"-NOAUTH"))
            except OSError:
                return False


def free_port() -> int:
    """A port that nobody listens at and that is given out once; below those that the system gives to clients."""
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class RedisCluster:
    """Three masters, and a replica of the first; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [
            RedisProcess(
                folder / str(n),
                cluster_enabled="yes",
                cluster_port=str(free_port()),
                cluster_node_timeout="1000",
                cluster_config_file="nodes.conf",
                appendonly="yes",
                repl_diskless_sync_delay="0",
                repl_ping_replica_period="1",  # a replica counts from the first on
            )
            for n in range(4)
        ]

    def url(self, node: int = 0) -> str:
        """Address of one of the nodes; 3 is the replica."""
        return f"redis://{self.nodes[node].address}"

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.start()
        asyncio.run(self._join())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.kill()

    async def _join(self) -> None:
        links = [RedisLink(self.url(n)) for n in range(4)]
        for n, link in enumerate(links[:3]):
            await link.execute("CLUSTER", "ADDSLOTSRANGE", *THIRDS[n])
        for node in self.nodes[1:]:
            bus = int(node.option("cluster-port"))
            await links[0].execute("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for link in links:
            await wait_until(partial(_has_all, link), what="the nodes to meet")
        await links[3].execute("CLUSTER", "REPLICATE", await links[0].execute("CLUSTER", "MYID"))
        for link in links:
            await wait_until(partial(_is_whole, link), what="the cluster")
        for link in links:
            await link.close()


def keys_of(node: int, count: int = 1, tag: str = "k") -> list[str]:
    """Keys in the slots of a master."""
    first, last = THIRDS[node]
    names = (f"{tag}{n}" for n in itertools.count())
    return list(itertools.islice((n for n in names if first <= key_slot(n.encode()) <= last), count))


async def has_replicated(cluster: RedisCluster) -> bool:
    """Whether the replica of the first master is there and has all that was written so far."""
    link = RedisLink(cluster.url())
    await link.execute("SET", *keys_of(0, tag="probe"), "the last write")
    copied = await link.execute("WAIT", 1, 1_000) and await _is_whole(link)
    await link.close()
    return bool(copied)


async def _is_whole(link: RedisLink) -> bool:
    """Whether every slot is served, and one node is a replica."""
    info = await link.execute("CLUSTER", "INFO")
    slots = await link.execute("CLUSTER", "SLOTS")
    return b"cluster_state:ok" in info and sum(len(part) - 3 for part in slots) == 1


async def _has_all(link: RedisLink) -> bool:
    return b"cluster_known_nodes:4" in await link.execute("CLUSTER", "INFO")
