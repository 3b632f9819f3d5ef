"""Everything a worker knows of the world outside, one seam each, so that a simulation can take its place."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import structlog

from .protocol.link import Link, RedisLink, Refused, Unavailable
from .protocol.outage import Outage
from .protocol.seams import Clock, Randomness, SystemClock, SystemRandomness

T = TypeVar("T")

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 3.0
OUTAGE: Final = Outage()
"""Of all workers of this process."""


class Connect(Protocol):
    """Makes a link; see `RedisLink`."""

    def __call__(self, url: str, *, block_ms: int = 0, connections: int = 16, name: str = "") -> Link:
        """Make a link. It connects when it is first used, on the event loop of that use."""
        ...


@dataclass(frozen=True, slots=True)
class Seams:
    """Redis, time, chance, who is told of outages, and whether leases are kept from a thread of their own (a simulation has
    no threads)."""

    connect: Connect = RedisLink
    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = field(default_factory=SystemRandomness)
    outage: Outage = OUTAGE
    lease_thread: bool = True


class Patience:
    """Waits out an outage: longer after each failure, with jitter."""

    def __init__(self, seams: Seams, loop: str) -> None:
        self._seams = seams
        self.log = structlog.get_logger("workers_sdk").bind(loop=loop)
        self._loop = loop
        self._delay_s = 0.0

    async def failed(self, error: Exception) -> None:
        """Wait before the next try."""
        self._seams.outage.met(self._loop, error)
        self._delay_s = min(LONGEST_DELAY_S, max(FIRST_DELAY_S, self._delay_s * 2))
        await self._seams.clock.sleep(self._delay_s * self._seams.randomness.uniform(0.5, 1.0))

    def worked(self) -> None:
        """Forget the failures."""
        self._seams.outage.worked(self._loop)
        self._delay_s = 0.0

    async def insist(self, call: Callable[[], Awaitable[T]], give_up: asyncio.Event) -> T | None:
        """Repeat an idempotent call until Redis answers. None when it does not and `give_up` is set.

        Raises:
            Refused: the arguments or the keys are wrong, so Redis will refuse it again.
        """
        while True:
            try:
                answer = await call()
            except (Unavailable, Refused) as error:
                if isinstance(error, Refused) and is_about_data(error):
                    raise
                if give_up.is_set():
                    return None
                await self.failed(error)
            else:
                self.worked()
                return answer


async def first_of(*waits: Awaitable[object]) -> None:
    """Wait until one of several has ended; the others are cancelled. Raises what that one raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_about_data(error: Refused) -> bool:
    """Any other refusal (a missing right, a script of another version) is put right by people: that is waited for."""
    return error.code == "WRONGTYPE" or "BADARG" in str(error)
