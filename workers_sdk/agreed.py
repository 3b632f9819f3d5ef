"""What workers and server agree on, recorded in Redis by the server: how many partitions, how long a lease."""

import asyncio
from dataclasses import dataclass

from .protocol.keys import META, Partitions
from .protocol.link import Link
from .seams import FIRST_DELAY_S, LONGEST_DELAY_S, Patience, Seams, first_of


@dataclass(frozen=True, slots=True)
class Agreed:
    """See the module."""

    partitions: Partitions
    lease_s: float


async def agreed(link: Link, seams: Seams, stop: asyncio.Event) -> Agreed | None:
    """Read it; waits for as long as Redis does not answer, or no orchestrator has ever started on it.

    Returns:
        None when `stop` was set before there was something to read.

    Raises:
        ValueError: what is recorded makes no sense.
    """
    patience = Patience(seams, "start")
    delay_s = 0.0
    while not stop.is_set():
        found = await patience.insist(lambda: link.execute("HMGET", META, "partitions", "lease_ms"), stop)
        if found and None not in found:
            return Agreed(Partitions(int(found[0])), int(found[1]) / 1000)
        if not delay_s:
            patience.log.info("waiting_for_server", why="no orchestrator has started on this Redis yet")
        delay_s = min(LONGEST_DELAY_S, max(FIRST_DELAY_S, delay_s * 2))
        await first_of(seams.clock.sleep(delay_s * seams.randomness.uniform(0.5, 1.0)), stop.wait())
    return None
