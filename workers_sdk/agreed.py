"""What workers and server agree on, recorded in Redis by the server: how many partitions, how long a lease."""

import asyncio
from dataclasses import dataclass

from .protocol.connection import Unwelcome
from .protocol.keys import META, Partitions
from .protocol.link import Link, Refused
from .protocol.scripts import LUA, Scripts
from .protocol.server import ServerInfo, ServerUnfit, not_permitted, server_info, unfit_for_all
from .seams import FIRST_DELAY_S, LONGEST_DELAY_S, Patience, Seams, first_of
from .wire import Wire


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
        ServerUnfit: the worker cannot work with this server, or is not let in.
        ValueError: what is recorded makes no sense.
    """
    patience = Patience(seams, "start")
    delay_s = 0.0
    while not stop.is_set():
        found = await patience.insist(lambda: _asked(link), stop)
        if found:
            return found
        if not delay_s:
            patience.log.info("waiting_for_server", why="no orchestrator has started on this Redis yet")
        delay_s = min(LONGEST_DELAY_S, max(FIRST_DELAY_S, delay_s * 2))
        await first_of(seams.clock.sleep(delay_s * seams.randomness.uniform(0.5, 1.0)), stop.wait())
    return None


async def _asked(link: Link) -> Agreed | None:
    """None: nothing is recorded. Raises as `agreed`, and Unavailable."""
    try:
        info = await _info(link)
        partitions, lease_ms = await link.execute("HMGET", META, "partitions", "lease_ms")
        count = None if partitions is None else int(partitions)
        if info and (reasons := unfit_for_all(info, count)):
            raise ServerUnfit("; ".join(reasons))
        if count is None or lease_ms is None:
            return None
        common = Agreed(Partitions(count), int(lease_ms) / 1000)
        # Whether it may run scripts over the keys, and the server takes writes: keep the leases of nothing.
        await Wire(link, Scripts(LUA), "").renew(common.partitions[0], [])
    except Unwelcome as error:
        raise ServerUnfit(str(error)) from error
    except Refused as error:
        raise not_permitted(error) from error
    return common


async def _info(link: Link) -> ServerInfo | None:
    """None: it may not be asked for. An orchestrator has looked before."""
    try:
        return await server_info(link)
    except Refused:
        return None
