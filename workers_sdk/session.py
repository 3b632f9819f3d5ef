"""One working session of a worker: start the loops, wait for the stop, drain."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from .agreed import Agreed
from .fetcher import BLOCK_MS, Fetcher
from .finisher import Finisher
from .handlers import Handlers
from .lease import LeaseKeeper, on_own_thread
from .listener import Listener
from .options import Options
from .progress import Progress
from .protocol.keys import Partition
from .protocol.link import Link, Refused, Unavailable
from .protocol.scripts import LUA, Scripts
from .runner import Runner
from .seams import Patience, first_of
from .seats import Seats
from .shift import Shift, batches
from .watchdog import Watchdog
from .wire import Wire

CLEANUP_S: Final = 5.0
"""How long a cancelled handler may take to clean up, seconds."""
HAND_BACK: Final = 256

Loop = asyncio.Task[None]


class Session:
    """Everything that works while a worker works.

    Args:
        link: for all commands that do not block; the caller closes it.
        stop: begins the drain. hurry: ends the waiting for handlers within it.
    """

    def __init__(
        self,
        options: Options,
        handlers: Handlers,
        agreed: Agreed,
        link: Link,
        *,
        stop: asyncio.Event,
        hurry: asyncio.Event,
    ) -> None:
        self._options = options
        self._handlers = handlers
        self._hurry = hurry
        self._scripts = Scripts(LUA)
        # A name of its own for each session: what an earlier one left pending must end by its lease, and count.
        consumer = f"{options.name}-{options.seams.randomness.nonce()[:6]}"
        self._shift = Shift(
            seams=options.seams,
            wire=Wire(link, self._scripts, consumer),
            partitions=agreed.partitions,
            services=options.services,
            lease_s=agreed.lease_s,
            seats=Seats(options.concurrency),
            stop=stop,
        )
        self._finisher = Finisher(self._shift)
        self._progress = Progress(self._shift)
        self._log = structlog.get_logger("workers_sdk").bind(worker=consumer)

    async def run(self) -> int:
        """Work until `stop`, then drain.

        Returns:
            How many handlers could not be stopped and still run.

        Raises:
            ExceptionGroup: a bug ended a loop.
        """
        links = [self._options.connect(block_ms=BLOCK_MS, connections=1) for _ in self._shift.partitions]
        ears = [self._options.connect(block_ms=BLOCK_MS, connections=1) for _ in self._shift.partitions]
        runner = Runner(self._shift, self._handlers, self._finisher, self._progress, self._options)
        try:
            async with asyncio.TaskGroup() as group:
                await self._work(group, runner, links, ears)
        finally:
            runner.stop_all()  # after a bug as well
            runner.end_all()
            await runner.pools.close()
            for link in (*links, *ears):
                await link.close()
        left = runner.busy
        for name, task_id in left:
            self._log.error("handler_does_not_stop", task=name, task_id=task_id)
        self._log.info("worker_stopped", still_running=len(left))
        return len(left)

    async def _work(
        self, group: asyncio.TaskGroup, runner: Runner, links: Sequence[Link], ears: Sequence[Link]
    ) -> None:
        fetchers = [
            Fetcher(self._shift, link, at, runner.start)
            for link, at in zip(links, self._shift.partitions, strict=True)
        ]
        done = asyncio.Event()
        beside = [group.create_task(_raise_from(runner.bug), name="bugs")]
        beside += [
            group.create_task(self._listener(ear, at, runner).run(), name="listener")
            for ear, at in zip(ears, self._shift.partitions, strict=True)
        ]
        watchdog = Watchdog(self._shift.seams.clock, runner.busy_with)
        if self._options.seams.lease_thread:
            beside.append(group.create_task(watchdog.beat(), name="beat"))
        group.create_task(self._keep_leases(runner, watchdog, done), name="lease-keeper")
        finisher = group.create_task(self._finisher.run(), name="finisher")
        group.create_task(runner.claims.run(), name="claims")
        group.create_task(self._progress.run(runner.claims), name="progress")
        fetching = [group.create_task(fetcher.run(), name="fetcher") for fetcher in fetchers]
        self._log.info("worker_started", services=self._options.services, tasks=self._handlers.names())
        await self._shift.stop.wait()
        self._shift.seats.close()
        self._log.info("worker_draining", held=len(self._shift.held.all()))
        await asyncio.gather(*(fetcher.wake() for fetcher in fetchers))
        await asyncio.wait(fetching)
        await self._drain(runner)
        await self._report_the_rest(finisher)
        await self._hand_back_the_rest()
        self._progress.close()
        runner.claims.close()
        for task in beside:
            task.cancel()
        done.set()
        await self._leave()

    def _listener(self, ear: Link, at: Partition, runner: Runner) -> Listener:
        patience = Patience(self._shift.seams, f"listener-{at.index}")
        return Listener(ear, at, self._shift.held, patience, runner.lose)

    async def _keep_leases(self, runner: Runner, watchdog: Watchdog, done: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        keeper = LeaseKeeper(
            self._shift,
            lambda: self._options.connect(connections=2),
            self._scripts,
            lambda delivery, cause: loop.call_soon_threadsafe(runner.lose, delivery, cause),
        )

        async def beside_the_loop(stop: asyncio.Event) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(keeper.run(stop))
                group.create_task(watchdog.watch(stop))

        if self._options.seams.lease_thread:
            await on_own_thread(beside_the_loop, done)
        else:
            await keeper.run(done)

    async def _drain(self, runner: Runner) -> None:
        """Let handlers finish; those that take too long are told to stop, and have a moment to clean up."""
        clock, seats = self._shift.seams.clock, self._shift.seats
        await first_of(seats.all_free(), clock.sleep(self._options.drain_s), self._hurry.wait())
        runner.stop_all()
        await first_of(seats.all_free(), clock.sleep(max(CLEANUP_S, self._options.kill_after_s)))
        runner.end_all()

    async def _report_the_rest(self, finisher: Loop) -> None:
        """What is done is reported; without Redis for no longer than a lease, since others do it again after that."""
        self._finisher.close()
        clock = self._shift.seams.clock
        await first_of(asyncio.wait([finisher]), clock.sleep(self._shift.lease_s), self._hurry.wait())
        self._finisher.give_up.set()
        await asyncio.wait([finisher])

    async def _hand_back_the_rest(self) -> None:
        patience = Patience(self._shift.seams, "drain")
        for batch in batches(self._shift.held.all(), lambda delivery: delivery.at, HAND_BACK):
            await self._shift.hand_back(batch[0].at, batch, patience)

    async def _leave(self) -> None:
        """Without Redis the name stays in the groups until an orchestrator removes it."""
        streams = [at.queue(service) for at in self._shift.partitions for service in self._shift.services]
        for stream in streams:
            try:
                await self._shift.wire.leave(stream)
            except Refused:
                continue  # no group: nothing to leave
            except Unavailable:
                return


async def _raise_from(bug: asyncio.Future[None]) -> None:
    await bug
