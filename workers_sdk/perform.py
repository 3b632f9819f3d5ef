"""Calls a handler and makes an outcome of whatever comes of it."""

import asyncio
from collections.abc import Callable
from typing import Any

from .context import Context
from .outcome import Outcome, failed, succeeded


def perform(function: Callable[..., Any], arguments: dict[str, Any], ctx: Context | None) -> Outcome:
    """Call a function, in the thread or process that it runs in. `ctx`: None when it takes no parameters."""
    try:
        value = function(**arguments)
        return succeeded(value, ctx.spawned if ctx else "")
    except BaseException as error:  # whatever a handler raises ends its task, never the worker
        return failed(error)


async def perform_async(
    function: Callable[..., Any], arguments: dict[str, Any], ctx: Context | None
) -> Outcome:
    """`perform` for a coroutine function. Raises CancelledError only when the caller was cancelled."""
    try:
        value = await function(**arguments)
        return succeeded(value, ctx.spawned if ctx else "")
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return failed(error)  # something within the handler was cancelled, not the handler
    except BaseException as error:
        return failed(error)
