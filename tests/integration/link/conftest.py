"""Every test of the link runs on the event loop of asyncio, and on uvloop where it is installed."""

import asyncio
import gc
import importlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from workers_sdk.protocol import node
from workers_sdk.protocol.link import RedisLink

from .fake import Connect
from .tls import Certificates


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """See pytest-asyncio."""
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if importlib.util.find_spec("uvloop"):
        found["uvloop"] = importlib.import_module("uvloop").new_event_loop
    return found


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """A socket or transport that was forgotten warns when it is collected, and warnings are errors."""
    yield
    gc.collect()


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed after 0.3 s instead of 5 s."""
    monkeypatch.setattr(node, "COMMAND_S", 0.3)
    monkeypatch.setattr(node, "CONNECT_S", 0.3)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of this run."""
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes links that are closed after the test, however it ends."""
    made: list[RedisLink] = []

    def connect(url: str, **options: Any) -> RedisLink:
        made.append(RedisLink(url, **options))
        return made[-1]

    yield connect
    for link in made:
        await link.close()
