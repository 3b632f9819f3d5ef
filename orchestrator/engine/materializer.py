"""Turns submitted scenarios into task hashes and first dispatches."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition, is_id
from workers_sdk.protocol.link import Refused
from workers_sdk.protocol.messages import Malformed

from .loop import Seams
from .reader import Entry, Reader

BATCH: Final = 8
"""Scenarios in hand: each may be megabytes, and a stop waits for all of them."""
_REJECTED: Final = {
    "CONFLICT": "a task id exists under another scenario",
    "TOO_FEW": "the submission lists fewer tasks than it says",
}


@dataclass(slots=True)
class Inbox:
    """A submission as it was read: its tasks in chunks of `chunk`, the last one maybe smaller; none is decoded here.

    `offset`: how many of its tasks are written, as far as we know.
    """

    entry_id: str
    scenario_id: str
    chunk: int
    chunks: list[bytes]
    offset: int = 0


class Materializer:
    """Reads `scenarios` of one partition. A crash between two chunks is carried on from the stored offset."""

    name = "materializer"

    def __init__(
        self, store: Store, seams: Seams, at: Partition, consumer: str, stop: asyncio.Event | None = None
    ) -> None:
        self._store = store
        self._at = at
        self._stop = stop or asyncio.Event()
        self._reader = Reader(seams, at.scenarios, consumer, stale_ms=store.policy.lease_ms)
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`. A chunk of each in turn, so that a small one does not wait for the large ones before it."""
        left = await self._opened(await self._reader.read(BATCH))
        while left:
            left = [inbox for inbox in left if not await self._materialize_or_leave(inbox)]
            if 0 < len(left) < BATCH and not self._stop.is_set():
                known = {inbox.entry_id for inbox in left}
                more = await self._opened(await self._reader.more(BATCH - len(left)))
                left += [inbox for inbox in more if inbox.entry_id not in known]  # one of ours may look stale
        self._reader.done()

    async def _opened(self, entries: Iterable[Entry]) -> list[Inbox]:
        """Those that can be read; the others are set aside."""
        found = []
        for entry in entries:
            try:
                found.append(decode(entry))
            except Malformed as error:
                await self._store.quarantine(
                    self._at, self._at.scenarios, GROUP_ORCHESTRATOR, entry.entry_id, str(error)
                )
                self._log.error("scenario_entry_malformed", entry_id=entry.entry_id, error=str(error))
        return found

    async def _materialize_or_leave(self, inbox: Inbox) -> bool:
        """Whether nothing of it is left to be done now. A refusal must not stop the other entries: what was no fault of the
        entry is tried again later."""
        try:
            return await self._materialize(inbox)
        except Refused as error:
            self._log.error("scenario_not_materialized", scenario_id=inbox.scenario_id, error=str(error))
            if "BADARG" in str(error):
                await self._reject(inbox, "malformed", str(error))
            return True

    async def _materialize(self, inbox: Inbox) -> bool:
        """Write a chunk: whether it was the last one."""
        log = self._log.bind(scenario_id=inbox.scenario_id)
        chunk = inbox.chunks[inbox.offset // inbox.chunk]
        written = await self._store.materialize(
            self._at, inbox.scenario_id, inbox.entry_id, chunk, inbox.offset
        )
        # Where another replica stopped, or at the end.
        inbox.offset = written.written + -written.written % inbox.chunk
        done = not written.reason and written.written == written.total
        reason = written.reason or (
            "" if done or inbox.offset // inbox.chunk < len(inbox.chunks) else "TOO_FEW"
        )
        if why := _REJECTED.get(reason):
            await self._reject(inbox, reason.lower(), why)
        if reason:
            log.warning("scenario_not_materialized", reason=reason)
        elif done:
            log.info("scenario_materialized", tasks=written.total)
        return bool(reason) or done

    async def _reject(self, inbox: Inbox, kind: str, why: str) -> None:
        await self._store.reject(self._at, inbox.scenario_id, inbox.entry_id, kind, why)


def decode(entry: Entry) -> Inbox:
    """Read an entry of `scenarios`. Raises Malformed."""
    pairs = list(zip(entry.flat[::2], entry.flat[1::2], strict=True))
    known = dict(pairs)
    try:
        scenario_id, chunk = known[b"scenario_id"].decode(), int(known[b"chunk"])
    except (KeyError, ValueError) as error:
        raise Malformed(f"scenario entry: {error}") from error
    chunks = [value for name, value in pairs if name == b"tasks"]
    if not is_id(scenario_id) or chunk < 1 or not chunks:
        raise Malformed("scenario entry: not an id and chunks of tasks")
    return Inbox(entry.entry_id, scenario_id, chunk, chunks)
