"""Runs deliveries, each in one asyncio task: context, attempt, outcome to the finisher."""

import asyncio
import functools
from typing import Any

from .attempt import attempt
from .attempt_log import AttemptLog, names_of
from .claims import Claims
from .context import Context, artifacts_of
from .finisher import Finisher
from .handlers import Handler, Handlers, Run
from .held import Delivery
from .large import artifact_of, preloaded, stored
from .options import Options
from .outcome import Outcome, failed_as
from .pools import Pools
from .progress import Progress
from .protocol.link import Refused
from .protocol.messages import Malformed
from .reference import Reference
from .seams import Patience
from .shift import Shift


class Runner:
    """Runs what `start` gives it.

    Attributes:
        claims: told of what begins.
        bug: gets the exception when one of the attempts has a bug; a handler's exception is an outcome, not a bug.
    """

    def __init__(
        self,
        shift: Shift,
        handlers: Handlers,
        finisher: Finisher,
        progress: Progress,
        options: Options,
    ) -> None:
        self._shift = shift
        self._handlers = handlers
        self._finisher = finisher
        self._progress = progress
        self._artifacts = options.artifacts
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(shift.seams, "runner")
        self.bug: asyncio.Future[None] = self._loop.create_future()
        self.claims = Claims(shift, self.lose)
        self.pools = Pools(options.concurrency, options.kill_after_s, shift.seams.clock)
        self._tasks: dict[Delivery, asyncio.Task[Outcome | None]] = {}
        self._told = AttemptLog(shift.seams.clock)

    @property
    def busy(self) -> list[tuple[str, str]]:
        """After `stop_all`: names and ids of the tasks whose handlers could not be stopped and still run."""
        return [(one.entry.name, one.entry.task_id) for one in self._tasks] + self.pools.busy

    def busy_with(self) -> dict[str, Any]:
        """Names of the task whose handler has the loop now, for a log line; empty when it is none. From any thread."""
        now = asyncio.current_task(self._loop)
        found = (names_of(delivery) for delivery, task in list(self._tasks.items()) if task is now)
        return next(found, {})

    def start(self, delivery: Delivery) -> None:
        """Begin, unless it is not wanted any more. Its seat is given back when its handler has really ended."""
        if delivery.cancelled.is_set():  # while others of the same read were handed back
            self._shift.seats.give()
            return
        delivery.began = self._shift.seams.clock.monotonic()
        self._told.began(delivery)
        task = self._tasks[delivery] = self._loop.create_task(self._attempt(delivery))
        task.add_done_callback(functools.partial(self._ended, delivery))
        self.claims.add(delivery)

    def lose(self, delivery: Delivery, cause: str) -> None:
        """It is not wanted, or not ours: end a handler on the loop; one in a thread reads its token, one in a process is
        killed if it does not. Both keep their seats till then."""
        delivery.cancelled.set(cause)
        self._shift.held.remove(delivery)
        if task := self._tasks.get(delivery):
            self._told.stopped(delivery)
            if self._place_of(delivery) == "loop" and not task.cancelling():
                task.cancel()

    def stop_all(self) -> None:
        """Tell all to stop; wait for threads no longer."""
        for delivery, task in self._tasks.items():
            delivery.cancelled.set("stopping")
            if self._place_of(delivery) != "process":
                task.cancel()

    def end_all(self) -> None:
        """Kill what is left in processes, and interrupt once more what is on the loop."""
        for task in self._tasks.values():
            task.cancel()

    def _place_of(self, delivery: Delivery) -> Run:
        handler = self._handlers.get(delivery.entry.name)
        return handler.run if handler else "loop"

    def _ended(self, delivery: Delivery, task: asyncio.Task[Outcome | None]) -> None:
        """In a callback: a task that is cancelled before its first step runs none of its own code."""
        del self._tasks[delivery]
        delivery.ended = True
        self._progress.forget(delivery)
        self._shift.seats.give()
        error = None if task.cancelled() else task.exception()
        if delivery.cancelled.is_set():
            self._told.ended(delivery, None)  # nobody else wants to know any more
        elif error:
            if not self.bug.done():
                self.bug.set_exception(error)
        elif outcome := _cancelled_itself() if task.cancelled() else task.result():
            self._told.ended(delivery, outcome)
            self._finisher.add(delivery, outcome)
        else:
            self._shift.held.abandon(delivery)

    async def _attempt(self, delivery: Delivery) -> Outcome | None:
        """None: nothing can be said, so the lease will end and the task count as lost by its worker."""
        handler = self._handlers.get(delivery.entry.name)
        if handler is None:
            return self._handlers.unknown(delivery.entry.name)
        try:
            if handler.bare:
                outcome: Outcome | None = await self.pools.call(handler, {}, None)
            else:
                outcome = await self._perform(delivery, handler)
            if outcome and outcome.large:
                place = artifacts_of(delivery.entry, self._artifacts)
                outcome = await asyncio.to_thread(stored, outcome, place)
            return outcome
        except Malformed as error:
            return failed_as("malformed_entry", str(error))

    async def _perform(self, delivery: Delivery, handler: Handler) -> Outcome | None:
        references = await self._references(delivery, handler)
        if references is None:
            return None
        if handler.run == "loop" and any(map(artifact_of, references.values())):
            references = await asyncio.to_thread(
                preloaded, references, artifacts_of(delivery.entry, self._artifacts)
            )
        return await attempt(handler, self._context(delivery, references), self.pools)

    def _context(self, delivery: Delivery, references: dict[str, Reference]) -> Context:
        return Context(
            delivery.entry,
            references=references,
            cancelled=delivery.cancelled,
            artifacts_root=self._artifacts,
            progress=self._progress.sink(delivery),
        )

    async def _references(self, delivery: Delivery, handler: Handler) -> dict[str, Reference] | None:
        """What the task refers to, if its handler can ask for it. None: stopping without Redis. Raises Malformed."""
        task_ids = delivery.references
        if not task_ids or not handler.takes_context:
            return {}
        wire, scenario_id = self._shift.wire, delivery.entry.scenario_id
        try:
            return await self._patience.insist(
                lambda: wire.references(delivery.at, task_ids, scenario_id), self._shift.stop
            )
        except Refused as error:
            raise Malformed(f"what the task refers to cannot be read: {error}") from error


def _cancelled_itself() -> Outcome:
    """Outcome of a handler whose task was cancelled by its own code, and not by us: if nothing were said it would be held for ever."""
    return failed_as("CancelledError", "the handler cancelled its own asyncio task", retry=True)
