"""Reads the queues of one partition: read, decode, admit, claim, start."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from .context import Reference
from .held import Delivery, Held
from .protocol.keys import GROUP_WORKERS, Partition
from .protocol.link import Argument, Link, Refused, Unavailable
from .protocol.messages import Malformed
from .seams import Patience, Seams
from .seats import Seats
from .wire import Wire

BLOCK_MS: Final = 1_000
"""How long a read waits; a stop takes up to that long. A read is never cut short: its reply would be lost."""
GONE: Final = ("NOGROUP", "UNBLOCKED")
"""What Redis says when the stream or its group was deleted under a reader (after FLUSHALL, or a restart without AOF)."""
MISSED_COUNT: Final = 1_000

Start = Callable[[Delivery, Mapping[str, Reference]], None]


class Fetcher:
    """Fetches for all services of a worker from one partition, never more than there are free seats.

    Args:
        reading: a link of its own for blocking reads.
        start: takes a claimed delivery and what it refers to; a seat was taken for it.
        stop: ends the loop.
    """

    def __init__(
        self,
        seams: Seams,
        reading: Link,
        wire: Wire,
        at: Partition,
        services: Sequence[str],
        held: Held,
        seats: Seats,
        start: Start,
        stop: asyncio.Event,
    ) -> None:
        self._reading = reading
        self._wire = wire
        self._at = at
