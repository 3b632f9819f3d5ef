"""Refuses new scenarios before Redis is full. What is under way must always find room to end."""

import time
from typing import Final

from workers_sdk.protocol.link import Link, Refused

from .outcomes import Overloaded

EVERY_S: Final = 1.0


class Admission:
    """Looks at the memory of Redis at most once a second, when somebody asks and its last look is too old.

    Args:
        share: of `maxmemory`, beyond which nothing is admitted; 0: never by that. In a cluster one of the servers is looked at.
    """

    def __init__(self, link: Link, share: float) -> None:
        self._link = link
        self._share = share
        self._is_full = False
        self._looked = float("-inf")

    async def check(self) -> None:
        """Raises: Overloaded; Unavailable, see `Link.execute`."""
        now = time.monotonic()
        if self._share and now - self._looked >= EVERY_S:
            self._looked = now
            self._is_full = await self._look() > self._share
        if self._is_full:
            raise Overloaded(f"Redis uses more than {self._share:.0%} of its memory")

    async def _look(self) -> float:
        """Share of the memory in use; 0 when there is no limit, or when the server does not tell."""
        try:
            reply = await self._link.execute("INFO", "memory")
        except Refused:
            return 0.0
        pairs = (line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
        facts = {name: value.strip() for name, value in pairs}
        most = int(facts.get("maxmemory", 0))
        return int(facts.get("used_memory", 0)) / most if most else 0.0
