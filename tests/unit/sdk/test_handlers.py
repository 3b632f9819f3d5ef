"""Which functions may be handlers, and how their parameters are filled."""

from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from workers_sdk import Context, Worker
from workers_sdk.handlers import handler_of

from .fakes import entry


class Params(BaseModel):
    """Params."""

    speed: float


async def on_loop(params: Params, context: Any = None, *, extra: Context) -> None: ...


def in_thread(ctx) -> None:  # type: ignore[no-untyped-def]
    ...


def test_parameters_are_filled_by_their_annotation_or_the_name_ctx() -> None:
    ctx = Context(entry(params={"speed": 2}))
    assert handler_of("A", in_thread).arguments(ctx) == {"ctx": ctx}
    with pytest.raises(TypeError, match="context: Any"):
        handler_of("A", on_loop)

    def both(extra: Context, params: Params) -> None: ...

    assert handler_of("A", both).arguments(ctx) == {"extra": ctx, "params": Params(speed=2)}


def test_where_a_handler_runs_follows_from_what_it_is() -> None:
    async def coroutine() -> None: ...

    assert handler_of("A", coroutine).run == "loop"
    assert handler_of("A", in_thread).run == "thread"
    assert handler_of("A", partial(in_thread), "process").run == "process"
    with pytest.raises(TypeError, match="'process' is not for async def"):
        handler_of("A", coroutine, "process")
    with pytest.raises(TypeError, match="'loop' is not for def"):
        handler_of("A", in_thread, "loop")


def test_a_function_with_other_parameters_is_refused_when_it_is_registered() -> None:
    def strange(ctx: Context, number: int) -> None: ...

    def loose(*args: Context) -> None: ...

    for function in (strange, loose):
        with pytest.raises(TypeError, match="A: "):
            handler_of("A", function)


def test_a_name_is_registered_once_and_the_function_stays_itself() -> None:
    worker = Worker("text-service")
    assert worker.task("A")(in_thread) is in_thread
    with pytest.raises(ValueError, match="two handlers for A"):
        worker.task("A")(in_thread)


@pytest.mark.parametrize(
    ("services", "options"),
    [
        ((), {}),
        (("Bad Name",), {}),
        (("a", "a"), {}),
        (("a",), {"concurrency": 0}),
        (("a",), {"drain_s": -1}),
    ],
)
def test_a_worker_that_makes_no_sense_is_refused(services: tuple[str, ...], options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Worker(*services, **options)
