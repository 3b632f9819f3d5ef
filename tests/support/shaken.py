"""A plugin of pytest that makes Redis slow now and then, so that what happens together once in a thousand runs does so in one.

`make test ARGS="-p tests.support.shaken"`; `SHAKEN=2` shakes otherwise. It has found races in the code and tests that took two
reads for one moment. A test that fails only so is either: look which. Tests of the connection itself are left in peace.
"""

import asyncio
import os
import random
from typing import Any

import pytest

from workers_sdk.protocol.connection import Connection

_call = Connection.call
_chance = random.Random(f"{os.environ.get('SHAKEN', '1')} {os.environ.get('PYTEST_XDIST_WORKER', '')}")
_is_on = False


def _pause_s() -> float:
    luck = _chance.random()
    return 0 if luck < 0.7 else _chance.random() * (0.005 if luck < 0.95 else 0.04)


async def _shaken(self: Connection, request: bytes, count: int) -> list[Any]:
    if not _is_on:
        return await _call(self, request, count)
    await asyncio.sleep(_pause_s())
    replies = await _call(self, request, count)
    await asyncio.sleep(_pause_s())
    return replies


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Called by pytest before each test."""
    global _is_on
    _is_on = "integration/link" not in item.nodeid


Connection.call = _shaken  # type: ignore[method-assign]
