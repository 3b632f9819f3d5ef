"""Runs claimed deliveries, each in one asyncio task: context, attempt, outcome to the finisher."""

import asyncio

import structlog

from .attempt import attempt
from .context import Context, Reference
from .finisher import Finisher
from .handlers import Handlers
from .held import Delivery
from .outcome import Outcome, failed_as
from .pools import Pools, ProcessDied
from .progress import Progress
from .protocol.link import Refused
from .seams import Patience
from .shift import Shift


class Runner:
    """Runs what `start` gives it.

    Args:
        group: crashes when one of the attempts has a bug; a handler's exception is an outcome, not a bug.
    """

    def __init__(
        self,
        shift: Shift,
        group: asyncio.TaskGroup,
        handlers: Handlers,
        finisher: Finisher,
        progress: Progress,
        artifacts: str | None,
    ) -> None:
        self._shift = shift
        self._group = group
        self._handlers = handlers
        self._finisher = finisher
        self._progress = progress
        self._artifacts = artifacts
        self.pools = Pools(shift.seats.free)
        self._patience = Patience(shift.seams, "runner")
        self._tasks: dict[Delivery, asyncio.Task[None]] = {}
        self._log = structlog.get_logger("workers_sdk")

    def start(self, delivery: Delivery) -> None:
        """Begin. The seat of the delivery is given back when its handler has really ended."""
        self._tasks[delivery] = self._group.create_task(self._work(delivery))

    def lose(self, delivery: Delivery) -> None:
        """The lease is lost: end a handler on the loop; one in a thread reads its token, and keeps its seat till then."""
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

    async def _work(self, delivery: Delivery) -> None:
        try:
            outcome = await self._attempt(delivery)
        finally:
            del self._tasks[delivery]
            self._progress.forget(delivery)
            self._shift.seats.give()
        if delivery.cancelled.is_set():
            return  # nobody wants to know any more
        if outcome:
            self._finisher.add(delivery, outcome)
        else:
            self._shift.held.remove(delivery)

    async def _attempt(self, delivery: Delivery) -> Outcome | None:
        """None: nothing can be said, so the lease will end and the task count as lost by its worker."""
        try:
            references = await self._references(delivery)
        except Refused as error:
            return failed_as("unreadable_reference", str(error))
        if references is None:
            return None
        ctx = Context(
            delivery.entry,
            references=references,
            cancelled=delivery.cancelled,
            artifacts_root=self._artifacts,
            progress=self._progress.sink(delivery),
        )
        try:
            return await attempt(self._handlers, ctx, self.pools)
        except ProcessDied as error:
            self._log.error("process_died", task_id=delivery.entry.task_id, error=str(error))
            return None

    async def _references(self, delivery: Delivery) -> dict[str, Reference] | None:
        """What the task refers to, if its handler can ask for it. None: stopping without Redis."""
        handler = self._handlers.get(delivery.entry.name)
        if not delivery.references or handler is None or not handler.takes_context:
            return {}
        wire, entry = self._shift.wire, delivery.entry
        return await self._patience.insist(
            lambda: wire.references(delivery.at, delivery.references, entry.scenario_id), self._shift.stop
        )
