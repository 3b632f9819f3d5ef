"""Applies what workers report: `task-events` in, finished tasks and newly ready ones out.

Most reports are applied as they come. What the engine must think about (a task to look at, a success that brings further
tasks) takes the way by the Decider, one at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from orchestrator.store.outcomes import Outcome, Overloaded
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition, is_id
from workers_sdk.protocol.link import Refused, Unavailable
from workers_sdk.protocol.messages import EventKind, Malformed, TaskEvent, split_reports

from .decider import Decider
from .loop import Seams
from .reader import Entry, Reader

BATCH: Final = 64
"""Reports per script call: more gain nothing, and would hold Redis for longer than 5 ms."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The readable reports of one entry."""

    entry_id: str
    events: list[TaskEvent]

    @property
    def is_special(self) -> bool:
        """Whether one of them needs the Decider."""
        return any(map(_is_special, self.events))


class Advancer:
    """Reads `task-events` of one partition and applies each batch in one script call."""

    name = "advancer"

    def __init__(
        self, store: Store, seams: Seams, at: Partition, consumer: str, decider: Decider | None = None
    ) -> None:
        self._store = store
        self._decider = decider or Decider(store)
        self._at = at
        self._reader = Reader(seams, at.task_events, consumer, stale_ms=store.policy.lease_ms)
        self._entries = BATCH
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        entries = await self._reader.read(self._entries)
        reported = [one for entry in entries if (one := await self._decode(entry))]
        for batch in _batches([one for one in reported if not one.is_special]):
            await self._apply(batch)
        for one in reported:
            if one.is_special:
                await self._think_or_leave(one)
        self._reader.done()
        if reported:
            # About a batch of reports per read, so that what is left is there for other replicas.
            self._entries = max(1, BATCH * len(reported) // sum(len(one.events) for one in reported))

    async def _decode(self, entry: Entry) -> Reported | None:
        """None: none of its reports can be read, and it was set aside."""
        events, reason = [], "no report"
        for flat in split_reports(entry.flat):
            try:
                events.append(_event_of(flat))
            except Malformed as error:
                reason = str(error)
                self._log.error("report_malformed", entry_id=entry.entry_id, reason=reason)
        if events:
            return Reported(entry.entry_id, events)
        await self._store.quarantine(
            self._at, self._at.task_events, GROUP_ORCHESTRATOR, entry.entry_id, reason
        )
        return None

    async def _think_or_leave(self, one: Reported) -> None:
        """A refusal must not stop the others; the entry stays pending and is thought about again. When Redis is full, it is the
        others that make room."""
        try:
            await self._think(one)
        except (Refused, Unavailable) as error:
            if isinstance(error, Unavailable) and not _is_full(error):
                raise
            self._log.error("not_decided", entry_id=one.entry_id, error=str(error))

    async def _think(self, one: Reported) -> None:
        plain = [event for event in one.events if not _is_special(event)]
        if plain:
            await self._advance(plain, [])
        decisions: list[TaskEvent] = []
        for event in filter(_is_special, one.events):
            decisions += await self._decide(event, one.entry_id)
        # The last step removes the entry; when a script that did the work has done so already, it removes nothing.
        await self._advance(decisions, [one.entry_id])

    async def _decide(self, event: TaskEvent, entry_id: str) -> list[TaskEvent]:
        if event.kind is EventKind.LOOK:
            return await self._decider.look(self._at, event.task_id)
        return await self._decider.spawn(self._at, event)

    async def _apply(self, batch: Sequence[Reported]) -> None:
        events = [event for one in batch for event in one.events]
        try:
            await self._advance(events, [one.entry_id for one in batch])
        except Refused as error:
            self._log.error("reports_refused", reports=len(events), error=str(error))
            for one in batch:
                await self._apply_singly(one)

    async def _apply_singly(self, one: Reported) -> None:
        """A batch was refused whole: find the report that cannot be applied, so that it does not stop the others.

        Its entry stays pending and is tried again: its queue entry may be gone already, so nobody else would end its task.
        """
        refused = False
        for event in one.events:
            try:
                await self._advance([event], [])
            except Refused as error:
                refused = True
                self._log.error("report_refused", task_id=event.task_id, error=str(error))
        if not refused:
            await self._advance([], [one.entry_id])

    async def _advance(self, events: Sequence[TaskEvent], entries: Sequence[str]) -> None:
        advanced = await self._store.advance(self._at, events, entries)
        for event, outcome in zip(events, advanced.outcomes, strict=True):
            if outcome is not Outcome.APPLIED:
                self._log.info(
                    "report_not_applied", task_id=event.task_id, kind=event.kind.value, outcome=outcome.value
                )
        for scenario_id in advanced.finished:
            self._log.info("scenario_finished", scenario_id=scenario_id)


def _is_special(event: TaskEvent) -> bool:
    return event.kind is EventKind.LOOK or "spawn" in event.fields


def _is_full(error: Unavailable) -> bool:
    return isinstance(error, Overloaded) or str(error).startswith("OOM")


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
