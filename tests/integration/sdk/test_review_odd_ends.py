"""Handlers that end in ways nobody thinks of: each ends its own task, and neither the worker nor the tasks of others."""

import asyncio

import pytest

from workers_sdk import Context, Fail

from .support import Desk, error_of, result_of


class WithoutSuper(Fail):
    """A failure whose maker forgot `super().__init__`."""

    def __init__(self, what: str) -> None:
        self.what = what


class WithNumber(Fail):
    """A failure whose code is no text."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.code = 404  # type: ignore[assignment]


class ForEver(Fail):
    """A failure that asks for a wait without end."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.retry_after_s = float("inf")


@pytest.mark.parametrize("kind", [WithoutSuper, WithNumber, ForEver])
@pytest.mark.parametrize("on_loop", [True, False])
async def test_an_exception_that_cannot_be_put_into_words_fails_its_task_only(
    desk: Desk, kind: type[Exception], on_loop: bool
) -> None:
    worker = desk.worker()
    if on_loop:

        @worker.task("Odd")
        async def odd_on_loop() -> None:
            raise kind("why")

    else:

        @worker.task("Odd")
        def odd_in_thread() -> None:
            raise kind("why")

    await desk.put("Odd")
    async with worker.running():
        error = error_of(await desk.end())
    assert error["type"]


async def test_a_handler_that_cancels_itself_fails_its_task(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("Odd")
    async def odd() -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(60)

    await desk.put("Odd")
    async with worker.running():
        assert error_of(await desk.end())["type"] == "CancelledError"


async def test_a_service_with_much_to_do_leaves_seats_to_the_others(desk: Desk) -> None:
    worker = desk.worker("busy", "quiet", concurrency=1)
    order: list[str] = []

    @worker.task("Work")
    async def work(ctx: Context) -> None:
        order.append(ctx.service)
        await asyncio.sleep(0)

    for _ in range(60):
        await desk.put("Work", service="busy")
    await desk.put("Work", service="quiet")
    async with worker.running():
        events = await desk.ends(61)
    assert [result_of(event) for event in events] == [None] * 61
    assert order.index("quiet") < 30
