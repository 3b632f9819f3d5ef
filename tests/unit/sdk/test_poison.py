"""Whatever a handler raises ends its task: one bad handler ended the worker with everything it held."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from workers_sdk import Context, Worker
from workers_sdk.testing import run_handler


class Odd(BaseException):
    """Not an Exception, and its text cannot be made."""

    def __str__(self) -> str:
        raise SystemExit


RAISED: list[Callable[[], BaseException]] = [
    Odd,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
]


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_whatever_a_handler_raises_fails_its_task(
    kind: str, raised: Callable[[], BaseException]
) -> None:
    worker = Worker("test-service")

    def in_thread(ctx: Context) -> Any:
        raise raised()

    async def on_loop(ctx: Context) -> Any:
        raise raised()

    worker.task("Bad")(on_loop if kind == "async" else in_thread)

    ran = await run_handler(worker, "Bad")

    assert ran.error is not None
    assert ran.error["type"] == raised().__class__.__name__
