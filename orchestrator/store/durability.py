"""What an accepted scenario survives: asked for, waited for, and told.

`memory`: Redis has it, and what its AOF policy keeps survives a crash. `fsync`: it is on the disk of Redis. `replicated(n)`:
n replicas have it. A class that is not reached in time is told as such; the scenario stays accepted.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from workers_sdk.protocol.keys import Partition, Partitions
from workers_sdk.protocol.link import Command, Link, Refused, Unavailable
from workers_sdk.protocol.scripts import Scripts

from .store import SCRIPTS

ROUNDS: Final = 4
"""Waits under way at once: each keeps a connection busy."""
BARRIER_MS: Final = 60_000
MAX_REPLICAS: Final = 99
_REPLICATED: Final = re.compile(r"replicated\(([1-9]\d?)\)")

Kind = Literal["memory", "fsync", "replicated"]
Json = Any


@dataclass(frozen=True, slots=True)
class Durability:
    """A class of durability. `replicas`: how many, of `replicated`."""

    kind: Kind
    replicas: int = 0

    @classmethod
    def parse(cls, text: str) -> "Durability":
        """`memory`, `fsync` or `replicated(n)`. Raises ValueError."""
        if text == "memory":
            return cls("memory")
        if text == "fsync":
            return cls("fsync")
        if found := _REPLICATED.fullmatch(text):
            return cls("replicated", int(found[1]))
        raise ValueError(f"not memory, fsync or replicated(1) to replicated({MAX_REPLICAS})")

    def __str__(self) -> str:
        """The reverse of `parse`."""
        return f"replicated({self.replicas})" if self.kind == "replicated" else self.kind

    def json(self) -> Json:
        """As the API says it."""
        return {"replicated": self.replicas} if self.kind == "replicated" else self.kind


MEMORY: Final = Durability("memory")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What was asked for, what was reached, and why it is not the same."""

    asked: Durability
    reached: Durability
    reason: str = ""

    def json(self) -> Json:
        """As the API says it."""
        return {"asked": self.asked.json(), "reached": self.reached.json(), "reason": self.reason or None}


class Confirmer:
    """Waits until what was written before is as safe as asked.

    It writes a barrier and waits for that on the same connection: what is safe then includes all that any connection had
    written before. So all who ask at the same time share one wait.

    Args:
        link: of its own, made with `block_ms` of at least `timeout_ms` and `ROUNDS` connections: a wait blocks its connection.
    """

    def __init__(self, link: Link, partitions: Partitions, *, timeout_ms: int) -> None:
        self._link = link
        self._partitions = partitions
        self._timeout_ms = timeout_ms
        self._barrier = Scripts(SCRIPTS).by_name["barrier"].source
        self._next: dict[tuple[int, Durability], asyncio.Task[Confirmed]] = {}
        self._seats = asyncio.Semaphore(ROUNDS)

    async def confirm(self, any_id: str, asked: Durability) -> Confirmed:
        """Wait until all that was written before to the partition of an id is safe, or the time is over. Never raises: what
        stands in the way is the reason."""
        if asked == MEMORY:
            return Confirmed(asked, MEMORY)
        at = self._partitions.of(any_id)
        key = (at.index, asked)
        if key not in self._next:
            self._next[key] = asyncio.create_task(self._round(at, asked), name="confirm")
        return await asyncio.shield(self._next[key])

    async def close(self) -> None:
        """Close the connections; who waits is told that nothing was confirmed."""
        await self._link.close()

    async def _round(self, at: Partition, asked: Durability) -> Confirmed:
        async with self._seats:
            del self._next[(at.index, asked)]  # who comes from here on may have written after the barrier
            try:
                return await (self._on_disk(at) if asked.kind == "fsync" else self._at_replicas(at, asked))
            except (Unavailable, Refused) as error:
                return Confirmed(asked, MEMORY, f"Redis did not confirm it: {error}")

    async def _on_disk(self, at: Partition) -> Confirmed:
        asked = Durability("fsync")
        try:
            on_disk, _ = await self._wait_at_barrier(at, ("WAITAOF", 1, 0, self._timeout_ms))
        except Refused as error:
            if "unknown command" not in str(error):
                raise
            return await self._by_policy()
        if on_disk:
            return Confirmed(asked, asked)
        return Confirmed(asked, MEMORY, f"not on disk within {self._timeout_ms / 1000:g} s")

    async def _by_policy(self) -> Confirmed:
        """A server without WAITAOF (before 7.2) has synced before it answers, or nobody knows."""
        asked = Durability("fsync")
        reply = await self._link.execute("CONFIG", "GET", "append*")
        facts = dict(zip(reply[::2], reply[1::2], strict=True))
        policy = facts.get(b"appendfsync", b"unknown").decode()
        if facts.get(b"appendonly") == b"yes" and policy == "always":
            return Confirmed(asked, asked)
        why = f"this server cannot say when it is (no WAITAOF), and its appendfsync is {policy}, not always"
        return Confirmed(asked, MEMORY, why)

    async def _at_replicas(self, at: Partition, asked: Durability) -> Confirmed:
        count = await self._wait_at_barrier(at, ("WAIT", asked.replicas, self._timeout_ms))
        if count >= asked.replicas:
            return Confirmed(asked, asked)
        why = f"{count} of {asked.replicas} replicas had it within {self._timeout_ms / 1000:g} s"
        return Confirmed(asked, Durability("replicated", count) if count else MEMORY, why)

    async def _wait_at_barrier(self, at: Partition, wait: Command) -> Any:
        # EVAL and not EVALSHA: a script that is unknown would leave a wait for nothing.
        barrier = ("EVAL", self._barrier, 1, at.barrier, BARRIER_MS)
        return (await self._link.execute_many([barrier, wait]))[1]
