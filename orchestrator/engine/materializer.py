"""Turns submitted scenarios into task hashes and first dispatches."""

from collections.abc import Sequence
from typing import Final

import structlog

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition, is_id
from workers_sdk.protocol.link import Refused
from workers_sdk.protocol.messages import Malformed, fields_of, loads

from .loop import Seams
from .reader import Entry, Reader

BATCH: Final = 8
"""Scenarios per read: each may be megabytes, and a stop waits for all of them."""
_REJECTED: Final = {
    "CONFLICT": "a task id exists under another scenario",
    "TOO_FEW": "the submission lists fewer tasks than it says",
}


class Materializer:
    """Reads `scenarios` of one partition. A crash between two chunks is carried on from the stored offset."""

    name = "materializer"

    def __init__(self, store: Store, seams: Seams, at: Partition, consumer: str) -> None:
        self._store = store
        self._at = at
        self._reader = Reader(seams, at.scenarios, consumer, stale_ms=store.policy.lease_ms)
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        for entry in await self._reader.read(BATCH):
            try:
                scenario_id, tasks = _decode(entry)
            except Malformed as error:
                await self._store.quarantine(
                    self._at, self._at.scenarios, GROUP_ORCHESTRATOR, entry.entry_id, str(error)
                )
                self._log.error("scenario_entry_malformed", entry_id=entry.entry_id, error=str(error))
            else:
                await self._materialize_or_leave(scenario_id, entry.entry_id, tasks)
        self._reader.done()

    async def _materialize_or_leave(
        self, scenario_id: str, entry_id: str, tasks: Sequence[Sequence[str]]
    ) -> None:
        """A refusal must not stop the other entries. What was no fault of the entry is tried again later."""
        try:
            await self._materialize(scenario_id, entry_id, tasks)
        except Refused as error:
            self._log.error("scenario_not_materialized", scenario_id=scenario_id, error=str(error))
            if error.code == "BADARG":
                await self._store.reject(self._at, scenario_id, entry_id, "malformed", str(error))

    async def _materialize(self, scenario_id: str, entry_id: str, tasks: Sequence[Sequence[str]]) -> None:
        offset, done = 0, False
        while not done:
            written = await self._store.materialize(self._at, scenario_id, entry_id, tasks, offset)
            offset, done = written.written, written.done
        log = self._log.bind(scenario_id=scenario_id, tasks=offset)
        if why := _REJECTED.get(written.reason):
            await self._store.reject(self._at, scenario_id, entry_id, written.reason.lower(), why)
        if written.reason:
            log.warning("scenario_not_materialized", reason=written.reason)
        else:
            log.info("scenario_materialized")


def _decode(entry: Entry) -> tuple[str, list[list[str]]]:
    raw = fields_of(entry.flat)
    try:
        scenario_id, tasks = raw["scenario_id"].decode(), loads(raw["tasks"])
    except (KeyError, ValueError) as error:
        raise Malformed(f"scenario entry: {error}") from error
    plain = isinstance(tasks, list) and all(isinstance(t, list) and len(t) >= 4 for t in tasks)
    if not (is_id(scenario_id) and plain and all(isinstance(part, str) for task in tasks for part in task)):
        raise Malformed("scenario entry: not an id and a list of tasks")
    return scenario_id, tasks
