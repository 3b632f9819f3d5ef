"""The watch over the event loop, under a clock that the test decides."""

import asyncio
import threading
from typing import Any

from tests.support.lines import every_line
from tests.support.wait import wait_until
from workers_sdk.watchdog import MISSED, QUIET_S, Watchdog, where

from .fakes import FakeClock

Lines = list[Any]


def events(lines: Lines) -> list[tuple[str, str]]:
    """Level and event of each line."""
    return [(line["log_level"], line["event"]) for line in lines]


async def watch_until(watchdog: Watchdog, lines: Lines, count: int) -> None:
    """Watch a loop that stands still until there are so many lines; then let it go on until that is told too."""
    stop = asyncio.Event()
    watching = asyncio.create_task(watchdog.watch(stop))
    await wait_until(lambda: len(lines) == count, what="the line about the loop")
    beating = asyncio.create_task(watchdog.beat())
    await wait_until(lambda: len(lines) == count + 1, what="the line that it goes on")
    stop.set()
    await watching
    beating.cancel()
    await asyncio.wait([beating])


async def test_a_loop_that_stands_still_is_told_once_with_the_task_and_its_place() -> None:
    with every_line() as lines:
        await watch_until(Watchdog(FakeClock(), lambda: {"task": "CreateVoice"}), lines, 1)

    assert events(lines) == [("warning", "loop_blocked"), ("info", "loop_free")]
    assert lines[0]["task"] == "CreateVoice"
    assert lines[0]["blocked_s"] >= MISSED / 2
    assert lines[1]["blocked_s"] >= lines[0]["blocked_s"]


class StandingClock(FakeClock):
    """Time goes on only when the test says so."""

    def monotonic(self) -> float:
        """See `Clock`."""
        return self.told

    told = 0.0


async def test_one_that_stands_still_again_and_again_is_a_warning_now_and_then() -> None:
    clock = StandingClock()
    watchdog = Watchdog(clock, dict)
    with every_line() as lines:
        await watch_until(watchdog, lines, 1)
        await watch_until(watchdog, lines, 3)
        clock.told += QUIET_S
        await watch_until(watchdog, lines, 5)

    assert [level for level, event in events(lines) if event == "loop_blocked"] == [
        "warning",
        "debug",
        "warning",
    ]


async def test_a_loop_that_goes_on_is_nothing_to_tell() -> None:
    clock, stop = FakeClock(), asyncio.Event()
    watchdog = Watchdog(clock, dict)
    with every_line() as lines:
        tasks = [asyncio.create_task(watchdog.watch(stop)), asyncio.create_task(watchdog.beat())]
        await wait_until(lambda: len(clock.slept) > 20 * MISSED, what="many looks")
        stop.set()
        await tasks[0]
        tasks[1].cancel()
        await asyncio.wait(tasks)

    assert lines == []


def test_the_place_is_that_of_the_handler_and_of_what_it_called() -> None:
    ready, go = threading.Event(), threading.Lock()
    go.acquire()

    def inner() -> None:
        ready.set()
        go.acquire(timeout=60)  # of C: waiting on an event is several frames deep, or not yet

    def handler() -> None:
        inner()

    thread = threading.Thread(target=handler)
    thread.start()
    ready.wait(60)
    assert thread.ident
    text = where(thread.ident)
    go.release()
    thread.join()

    assert "test_watchdog.py" in text
    assert text.count(" > ") == 2
    assert where(0) == ""
