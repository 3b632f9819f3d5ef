"""What is checked of the Redis server before anything starts: that it is there, version, eviction, persistence."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from workers_sdk.protocol.connection import Unwelcome
from workers_sdk.protocol.link import Unavailable
from workers_sdk.protocol.seams import Clock, SystemClock
from workers_sdk.protocol.server import ServerInfo as ServerInfo
from workers_sdk.protocol.server import ServerUnfit as ServerUnfit
from workers_sdk.protocol.server import not_permitted as not_permitted
from workers_sdk.protocol.server import server_info as server_info
from workers_sdk.protocol.server import unfit_for_all

SCHEMA = "1"
"""Version of the key format. Recorded in `scenarist:meta`; another one is refused."""
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 1.0


def check_server(info: ServerInfo, *, unsafe_volatile: bool, partitions: int = 1) -> None:
    """Refuse a server that is too old, evicts keys, keeps nothing on disk (unless `unsafe_volatile`), is a replica, or is a
    cluster for one partition.

    Raises:
        ServerUnfit: all reasons in one message.
    """
    reasons = unfit_for_all(info, partitions)
    if info.eviction != "noeviction":
        reasons.append(
            f"maxmemory-policy is {info.eviction}: set it to noeviction, or waiting work will be evicted"
        )
    if not info.aof and not unsafe_volatile:
        reasons.append(
            "appendonly is off: set 'appendonly yes', or accept the loss of all work with SCENARIST_UNSAFE_VOLATILE=1"
        )
    if reasons:
        raise ServerUnfit("; ".join(reasons))


async def when_there(begin: Callable[[], Awaitable[None]], wait_s: float, clock: Clock | None = None) -> None:
    """Begin, again and again until Redis answers: whoever starts all at once starts Redis too, and a large one loads long.

    Raises:
        Unwelcome: at once, it does not pass by itself. Unavailable: not within `wait_s`, why at last.
        ServerUnfit, Refused: what `begin` raises.
    """
    clock = clock or SystemClock()
    log = structlog.get_logger()
    began, delay_s = clock.monotonic(), 0.0
    while True:
        try:
            await begin()
        except Unwelcome:
            raise
        except Unavailable as error:
            left_s = began + wait_s - clock.monotonic()
            if left_s <= 0:
                raise
            if not delay_s:
                log.warning("waiting_for_redis", error=str(error), at_most_s=wait_s)
            delay_s = min(LONGEST_DELAY_S, max(FIRST_DELAY_S, delay_s * 2))
            await clock.sleep(min(delay_s, left_s))
        else:
            if delay_s:
                log.info("redis_available", after_s=round(clock.monotonic() - began, 1))
            return
