"""Deliveries of webhooks: one message for one endpoint, tried until it is taken. A part of the store.

A delivery lies in the partition of the scenario that it tells of, which its id names. Its hash always has an end: it
expires `keep_ms` after it was done, or a week after the last thing that happened to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition, short_uuid
from workers_sdk.protocol.messages import fields_of, loads

from .listing import CHUNK, Position, newest_of
from .store import Store

PENDING_MS: Final = 7 * 86_400_000
"""How long one that is not done is kept when nothing happens to it. The longest pause between two attempts is a day."""
DONE_MS: Final = 3 * 86_400_000
MAX_LOOKED_AT: Final = 1_000
"""Deliveries that one page may look at before it is returned short."""

DeliveryStatus = Literal["pending", "success", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """What an endpoint is told of. `id`: in the slot of its partition. `body`: the message, JSON. `entry_id`: its entry in
    the outbox, if it came from there."""

    type: str
    id: str
    body: bytes
    scenario_id: str = ""
    entry_id: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that was taken to be sent. `turn` goes back with the record; `tries`: failed attempts in a row."""

    id: str
    endpoint_id: str
    turn: int
    tries: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """What was due at `now_ms` (time of Redis), and the milliseconds until the next one is."""

    now_ms: int
    next_ms: int
    deliveries: list[Due]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery after an attempt; `delay_ms` until the next one. `facts`: JSON object about the attempt."""

    status: DeliveryStatus
    delay_ms: int
    facts: bytes


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One delivery. Times are ISO 8601 text, empty when not reached; of the attempts the last 20, oldest first."""

    id: str
    endpoint_id: str
    type: str
    scenario_id: str
    status: DeliveryStatus
    created_at: str
    updated_at: str
    finished_at: str
    attempts: int
    history: list[dict[str, Any]]
    payload: Any


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries of an endpoint, newest first. A page may be short, even empty, before the last one."""

    items: list[DeliveryRecord]
    next_cursor: str | None


class Deliveries:
    """See the module. Every method raises Unavailable and Refused as `Link.execute` does.

    Args:
        keep_ms: how long a delivery is kept that is done.
    """

    def __init__(self, store: Store, keep_ms: int = DONE_MS) -> None:
        self._store = store
        self._keep_ms = keep_ms

    async def announce(self, at: Partition, event: Event, endpoint_ids: Sequence[str]) -> dict[str, str]:
        """Make a delivery for each endpoint, and remove the entry of the event. Again it changes nothing.

        Returns:
            Ids of the deliveries by that of their endpoint; without those for which too many wait: these are dropped.
        """
        ids = {one: short_uuid(event.id, one) for one in endpoint_ids}
        values = {
            "outbox": at.outbox,
            "webhooks": at.webhooks,
            "failing": at.webhooks_failing,
            "prefix": at.prefix,
            "group": GROUP_ORCHESTRATOR,
            "entry_id": event.entry_id,
            "event": event.type,
            "scenario_id": event.scenario_id,
            "keep_ms": PENDING_MS,
            "listed_ms": PENDING_MS + self._keep_ms,
            "most": -(-self._store.policy.max_deliveries // self._store.partitions.count),
            "payload": event.body,
        }
        pairs = [word for pair in ids.items() for word in pair]
        _, *dropped = await self._store.call("webhook_announce", values, pairs)
        return {one: ids[one] for one in endpoint_ids if one.encode() not in dropped}

    async def take(
        self, at: Partition, rooms: Sequence[tuple[str, int]], *, total: int, hold_ms: int
    ) -> Taken:
        """Take due deliveries of a partition: of each endpoint as many as it has room for, together at most `total`.

        What is not recorded within `hold_ms` is taken again.
        """
        values = {"webhooks": at.webhooks, "prefix": at.prefix, "hold_ms": hold_ms, "keep_ms": PENDING_MS}
        words = [word for pair in rooms for word in pair]
        now_ms, next_ms, found = await self._store.call("webhook_take", {**values, "total": total}, words)
        due = [Due(one.decode(), to.decode(), turn, tries, body) for one, to, turn, tries, body in found]
        return Taken(now_ms, next_ms, due)

    async def record(self, at: Partition, due: Due, verdict: Verdict) -> int | None:
        """Note an attempt.

        Returns:
            Since when (ms) attempts for the endpoint fail, 0 when the last did not; None: somebody else had it by now.
        """
        values = {
            "delivery": at.delivery(due.id),
            "waiting": at.waiting_deliveries(due.endpoint_id),
            "failing": at.webhooks_failing,
            "webhooks": at.webhooks,
            "delivery_id": due.id,
            "endpoint_id": due.endpoint_id,
            "turn": due.turn,
            "status": verdict.status,
            "delay_ms": verdict.delay_ms,
            "keep_ms": PENDING_MS if verdict.status == "pending" else self._keep_ms,
            "facts": verdict.facts,
        }
        answer = await self._store.call("webhook_record", values)
        return int(answer[1]) if answer[0] == b"OK" else None

    async def redrive(self, endpoint_id: str, delivery_ids: Sequence[str]) -> list[str]:
        """Let deliveries start anew: a word of `webhook_redrive.lua` each. The ids must satisfy `is_id`."""
        by_place: dict[Partition, list[str]] = {}
        for one in delivery_ids:
            by_place.setdefault(self._store.partitions.of(one), []).append(one)
        words: dict[str, str] = {}
        for at, ids in by_place.items():
            values = {"waiting": at.waiting_deliveries(endpoint_id), "prefix": at.prefix}
            more = {"endpoint_id": endpoint_id, "keep_ms": PENDING_MS}
            answers = await self._store.call("webhook_redrive", {**values, **more}, ids)
            words |= {one: word.decode() for one, word in zip(ids, answers, strict=True)}
        return [words[one] for one in delivery_ids]

    async def get(self, delivery_id: str) -> DeliveryRecord | None:
        """One delivery. The id must satisfy `is_id`."""
        return (await self._records([delivery_id]))[0]

    async def page(
        self,
        endpoint_id: str,
        *,
        status: DeliveryStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DeliveryPage:
        """Deliveries of an endpoint, newest first. Raises: BadCursor."""
        after = Position.parse(cursor) if cursor else None
        budget = MAX_LOOKED_AT if status else limit
        lists = [at.deliveries(endpoint_id) for at in self._store.partitions]
        newest = await newest_of(self._store.link, lists, after, budget + 1)
        items: list[DeliveryRecord] = []
        last: Position | None = None
        for start in range(0, min(len(newest), budget), CHUNK):
            chunk = newest[start : min(start + CHUNK, budget)]
            records = await self._records([one.scenario_id for one in chunk])
            for position, record in zip(chunk, records, strict=True):
                if len(items) == limit:
                    return DeliveryPage(items, str(last))
                last = position
                if record and (status is None or record.status == status):
                    items.append(record)
        return DeliveryPage(items, str(last) if len(newest) > budget and last else None)

    async def _records(self, ids: Sequence[str]) -> list[DeliveryRecord | None]:
        commands = [("HGETALL", self._store.partitions.of(one).delivery(one)) for one in ids]
        return [_record(flat) for flat in await self._store.link.execute_many(commands)]


def _record(flat: Sequence[bytes]) -> DeliveryRecord | None:
    text = {name: value.decode(errors="replace") for name, value in fields_of(flat).items()}
    if "id" not in text:
        return None
    history = [loads(value) for name, value in text.items() if name.startswith("attempt:")]
    status: Any = text["status"]
    return DeliveryRecord(
        id=text["id"],
        endpoint_id=text["endpoint_id"],
        type=text["type"],
        scenario_id=text["scenario_id"],
        status=status,
        created_at=text["created_at"],
        updated_at=text["updated_at"],
        finished_at=text.get("finished_at", ""),
        attempts=int(text["attempts"]),
        history=sorted(history, key=lambda one: one["attempt"]),
        payload=loads(text["payload"]),
    )
