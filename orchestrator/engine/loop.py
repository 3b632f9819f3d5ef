"""What all duties of the engine share: run step after step until told to stop; an outage of Redis is waited out."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final, Protocol

from workers_sdk.protocol.link import Link, Refused, Unavailable
from workers_sdk.protocol.outage import Outage
from workers_sdk.protocol.seams import Clock, Randomness, SystemClock, SystemRandomness

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 3.0


class Duty(Protocol):
    """A background duty: one file, one agent noun."""

    name: str

    async def step(self) -> None:
        """Do what is there to do, or wait a moment for it. Raises: Unavailable, Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Seams:
    """Everything a duty knows of the world outside: Redis (two links, since a blocked read keeps its own), time, chance.

    `outage` is told of by all duties of the process.
    """

    reading: Link
    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = field(default_factory=SystemRandomness)
    outage: Outage = field(default_factory=Outage)


class Answering:
    """How long Redis has answered. After an outage every lease looks as if it had run out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None

    def for_s(self) -> float:
        """Seconds since the first answer after the last `stopped`."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since

    def stopped(self) -> None:
        """It did not answer."""
        self._since = None


async def keep_going(duty: Duty, seams: Seams, stop: asyncio.Event, *, name: str = "") -> None:
    """Run a duty until `stop`. A step that is under way is never cut short: its replies would be lost.

    Only what Redis answers is waited out. Any other exception is a bug and ends the process. `name`: how the logs call it.
    """
    name = name or duty.name
    delay_s = 0.0
    while not stop.is_set():
        try:
            await duty.step()
        except (Unavailable, Refused) as error:
            seams.outage.met(name, error)
            delay_s = min(LONGEST_DELAY_S, max(FIRST_DELAY_S, delay_s * 2))
            await pause(stop, seams.clock, delay_s * seams.randomness.uniform(0.5, 1.0))
        else:
            seams.outage.worked(name)
            delay_s = 0.0


async def pause(stop: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait, but not beyond `stop`."""
    waits: list[Awaitable[object]] = [clock.sleep(seconds), stop.wait()]
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
