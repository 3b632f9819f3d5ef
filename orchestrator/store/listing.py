"""The list of scenarios, newest first, over all partitions and statuses, in bounded pages."""

import heapq
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from workers_sdk.protocol.keys import Partitions, is_id
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import Status

from .reading import LISTED, listed_record
from .records import ScenarioPage, ScenarioRecord

MAX_LOOKED_AT: Final = 1_000
"""Scenarios that one page may look at before it is returned short; the cursor goes on from there."""


class BadCursor(ValueError):
    """The cursor was not made by this listing."""


@dataclass(frozen=True, order=True, slots=True)
class Position:
    """Place of a scenario in the list. Sorts oldest first."""

    created_ms: int
    scenario_id: str

    @classmethod
    def parse(cls, cursor: str) -> "Position":
        """Read a cursor. Raises BadCursor."""
        ms, _, scenario_id = cursor.partition(".")
        if not (ms.isascii() and ms.isdigit() and len(ms) <= 15 and is_id(scenario_id)):
            raise BadCursor(cursor)
        return cls(int(ms), scenario_id)

    def __str__(self) -> str:
        return f"{self.created_ms}.{self.scenario_id}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which scenarios are listed; None: whatever it is."""

    status: Status | None
    name: str | None
    tenant: str | None

    def takes(self, record: ScenarioRecord) -> bool:
        """Whether a scenario is one of these."""
        asked = ((self.status, record.status), (self.name, record.name), (self.tenant, record.owner.tenant))
        return all(wanted is None or wanted == found for wanted, found in asked)


async def list_scenarios(
    link: Link, partitions: Partitions, wanted: Wanted, *, cursor: str | None, limit: int
) -> ScenarioPage:
    """See `Store.scenarios`."""
    after = Position.parse(cursor) if cursor else None
    statuses = [wanted.status] if wanted.status else [s for s in Status if s is not Status.SKIPPED]
    budget = MAX_LOOKED_AT if wanted.name or wanted.tenant else limit
    newest = await _newest(link, partitions, statuses, after, budget + 1)
    items: list[ScenarioRecord] = []
    last: Position | None = None
    for start in range(0, min(len(newest), budget), limit):
        chunk = newest[start : start + limit]
        for position, record in zip(chunk, await _records(link, partitions, chunk), strict=True):
            if len(items) == limit:
                return ScenarioPage(items, str(last))
            last = position
            if record and wanted.takes(record):
                items.append(record)
    return ScenarioPage(items, str(last) if len(newest) > budget and last else None)


async def _newest(
    link: Link, partitions: Partitions, statuses: Sequence[Status], after: Position | None, count: int
) -> list[Position]:
    found: set[Position] = set()
    for partition in partitions:
        for status in statuses:
            key = partition.index_of(status)
            found.update([p async for p in newest_of(link, key, after, count)])
    # A scenario that changed its status between two reads stands in both: the set keeps one.
    return heapq.nlargest(count, found)


async def newest_of(link: Link, index: str, after: Position | None, count: int) -> AsyncIterator[Position]:
    """Up to `count` positions of one index below `after`, newest first. Many may share one millisecond."""
    highest = str(after.created_ms) if after else "+inf"
    offset = taken = 0
    while taken < count:
        reply = await link.execute(
            "ZREVRANGEBYSCORE",
            index,
            highest,
            "-inf",
            "WITHSCORES",
            "LIMIT",
            offset,
            count,
        )
        pairs = list(zip(islice(reply, 0, None, 2), islice(reply, 1, None, 2), strict=True))
        for member, score in pairs:
            position = Position(int(float(score)), member.decode())
            if (after is None or position < after) and taken < count:
                taken += 1
                yield position
        if len(pairs) < count:
            return
        offset += len(pairs)


async def _records(
    link: Link, partitions: Partitions, positions: Sequence[Position]
) -> list[ScenarioRecord | None]:
    keys = [partitions.of(p.scenario_id).scenario(p.scenario_id) for p in positions]
    return [
        listed_record(values) for values in await link.execute_many([("HMGET", key, *LISTED) for key in keys])
    ]
