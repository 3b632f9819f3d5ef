"""An outage is told once by a process, however many of its loops meet it, and once when it is over."""

import asyncio
from typing import Any

from orchestrator.engine.loop import Seams, keep_going
from tests.support.lines import every_line
from tests.unit.sdk.fakes import FakeClock, ListeningLink, NoChance
from workers_sdk.protocol.link import Link, Refused, Unavailable
from workers_sdk.protocol.outage import SETTLED_S, Outage
from workers_sdk.seams import Patience
from workers_sdk.seams import Seams as SdkSeams

DOWN = Unavailable("no connection")


class Asking:
    """A duty that asks until it has asked often enough."""

    def __init__(self, name: str, link: Link, clock: FakeClock, times: int, stop: asyncio.Event) -> None:
        self.name = name
        self._link, self._clock, self._left, self._stop = link, clock, times, stop

    async def step(self) -> None:
        """See `Duty`."""
        self._left -= 1
        if not self._left:
            self._stop.set()
        await self._link.execute("PING")
        await self._clock.sleep(SETTLED_S)


def said(lines: list[Any]) -> list[tuple[str, str]]:
    """Level and event of what is not for developers."""
    return [(line["log_level"], line["event"]) for line in lines if line["log_level"] != "debug"]


async def test_of_many_duties_one_tells_of_an_outage_and_one_of_its_end() -> None:
    clock = FakeClock()
    outage = Outage(clock)
    duties = []
    for n in range(5):
        stop, link = asyncio.Event(), ListeningLink(clock, [b"PONG", DOWN, DOWN, DOWN])
        seams = Seams(link, clock, NoChance(), outage)
        duties.append(keep_going(Asking(f"duty-{n}", link, clock, 8, stop), seams, stop))
    with every_line() as lines:
        await asyncio.gather(*duties)

    assert said(lines) == [("warning", "redis_unavailable"), ("info", "redis_available")]
    met = [line for line in lines if line["event"] == "redis_unavailable"]
    assert {line["met_by"] for line in met} == {f"duty-{n}" for n in range(5)}
    assert met[0]["error"] == "no connection"


async def test_the_loops_of_a_worker_tell_once_too() -> None:
    clock = FakeClock()
    seams = SdkSeams(clock=clock, randomness=NoChance(), outage=Outage(clock))
    loops = [Patience(seams, f"loop-{n}") for n in range(3)]
    with every_line() as lines:
        for _ in range(2):
            for patience in loops:
                await patience.failed(DOWN)
        clock.now += SETTLED_S
        for patience in loops:
            patience.worked()

    assert said(lines) == [("warning", "redis_unavailable"), ("info", "redis_available")]


def test_how_long_it_took_counts_to_the_first_answer_and_not_to_the_line() -> None:
    clock = FakeClock()
    outage = Outage(clock)
    with every_line() as lines:
        outage.met("one", DOWN)
        clock.now = 3.0
        outage.met("other", DOWN)
        clock.now = 4.0
        outage.worked("one")
        clock.now = 5.0
        outage.met("other", DOWN)  # it was not over for all
        clock.now = 7.0
        outage.worked("one")
        outage.worked("other")
        clock.now = 7.0 + SETTLED_S
        outage.worked("one")
        outage.worked("other")

    assert [line["after_s"] for line in lines if line["event"] == "redis_available"] == [7.0]


def test_a_second_outage_is_told_again() -> None:
    clock = FakeClock()
    outage = Outage(clock)
    with every_line() as lines:
        for _ in range(2):
            outage.met("one", DOWN)
            clock.now += SETTLED_S
            outage.worked("one")

    assert [event for _, event in said(lines)] == ["redis_unavailable", "redis_available"] * 2


def test_each_loop_tells_of_its_own_refusal_once() -> None:
    outage = Outage(FakeClock())
    with every_line() as lines:
        for _ in range(3):
            outage.met("one", Refused("NOPERM no 'xadd'"))
            outage.met("other", Refused("WRONGTYPE x"))
        outage.worked("one")
        outage.worked("one")

    told = [(line["event"], line["met_by"]) for line in lines if line["log_level"] != "debug"]
    assert told == [("redis_refused", "one"), ("redis_refused", "other"), ("redis_accepted", "one")]
