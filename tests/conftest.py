"""Wiring only: what the fixtures give lives in `tests/support`."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.servers import running_server
from workers_sdk.protocol.link import RedisLink


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the one server of this run."""
    with running_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest_asyncio.fixture
async def redis_url(server_url: str) -> str:
    """URL of an empty server."""
    link = RedisLink(server_url)
    await link.execute("FLUSHALL")
    await link.execute("SCRIPT", "FLUSH")
    await link.close()
    return server_url


@pytest_asyncio.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    """Link to an empty server."""
    link = RedisLink(redis_url)
    yield link
    await link.close()
