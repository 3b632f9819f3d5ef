"""Applies what workers report: `task-events` in, finished tasks and newly ready ones out.

Most reports are applied as they come. What the engine must think about (a task to look at, a success that brings further
tasks) takes the way by the Thinker.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from orchestrator.store.outcomes import Outcome
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition, is_id
from workers_sdk.protocol.link import Refused
from workers_sdk.protocol.messages import MAX_ERROR_CHARS, Malformed, TaskEvent, dumps, split_reports

from .decider import Decider
from .loop import Seams
from .reader import Entry, Reader
from .thinker import Asked, Reported, Thinker, is_question

BATCH: Final = 64
"""Reports per script call: more gain nothing, and would hold Redis for longer than 5 ms."""
_FINAL: Final = (b"success", b"failed")


class Advancer:
    """Reads `task-events` of one partition and applies each batch in one script call.

    Args:
        stop: until it is set, a step that thinks for long reads on meanwhile; without it a step reads once.
    """

    name = "advancer"

    def __init__(
        self,
        store: Store,
        seams: Seams,
        at: Partition,
        consumer: str,
        decider: Decider | None = None,
        stop: asyncio.Event | None = None,
    ) -> None:
        self._store = store
        self._at = at
        self._stop = stop
        self._thinker = Thinker(decider or Decider(store), at, self._apply_all, seams.clock)
        self._reader = Reader(seams, at.task_events, consumer, stale_ms=store.policy.lease_ms)
        self._entries = BATCH
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        asked, refused = await self._take(await self._reader.read(self._entries))
        if asked:
            await self._thinker.think(asked, refused, self._more if self._stop else None)
        self._reader.done()

    async def _more(self) -> tuple[list[Asked], set[str]]:
        """What came while there is something to think about."""
        if self._stop is None or self._stop.is_set():
            return [], set()
        return await self._take(await self._reader.more(self._entries))

    async def _take(self, entries: Sequence[Entry]) -> tuple[list[Asked], set[str]]:
        """Apply what can be applied at once: what is left to think about, and the entries with a report that was refused."""
        plain, asked, unread, size = list[Reported](), list[Asked](), dict[str, str](), 0
        for entry in entries:
            events, questions, reason = self._decode(entry)
            size += len(events) + len(questions)
            if events:
                plain.append(Reported(entry.entry_id, events, ends=not questions and not reason))
            if questions:
                asked.append(Asked(entry.entry_id, questions))
            if reason:
                unread[entry.entry_id] = reason
        if size:
            # About a batch of reports per read, so that what is left is there for other replicas.
            self._entries = max(1, BATCH * len(entries) // size)
        refused = await self._apply_all(plain)
        for entry_id in unread.keys() - refused:
            await self._store.quarantine(
                self._at, self._at.task_events, GROUP_ORCHESTRATOR, entry_id, unread[entry_id]
            )
        return asked, refused

    def _decode(self, entry: Entry) -> tuple[list[TaskEvent], list[TaskEvent], str]:
        """Reports to apply, in their order, and those to think about. And why none of it can be read, if so: it is to be set
        aside."""
        events, questions = list[TaskEvent](), list[TaskEvent]()
        reason, is_read = "no report", False
        for flat in split_reports(entry.flat):
            try:
                event = _event_of(flat)
            except Malformed as error:
                reason = str(error)
                self._log.error("report_malformed", entry_id=entry.entry_id, reason=reason)
                events += _failure_instead(flat, reason)
            else:
                is_read = True
                (questions if is_question(event) else events).append(event)
        return events, questions, "" if is_read else reason

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


def _failure_instead(flat: Sequence[bytes], reason: str) -> list[TaskEvent]:
    """What ends the attempt whose last report cannot be taken: its worker thinks that it is done, so nobody else would."""
    raw = dict(zip(flat[::2], flat[1::2], strict=True))
    if raw.get(b"status") not in _FINAL or not raw.get(b"token"):
        return []
    error = dumps({"type": "malformed_report", "message": reason[:MAX_ERROR_CHARS], "retry": False})
    kept = [part for name in (b"task_id", b"token", b"acked") for part in (name, raw.get(name, b""))]
    with contextlib.suppress(Malformed):  # nor does it say which attempt it is
        return [_event_of([*kept, b"status", b"failed", b"error", error])]
    return []


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
