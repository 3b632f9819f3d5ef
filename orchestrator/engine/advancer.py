"""Applies what workers report: `task-events` in, finished tasks and newly ready ones out."""

from collections.abc import Sequence
from typing import Final

import structlog

from orchestrator.store.outcomes import Outcome
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition, is_id
from workers_sdk.protocol.link import Refused
from workers_sdk.protocol.messages import Malformed, TaskEvent

from .loop import Seams
from .reader import Entry, Reader

BATCH: Final = 100
"""Reports per script call: more gain nothing, and would hold Redis for longer than 5 ms."""

Reported = tuple[str, TaskEvent]


class Advancer:
    """Reads `task-events` of one partition and applies each batch in one script call."""

    name = "advancer"

    def __init__(self, store: Store, seams: Seams, at: Partition, consumer: str) -> None:
        self._store = store
        self._at = at
        self._reader = Reader(seams, at.task_events, consumer, stale_ms=store.policy.lease_ms)
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        entries = await self._reader.read(BATCH)
        reported = [pair for entry in entries if (pair := await self._decode(entry))]
        if reported:
            await self._apply(reported)
        self._reader.done()

    async def _decode(self, entry: Entry) -> Reported | None:
        try:
            event = TaskEvent.decode(entry.flat)
            if not is_id(event.task_id):
                raise Malformed("task event: task_id is not an id")
        except Malformed as error:
            await self._set_aside(entry.entry_id, str(error))
            return None
        return entry.entry_id, event

    async def _apply(self, reported: Sequence[Reported]) -> None:
        try:
            advanced = await self._store.advance(self._at, reported)
        except Refused as error:
            await self._apply_singly(reported, error)
            return
        for (_, event), outcome in zip(reported, advanced.outcomes, strict=True):
            if outcome is not Outcome.APPLIED:
                self._log.info(
                    "report_not_applied", task_id=event.task_id, kind=event.kind.value, outcome=outcome.value
                )
        for scenario_id in advanced.finished:
            self._log.info("scenario_finished", scenario_id=scenario_id)

    async def _apply_singly(self, reported: Sequence[Reported], error: Refused) -> None:
        """A batch was refused whole: find the report that cannot be applied, so that it does not stop the others.

        That one stays pending and is tried again: its queue entry may be gone already, so nobody else would end its task.
        """
        if len(reported) == 1:
            self._log.error("report_refused", task_id=reported[0][1].task_id, error=str(error))
            return
        for pair in reported:
            await self._apply([pair])

    async def _set_aside(self, entry_id: str, reason: str) -> None:
        self._log.error("report_set_aside", entry_id=entry_id, reason=reason)
        await self._store.quarantine(self._at, self._at.task_events, GROUP_ORCHESTRATOR, entry_id, reason)
