"""Applies what workers report: `task-events` in, finished tasks and newly ready ones out.

Most reports are applied as they come. What the engine must think about (a task to look at, a success that brings further
tasks) takes the way by the Thinker.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from orchestrator.store.outcomes import Outcome
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition, is_id
from workers_sdk.protocol.link import Refused
from workers_sdk.protocol.messages import Malformed, TaskEvent, split_reports

from .decider import Decider
from .loop import Seams
from .reader import Entry, Reader
from .thinker import Asked, Reported, Thinker, is_question

BATCH: Final = 64
"""Reports per script call: more gain nothing, and would hold Redis for longer than 5 ms."""


class Advancer:
    """Reads `task-events` of one partition and applies each batch in one script call."""

    name = "advancer"

    def __init__(
        self, store: Store, seams: Seams, at: Partition, consumer: str, decider: Decider | None = None
    ) -> None:
        self._store = store
        self._at = at
        self._thinker = Thinker(decider or Decider(store), at, self._apply_all)
        self._reader = Reader(seams, at.task_events, consumer, stale_ms=store.policy.lease_ms)
        self._entries = BATCH
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        entries = await self._reader.read(self._entries)
        plain, asked, size = list[Reported](), list[Asked](), 0
        for entry in entries:
            events, questions = await self._decode(entry)
            size += len(events) + len(questions)
            if events:
                plain.append(Reported(entry.entry_id, events, ends=not questions))
            if questions:
                asked.append(Asked(entry.entry_id, questions))
        refused = await self._apply_all(plain)
        if asked:
            await self._thinker.think(asked, refused)
        self._reader.done()
        if size:
            # About a batch of reports per read, so that what is left is there for other replicas.
            self._entries = max(1, BATCH * len(entries) // size)

    async def _decode(self, entry: Entry) -> tuple[list[TaskEvent], list[TaskEvent]]:
        """Reports to apply, and those to think about. None of both: it cannot be read, and was set aside."""
        events, questions, reason = list[TaskEvent](), list[TaskEvent](), "no report"
        for flat in split_reports(entry.flat):
            try:
                event = _event_of(flat)
            except Malformed as error:
                reason = str(error)
                self._log.error("report_malformed", entry_id=entry.entry_id, reason=reason)
            else:
                (questions if is_question(event) else events).append(event)
        if not events and not questions:
            await self._store.quarantine(
                self._at, self._at.task_events, GROUP_ORCHESTRATOR, entry.entry_id, reason
            )
        return events, questions

    async def _apply_all(self, reported: Sequence[Reported]) -> set[str]:
        """Ids of the entries with a report that was refused."""
        return {entry_id for batch in _batches(reported) for entry_id in await self._apply(batch)}

    async def _apply(self, batch: Sequence[Reported]) -> list[str]:
        events = [event for one in batch for event in one.events]
        try:
            await self._advance(events, [one.entry_id for one in batch if one.ends])
        except Refused as error:
            self._log.error("reports_refused", reports=len(events), error=str(error))
            return [one.entry_id for one in batch if not await self._apply_singly(one)]
        return []

    async def _apply_singly(self, one: Reported) -> bool:
        """A batch was refused whole: find the report that cannot be applied, so that it does not stop the others.

        Its entry stays pending and is tried again: its queue entry may be gone already, so nobody else would end its task.
        """
        good = True
        for event in one.events:
            try:
                await self._advance([event], [])
            except Refused as error:
                good = False
                self._log.error("report_refused", task_id=event.task_id, error=str(error))
        if good and one.ends:
            await self._advance([], [one.entry_id])
        return good

    async def _advance(self, events: Sequence[TaskEvent], entries: Sequence[str]) -> None:
        advanced = await self._store.advance(self._at, events, entries)
        for event, outcome in zip(events, advanced.outcomes, strict=True):
            if outcome is not Outcome.APPLIED:
                self._log.info(
                    "report_not_applied", task_id=event.task_id, kind=event.kind.value, outcome=outcome.value
                )
        for scenario_id, status in advanced.finished:
            self._log.info("scenario_finished", scenario_id=scenario_id, status=status)


def _event_of(flat: Sequence[bytes]) -> TaskEvent:
    event = TaskEvent.decode(flat)
    if not is_id(event.task_id):
        raise Malformed("task event: task_id is not an id")
    return event


def _batches(reported: Sequence[Reported]) -> Iterator[list[Reported]]:
    """Whole entries, together at most `BATCH` reports; an entry with more stands alone."""
    batch: list[Reported] = []
    size = 0
    for one in reported:
        if batch and size + len(one.events) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one.events)
    if batch:
        yield batch
