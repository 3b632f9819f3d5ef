"""Clock and randomness of the loops, one seam each, so that a simulation can drive the same code."""

import asyncio
import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Local time of a process: only for waiting and measuring. What is stored comes from Redis TIME."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The real one."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)


class Randomness(Protocol):
    """Source of what must not repeat."""

    def nonce(self) -> str:
        """96 random bits, 16 characters, safe in any text."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """A number within [low, high]; for jitter."""
        ...


class SystemRandomness:
    """The real one."""

    _rng = secrets.SystemRandom()

    def nonce(self) -> str:
        """See `Randomness.nonce`."""
        return secrets.token_urlsafe(12)

    def uniform(self, low: float, high: float) -> float:
        """See `Randomness.uniform`."""
        return self._rng.uniform(low, high)
