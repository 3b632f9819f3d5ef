"""The list of scenarios, newest first, over all partitions and statuses, in bounded pages."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from workers_sdk.protocol.keys import Partitions, is_id
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import Status

from .reading import LISTED, listed_record
from .records import ScenarioPage, ScenarioRecord

MAX_LOOKED_AT: Final = 1_000
"""Scenarios that one page may look at before it is returned short; the cursor goes on from there."""
CHUNK: Final = 100
"""How many are read at once, if the page is not longer."""


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
    indexes = [partition.index_of(status) for partition in partitions for status in statuses]
    newest = await newest_of(link, indexes, after, budget + 1)
    items: list[ScenarioRecord] = []
    last: Position | None = None
    step = max(limit, CHUNK)
    for start in range(0, min(len(newest), budget), step):
        chunk = newest[start : min(start + step, budget)]
        for position, record in zip(chunk, await _records(link, partitions, chunk), strict=True):
            if len(items) == limit:
                return ScenarioPage(items, str(last))
            last = position
            if record and wanted.takes(record):
                items.append(record)
    return ScenarioPage(items, str(last) if len(newest) > budget and last else None)


async def newest_of(link: Link, indexes: Iterable[str], after: Position | None, count: int) -> list[Position]:
    """The newest `count` positions below `after` in several indexes together, newest first.

    One round trip, but where many share the millisecond of `after`. What is no id is left out.
    """
    return heapq.nlargest(count, await _among(link, indexes, after, count, newest=True))


async def oldest_of(link: Link, indexes: Iterable[str], after: Position | None, count: int) -> list[Position]:
    """The same the other way round: the oldest above `after`, oldest first."""
    return heapq.nsmallest(count, await _among(link, indexes, after, count, newest=False))


async def _among(
    link: Link, indexes: Iterable[str], after: Position | None, count: int, *, newest: bool
) -> set[Position]:
    """Of each index the first `count` at least, if there are so many.

    A scenario that changed its status between two reads stands in two indexes: the set keeps one.
    """
    name = "ZREVRANGEBYSCORE" if newest else "ZRANGEBYSCORE"
    first = str(after.created_ms) if after else "+inf" if newest else "-inf"
    last = "-inf" if newest else "+inf"
    found: set[Position] = set()
    looked_at = dict.fromkeys(indexes, 0)
    missing = dict.fromkeys(looked_at, count)
    while looked_at:
        commands = [
            (name, index, first, last, "WITHSCORES", "LIMIT", offset, count)
            for index, offset in looked_at.items()
        ]
        for index, reply in zip(list(looked_at), await link.execute_many(commands), strict=True):
            here = _positions(reply)
            wanted = [p for p in here if is_id(p.scenario_id) and _is_beyond(p, after, newest=newest)]
            found.update(wanted)
            looked_at[index] += len(here)
            missing[index] -= len(wanted)
            if len(here) < count or missing[index] <= 0:
                del looked_at[index]
    return found


def _is_beyond(position: Position, after: Position | None, *, newest: bool) -> bool:
    return after is None or (position < after if newest else position > after)


def _positions(reply: Sequence[bytes]) -> list[Position]:
    return [
        Position(int(float(score)), member.decode(errors="replace"))
        for member, score in zip(reply[::2], reply[1::2], strict=True)
    ]


async def _records(
    link: Link, partitions: Partitions, positions: Sequence[Position]
) -> list[ScenarioRecord | None]:
    keys = [partitions.of(p.scenario_id).scenario(p.scenario_id) for p in positions]
    return [
        listed_record(values) for values in await link.execute_many([("HMGET", key, *LISTED) for key in keys])
    ]
