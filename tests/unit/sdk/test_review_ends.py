"""Ends that nobody thinks of, and more of them than Redis takes."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.wait import wait_until
from workers_sdk.finisher import MOST, Finisher
from workers_sdk.outcome import failed, succeeded

from .fakes import FakeClock, ListeningLink
from .test_loops import delivery, shift


@pytest.mark.parametrize("details", [("file", "line", 1, 5), ("file", 1, 3, 5), ("file", 1, "b", "text")])
def test_an_error_of_a_parser_whose_traceback_cannot_be_made_is_told(details: Any) -> None:
    error = json.loads(failed(SyntaxError("bad input", details)).fields["error"])

    assert (error["type"], error["message"].partition(" (")[0]) == ("SyntaxError", "bad input")


async def test_no_more_work_is_taken_while_too_much_of_it_is_not_reported() -> None:
    clock = FakeClock()
    working = shift(clock, ListeningLink(clock, [[b"OK"] * 64] * (MOST // 64)))
    finisher, waiting = Finisher(working), asyncio.create_task(working.seats.some_free())
    for _ in range(MOST):
        finisher.add(delivery(), succeeded(None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()

    finisher.close()
    await finisher.run()

    await wait_until(waiting.done, what="the word that there are seats")


async def test_a_stop_does_not_wait_for_reports_to_take_no_more_work() -> None:
    clock = FakeClock()
    working = shift(clock, ListeningLink(clock))
    finisher = Finisher(working)
    for _ in range(MOST):
        finisher.add(delivery(), succeeded(None))
    working.seats.close()

    await working.seats.some_free()
