"""Waiting for a condition instead of for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any


async def wait_until(
    predicate: Callable[[], Any | Awaitable[Any]], *, what: str, timeout_s: float = 20, every_s: float = 0.01
) -> Any:
    """Ask `predicate` (sync or async) until it is true, and return its value.

    Raises:
        AssertionError: not true within `timeout_s`; says `what` was waited for and the last value.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last value: {value!r})")
        await asyncio.sleep(every_s)
