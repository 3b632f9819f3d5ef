"""What workers and server agree on, recorded in Redis by the server: how many partitions, how long a lease."""

from dataclasses import dataclass

from .protocol.keys import META, Partitions
from .protocol.link import Link, Refused, Unavailable
from .seams import FIRST_DELAY_S, LONGEST_DELAY_S, Patience, Seams


@dataclass(frozen=True, slots=True)
class Agreed:
    """See the module."""

    partitions: Partitions
    lease_s: float


async def agreed(link: Link, seams: Seams) -> Agreed:
    """Read it; waits for as long as Redis does not answer, or no orchestrator has ever started on it.

    Raises:
        ValueError: what is recorded makes no sense.
    """
    patience = Patience(seams, "start")
    delay_s = 0.0
    while True:
        try:
            partitions, lease_ms = await link.execute("HMGET", META, "partitions", "lease_ms")
        except (Unavailable, Refused) as error:
            await patience.failed(error)
            continue
        patience.worked()
        if partitions and lease_ms:
            return Agreed(Partitions(int(partitions)), int(lease_ms) / 1000)
        if not delay_s:
            patience.log.info("waiting_for_server", why="no orchestrator has started on this Redis yet")
        delay_s = min(LONGEST_DELAY_S, max(FIRST_DELAY_S, delay_s * 2))
        await seams.clock.sleep(delay_s * seams.randomness.uniform(0.5, 1.0))
