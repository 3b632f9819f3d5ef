"""Fixtures of the engine's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.checked import checked
from tests.support.engines import QUICK, Running, running_engine
from tests.support.leaks import leaked_keys
from tests.support.plain_worker import PlainWorker
from workers_sdk.protocol.link import RedisLink


@pytest_asyncio.fixture
async def engine(redis_url: str) -> AsyncIterator[Running]:
    """One replica on an empty server."""
    async with running_engine(redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def quick_engine(redis_url: str) -> AsyncIterator[Running]:
    """One replica whose workers are lost when they are silent for a second."""
    async with running_engine(redis_url, QUICK) as running:
        yield running


@pytest_asyncio.fixture
async def worker(link: RedisLink) -> PlainWorker:
    """A worker of `test-service` without the SDK."""
    return PlainWorker(link)


@pytest_asyncio.fixture(autouse=True)
async def nothing_is_left_behind(link: RedisLink) -> AsyncIterator[None]:
    """After every test each key is permanent, expires, or belongs to a scenario that runs or will be purged."""
    yield
    assert await leaked_keys(link) == []


@pytest.fixture
def inner(tmp_path: Path) -> Path:
    """A folder with the template `Inner`."""
    (tmp_path / "Inner.yml").write_text("tasks:\n  - name: Work\n    service: test-service\n")
    return tmp_path


@pytest_asyncio.fixture(autouse=True)
async def nothing_is_wrong_after_an_example(
    request: pytest.FixtureRequest, link: RedisLink
) -> AsyncIterator[None]:
    """After every example of a feature a check of the state finds nothing."""
    yield
    if "example" in request.node.nodeid:
        assert (await checked(link)).findings == []
