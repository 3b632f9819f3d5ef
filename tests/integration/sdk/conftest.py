"""Fixtures of the SDK's tests."""

import pytest_asyncio

from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink

from .support import Desk


@pytest_asyncio.fixture
async def desk(link: RedisLink, redis_url: str) -> Desk:
    """A server's side of one partition, with a short lease."""
    desk = Desk(link, redis_url, Partitions(1))
    await desk.agree()
    return desk
