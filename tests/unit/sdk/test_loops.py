"""The loops' own parts under a clock and a chance that the test decides."""

import asyncio

import pytest

from tests.support.wait import wait_until
from workers_sdk import Worker
from workers_sdk.claims import Claims
from workers_sdk.finisher import Finisher
from workers_sdk.handlers import Handlers
from workers_sdk.held import Delivery, Held
from workers_sdk.progress import INTERVAL_S, Progress
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import Link, Refused, Unavailable
from workers_sdk.protocol.scripts import LUA, Scripts
from workers_sdk.runner import Runner
from workers_sdk.seams import Patience, first_of
from workers_sdk.seats import Seats
from workers_sdk.shift import Shift, batches
from workers_sdk.wire import Wire

from .fakes import FakeClock, ListeningLink, entry, fake_seams

AT = Partitions(1)[0]


def shift(clock: FakeClock, link: Link) -> Shift:
    """A shift of a worker on `link`."""
    wire = Wire(link, Scripts(LUA), "worker")
    return Shift(fake_seams(clock), wire, Partitions(1), ("text-service",), 1.0, Seats(1), asyncio.Event())


def delivery() -> Delivery:
    """A delivery."""
    return Delivery(AT, entry())


async def test_patience_waits_longer_each_time_and_starts_anew_after_a_success() -> None:
    clock = FakeClock()
    patience = Patience(fake_seams(clock), "test")
    for _ in range(7):
        await patience.failed(Unavailable("down"))
    patience.worked()
    await patience.failed(Unavailable("down"))
    assert clock.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0, 0.1]


async def test_insisting_repeats_an_outage_and_a_missing_right_but_not_wrong_data() -> None:
    clock = FakeClock()
    patience = Patience(fake_seams(clock), "test")
    errors = [Unavailable("down"), Refused("NOPERM no"), "answer"]
    link = ListeningLink(clock, errors)
    assert await patience.insist(lambda: link.execute("PING"), asyncio.Event()) == "answer"
    for hopeless in ("WRONGTYPE x", "user_script:4: BADARG entry id"):
        link = ListeningLink(clock, [Refused(hopeless)])
        with pytest.raises(Refused):
            await patience.insist(lambda link=link: link.execute("PING"), asyncio.Event())  # type: ignore[misc]


async def test_insisting_gives_up_when_told_to() -> None:
    clock, give_up = FakeClock(), asyncio.Event()
    give_up.set()
    link = ListeningLink(clock, [Unavailable("down")])
    assert await Patience(fake_seams(clock), "test").insist(lambda: link.execute("PING"), give_up) is None
    assert clock.slept == []


async def test_of_much_progress_the_newest_is_reported_now_and_then() -> None:
    clock = FakeClock()
    link = ListeningLink(clock)
    working = shift(clock, link)
    progress, claims = Progress(working), Claims(working, lambda _, __: None)
    one, other = delivery(), delivery()
    one.claimed = other.claimed = True
    say, say_other = progress.sink(one), progress.sink(other)
    running = asyncio.create_task(progress.run(claims))
    for percent in range(10):
        say(percent, f"at {percent}")
    say_other(1, "ended")
    progress.forget(other)
    await wait_until(lambda: link.commands, what="the first report")
    say(50, "")
    await wait_until(lambda: len(link.commands) == 2, what="the second report")
    progress.close()
    await running
    (first_at, first), (second_at, second) = link.commands
    assert list(first[-2:]) == ["9", "at 9"]
    assert list(second[-2:]) == ["50", ""]
    assert second_at - first_at >= INTERVAL_S
    assert "ended" not in first


async def test_a_delivery_that_is_lost_before_its_first_step_gives_its_seat_back() -> None:
    clock = FakeClock()
    working = shift(clock, ListeningLink(clock))
    options = Worker("text-service", concurrency=1).options
    runner = Runner(working, Handlers(), Finisher(working), Progress(working), options)
    lost = delivery()
    assert working.seats.take(1) == 1

    runner.start(lost)
    runner.lose(lost, "cancelled")
    await wait_until(lambda: working.seats.free == 1, what="the seat to be free")

    assert runner.busy == []


async def test_what_is_cancelled_between_read_and_start_does_not_start() -> None:
    clock = FakeClock()
    working = shift(clock, ListeningLink(clock))
    options = Worker("text-service", concurrency=1).options
    runner = Runner(working, Handlers(), Finisher(working), Progress(working), options)
    lost = delivery()
    working.seats.take(1)
    runner.lose(lost, "cancelled")
    runner.start(lost)

    assert (runner.busy, working.seats.free) == ([], 1)


async def test_seats_are_given_and_taken() -> None:
    seats = Seats(3)
    assert (seats.take(2), seats.take(2), seats.take(1)) == (2, 1, 0)
    waiting = asyncio.create_task(seats.some_free())
    await asyncio.sleep(0)
    assert not waiting.done()
    seats.give()
    await waiting
    seats.close()
    assert seats.take(1) == 0
    await seats.some_free()
    seats.give()
    seats.give()
    await seats.all_free()


def test_an_entry_is_held_once() -> None:
    held = Held()
    first, again = delivery(), delivery()
    assert held.add(first)
    assert not held.add(again)
    held.remove(again)
    assert held.all() == []


def test_batches_are_of_one_partition_and_bounded() -> None:
    partitions = Partitions(2)
    items = [partitions[0], partitions[1], partitions[0], partitions[0]]
    assert list(batches(items, lambda at: at, 2)) == [[items[0], items[2]], [items[3]], [items[1]]]


async def test_the_first_of_several_ends_the_wait_and_its_error_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("first")

    forever = asyncio.Event()
    with pytest.raises(ValueError, match="first"):
        await first_of(fail(), forever.wait())
