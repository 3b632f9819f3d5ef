"""Time and chance that a test decides, and a Redis that only listens."""

import asyncio
from collections.abc import Sequence
from typing import Any

from workers_sdk.protocol.link import Argument, Command
from workers_sdk.protocol.messages import TaskEntry
from workers_sdk.seams import Seams


class FakeClock:
    """Time goes on only as far as somebody sleeps; what was slept is remembered."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """See `Clock`."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class NoChance:
    """Always the same, and always the highest."""

    def nonce(self) -> str:
        """See `Randomness`."""
        return "nonce0nonce0nonc"

    def uniform(self, low: float, high: float) -> float:
        """See `Randomness`."""
        return high


class ListeningLink:
    """Notes every command with the time it came."""

    def __init__(self, clock: FakeClock, answers: Sequence[Any] = ()) -> None:
        self.commands: list[tuple[float, Command]] = []
        self._clock = clock
        self._answers = list(answers)

    async def execute(self, *command: Argument) -> Any:
        """See `Link`."""
        self.commands.append((self._clock.now, command))
        answer = self._answers.pop(0) if self._answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link`."""
        return [await self.execute(*command) for command in commands]

    async def unblock(self) -> None:
        """See `Link`."""

    async def close(self) -> None:
        """See `Link`."""


def fake_seams(clock: FakeClock) -> Seams:
    """Seams without a world behind them."""
    return Seams(clock=clock, randomness=NoChance(), lease_thread=False)


def entry(**fields: Any) -> TaskEntry:
    """A task entry with these template fields."""
    return TaskEntry(
        "1-1", "text-service", "00" + "t" * 14, "00" + "s" * 14, "CreateText", 2, "2.n.1", fields
    )
