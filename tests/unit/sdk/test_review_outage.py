"""An outage of one server, or of all: who does not suffer from it, and what does not grow through it."""

import asyncio
from typing import Any

from tests.support.wait import wait_until
from workers_sdk.claims import Claims
from workers_sdk.held import Delivery
from workers_sdk.lease import LeaseKeeper
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import Argument, Unavailable
from workers_sdk.protocol.scripts import LUA, Scripts
from workers_sdk.seats import Seats
from workers_sdk.shift import Shift
from workers_sdk.wire import Wire

from .fakes import FakeClock, ListeningLink, entry, fake_seams
from .test_loops import delivery, shift


class OneSilent(ListeningLink):
    """A cluster of which the server of the first partition says nothing at all."""

    async def execute(self, *command: Argument) -> Any:
        """See `Link`."""
        if any("{p0}:" in str(part) for part in command):
            await asyncio.Event().wait()
        return await super().execute(*command)


async def test_a_server_of_a_cluster_that_is_silent_delays_no_lease_on_the_others() -> None:
    clock, partitions = FakeClock(), Partitions(2)
    link = OneSilent(clock, [[b"OK"]] * 100_000)
    wire, scripts = Wire(link, Scripts(LUA), "worker"), Scripts(LUA)
    working = Shift(fake_seams(clock), wire, partitions, ("text-service",), 1.0, Seats(2), asyncio.Event())
    for at in partitions:
        working.held.add(Delivery(at, entry()))
    keeper = LeaseKeeper(working, lambda: link, scripts, lambda *_: None)
    keeping = asyncio.create_task(keeper.run(asyncio.Event()))
    try:
        await wait_until(lambda: len(link.commands) > 2, what="renewals for the second partition")
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def test_what_could_not_be_claimed_is_claimed_once_however_often_it_was_tried() -> None:
    """By the claims themselves, and before each report of progress."""
    clock = FakeClock()
    link = ListeningLink(clock, [*[Unavailable("down")] * 3, [b"GO"]])
    claims, one = Claims(shift(clock, link), lambda *_: None), delivery()
    for _ in range(3):
        await claims.claim([one])
    claiming = asyncio.create_task(claims.run())
    await wait_until(lambda: one.claimed, what="the claim")
    claims.close()
    await claiming

    assert link.commands[-1][1].count(one.entry.task_id) == 1
