"""Batches: scenarios that were submitted together, looked at and cancelled as one. All lie in the slot of their batch."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from workers_sdk.protocol.keys import Partition, is_id, same_slot, scenario_id_from, short_uuid
from workers_sdk.protocol.messages import Status, fields_of, loads

from .reading import LISTED, listed_record
from .records import Cause, ScenarioRecord
from .store import Store
from .submission import IDEMPOTENCY_MS

CANCEL_CHUNK: Final = 200
_ENDS: Final = (Status.SUCCESS, Status.FAILED, Status.CANCELLED)

Json = Any


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One batch. Times are ISO 8601 text in UTC.

    Attributes:
        total: scenarios that it has had; those that were purged stay counted.
        lines: how many were read; None: they are still coming, or their sender went away.
        ended: how many scenarios ended how.
    """

    batch_id: str
    created_at: str
    total: int
    unfinished: int
    ended: dict[Status, int]
    lines: int | None
    closed_at: str
    cancel: Json


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Scenarios of a batch by line. `next_cursor` is None on the last page."""

    items: list[tuple[int, ScenarioRecord]]
    next_cursor: int | None


def batch_id_of(randomness: bytes, key: str | None) -> str:
    """Id of a new batch; with an idempotency key the same every time."""
    if key is None:
        return scenario_id_from(randomness)
    return same_slot(scenario_id_from(hashlib.sha256(b"batch\0" + key.encode()).digest()), key)


def scenario_id_of(batch_id: str, line: int) -> str:
    """Id of the scenario of a line, from 1."""
    return short_uuid(batch_id, f"line {line}")


class Batches:
    """See the module. All methods raise Unavailable and Refused: see `Link.execute`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, batch_id: str) -> BatchRecord | None:
        """One batch. The id must satisfy `is_id`."""
        at = self._store.partitions.of(batch_id)
        return _record(batch_id, await self._store.link.execute("HGETALL", at.batch(batch_id)))

    async def scenarios(self, batch_id: str, after: int, limit: int) -> BatchPage:
        """Scenarios of the lines behind `after`."""
        at = self._store.partitions.of(batch_id)
        found = await self._store.link.execute(
            "ZRANGEBYSCORE",
            at.batch_scenarios(batch_id),
            f"({after}",
            "+inf",
            "WITHSCORES",
            "LIMIT",
            0,
            limit + 1,
        )
        places = list(zip(found[::2], found[1::2], strict=True))
        shown = places[:limit]
        commands = [("HMGET", at.scenario(one.decode()), *LISTED) for one, _ in shown]
        records = [listed_record(values) for values in await self._store.link.execute_many(commands)]
        items = [
            (int(line), record)
            for (_, line), record in zip(shown, records, strict=True)
            if record is not None
        ]
        return BatchPage(items, int(shown[-1][1]) if len(places) > limit else None)

    async def close(self, batch_id: str, lines: int) -> None:
        """All of its lines were read. One without scenarios is kept for a day."""
        at = self._store.partitions.of(batch_id)
        values = {"batch": at.batch(batch_id), "members": at.batch_scenarios(batch_id)}
        await self._store.call("close_batch", {**values, "lines": lines, "keep_ms": IDEMPOTENCY_MS})

    async def cancel(self, batch_id: str, cause: Cause | None = None) -> str:
        """Cancel a chunk of its scenarios: a word of `cancel_batch.lua`; MORE: call again. Without a cause it goes on with
        what began. The engine ends them, each by a timer."""
        at = self._store.partitions.of(batch_id)
        keys = {"batch": at.batch(batch_id), "members": at.batch_scenarios(batch_id), "timers": at.timers}
        values = {"prefix": at.prefix, "batch_id": batch_id, "cause": cause.text() if cause else ""}
        return str(
            (await self._store.call("cancel_batch", {**keys, **values, "limit": CANCEL_CHUNK})).decode()
        )

    async def carry_on(self, _at: Partition, batch_id: str) -> bool:
        """Handler of the timer `cancel-batch`: go on where the one who asked for it stopped."""
        if not is_id(batch_id):
            return False
        while await self.cancel(batch_id) == "MORE":
            continue
        return True


def _record(batch_id: str, flat: list[bytes]) -> BatchRecord | None:
    text = {name: value.decode(errors="replace") for name, value in fields_of(flat).items()}
    if "total" not in text:
        return None
    return BatchRecord(
        batch_id=batch_id,
        created_at=text.get("created_at", ""),
        total=int(text["total"]),
        unfinished=int(text.get("unfinished", 0)),
        ended={status: int(text.get(status.value, 0)) for status in _ENDS},
        lines=int(text["lines"]) if "lines" in text else None,
        closed_at=text.get("closed_at", ""),
        cancel=loads(text["cancel"]) if "cancel" in text else None,
    )
