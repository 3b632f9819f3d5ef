"""Keeps the leases of everything that is held, from a thread of its own.

A handler that blocks the event loop, or computes in a thread, must not lose its lease by that. (Native code that keeps
the interpreter's lock for longer than a lease still does: give such work `run="process"`.)
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from .held import Delivery
from .protocol.keys import Partition
from .protocol.link import Link, Refused, Unavailable
from .protocol.scripts import Scripts
from .seams import Patience, first_of
from .shift import Shift, batches
from .wire import Wire

BATCH: Final = 256

Main = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class LeaseKeeper:
    """Renews every third of a lease; tells of each lease that is lost.

    Args:
        connect: makes the link, on the event loop that will use it.
        lost: called, with the cause, for a delivery whose lease is lost, in the keeper's thread.
    """

    def __init__(
        self,
        shift: Shift,
        connect: Callable[[], Link],
        scripts: Scripts,
        lost: Callable[[Delivery, str], object],
    ) -> None:
        self._shift = shift
        self._connect = connect
        self._scripts = scripts
        self._lost = lost

    async def run(self, stop: asyncio.Event) -> None:
        """Renew until `stop`."""
        link = self._connect()
        wire = Wire(link, self._scripts, self._shift.wire.consumer)
        try:
            async with asyncio.TaskGroup() as group:
                for at in self._shift.partitions:
                    group.create_task(self._keep(wire, at, stop))
        finally:
            await link.close()

    async def _keep(self, wire: Wire, at: Partition, stop: asyncio.Event) -> None:
        """Those of one partition, so that a server of a cluster that says nothing delays no others."""
        patience = Patience(self._shift.seams, f"lease-keeper-{at.index}")
        while not stop.is_set():
            if problem := await self._renew_all(wire, at):
                await first_of(patience.failed(problem), self._third(), stop.wait())
            else:
                patience.worked()
                await first_of(self._third(), stop.wait())

    async def _third(self) -> None:
        await self._shift.seams.clock.sleep(self._shift.lease_s / 3)

    async def _renew_all(self, wire: Wire, at: Partition) -> Unavailable | Refused | None:
        """Why some could not be renewed: a server that does not answer, a queue that is none; then the others are."""
        problem: Refused | None = None
        held = [delivery for delivery in self._shift.held.all() if delivery.at == at]
        try:
            for batch in batches(held, lambda delivery: delivery.at, BATCH):
                problem = await self._renew_or_refused(wire, at, batch) or problem
        except Unavailable as error:
            return error
        return problem

    async def _renew_or_refused(
        self, wire: Wire, at: Partition, deliveries: Sequence[Delivery]
    ) -> Refused | None:
        """A batch that is refused whole is renewed one by one. Raises Unavailable."""
        try:
            await self._renew(wire, at, deliveries)
        except Refused as error:
            if len(deliveries) > 1:
                for delivery in deliveries:
                    await self._renew_or_refused(wire, at, [delivery])
            return error
        return None

    async def _renew(self, wire: Wire, at: Partition, deliveries: Sequence[Delivery]) -> None:
        answers = await wire.renew(at, deliveries)
        lost = [delivery for delivery, kept in zip(deliveries, answers, strict=True) if not kept]
        for delivery in lost:
            delivery.cancelled.set("lease_lost")
        for delivery in lost:
            self._lost(delivery, "lease_lost")


async def on_own_thread(main: Main, stop: asyncio.Event) -> None:
    """Run `main` on an event loop in a thread of its own until `stop`, which it gets as an event of its own loop.

    Raises:
        Exception: what `main` raised.
    """
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def body() -> None:
        inner_stop = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), inner_stop))
        await main(inner_stop)

    with ThreadPoolExecutor(1, thread_name_prefix="leases") as pool:
        ended = asyncio.get_running_loop().run_in_executor(pool, asyncio.run, body())
        try:
            await first_of(asyncio.wait([ended]), stop.wait())
        finally:
            if not ended.done():
                loop, inner_stop = started.result()
                loop.call_soon_threadsafe(inner_stop.set)
            await ended
