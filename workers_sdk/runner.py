"""Runs deliveries, each in one asyncio task: context, attempt, outcome to the finisher."""

import asyncio
import functools

import structlog

from .attempt import attempt
from .claims import Claims
from .context import Context, Reference
from .finisher import Finisher
from .handlers import Handler, Handlers
from .held import Delivery
from .outcome import Outcome, failed_as
from .pools import Pools, ProcessDied
from .progress import Progress
from .protocol.link import Refused
from .protocol.messages import Malformed
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
        artifacts: str | None,
    ) -> None:
        self._shift = shift
        self._handlers = handlers
        self._finisher = finisher
        self._progress = progress
        self._artifacts = artifacts
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(shift.seams, "runner")
        self.bug: asyncio.Future[None] = self._loop.create_future()
        self.claims = Claims(shift, self.lose)
        self.pools = Pools(shift.seats.free)
        self._tasks: dict[Delivery, asyncio.Task[Outcome | None]] = {}
        self._log = structlog.get_logger("workers_sdk")

    @property
    def busy(self) -> int:
        """After `cancel_all`: handlers that could not be stopped and still run."""
        return len(self._tasks) + self.pools.busy

    def start(self, delivery: Delivery) -> None:
        """Begin. The seat of the delivery is given back when its handler has really ended."""
        task = self._tasks[delivery] = self._loop.create_task(self._attempt(delivery))
        task.add_done_callback(functools.partial(self._ended, delivery))
        self.claims.add(delivery)

    def lose(self, delivery: Delivery) -> None:
        """It is not ours: end a handler on the loop; one in a thread reads its token, and keeps its seat till then."""
        delivery.cancelled.set()
        self._shift.held.remove(delivery)
        if task := self._tasks.get(delivery):
            self._log.warning("lease_lost", task_id=delivery.entry.task_id, attempt=delivery.entry.attempt)
            handler = self._handlers.get(delivery.entry.name)
            if handler and handler.run == "loop":
                task.cancel()

    def cancel_all(self) -> None:
        """Wait for nothing any more."""
        for delivery, task in self._tasks.items():
            delivery.cancelled.set()
            task.cancel()

    def _ended(self, delivery: Delivery, task: asyncio.Task[Outcome | None]) -> None:
        """In a callback: a task that is cancelled before its first step runs none of its own code."""
        del self._tasks[delivery]
        delivery.ended = True
        self._progress.forget(delivery)
        self._shift.seats.give()
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or delivery.cancelled.is_set():
            return  # nobody wants to know any more
        if error:
            if not self.bug.done():
                self.bug.set_exception(error)
        elif outcome := task.result():
            self._finisher.add(delivery, outcome)
        else:
            self._shift.held.abandon(delivery)

    async def _attempt(self, delivery: Delivery) -> Outcome | None:
        """None: nothing can be said, so the lease will end and the task count as lost by its worker."""
        handler = self._handlers.get(delivery.entry.name)
        if handler is None:
            return self._handlers.unknown(delivery.entry.name)
        try:
            if not handler.parameters:
                return await self.pools.call(handler, {})
            references = await self._references(delivery, handler)
            if references is None:
                return None
            return await attempt(handler, self._context(delivery, references), self.pools)
        except Malformed as error:
            return failed_as("malformed_entry", str(error))
        except ProcessDied as error:
            self._log.error("process_died", task_id=delivery.entry.task_id, error=str(error))
            return None

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
