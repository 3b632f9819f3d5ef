"""The list of open gates over all partitions, those that wait longest first, in bounded pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .gate_records import Gate, is_barred, may_decide, same_person
from .gates import GateStore
from .listing import CHUNK, Position, oldest_of
from .store import Store

MAX_LOOKED_AT: Final = 500
"""Gates that one page may look at before it is returned short; the cursor goes on from there."""


@dataclass(frozen=True, slots=True)
class GatePage:
    """Open gates. `next_cursor` is None on the last page; a page may be short, even empty, before that."""

    items: list[Gate]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which gates are listed: of a scenario, or those that a person may still decide."""

    scenario_id: str = ""
    who: str = ""
    groups: Sequence[str] = ()

    def takes(self, gate: Gate) -> bool:
        """Whether a gate is one of these."""
        if not gate.is_open or (self.scenario_id and gate.scenario_id != self.scenario_id):
            return False
        if not self.who:
            return True
        may = may_decide(gate.facts, self.who, self.groups) and not is_barred(gate.facts, self.who)
        return may and not any(same_person(vote["by"], self.who) for vote in gate.votes)


async def list_gates(store: Store, wanted: Wanted, *, cursor: str | None, limit: int) -> GatePage:
    """One page. Raises: BadCursor, Unavailable, Refused."""
    gates = GateStore(store)
    after = Position.parse(cursor) if cursor else None
    oldest = await _oldest(store, wanted, after, MAX_LOOKED_AT + 1)
    items: list[Gate] = []
    last: Position | None = None
    looked_at = oldest[:MAX_LOOKED_AT]
    step = max(limit, CHUNK)
    for start in range(0, len(looked_at), step):
        chunk = looked_at[start : start + step]
        for position, gate in zip(chunk, await gates.gates([p.scenario_id for p in chunk]), strict=True):
            if len(items) == limit:
                return GatePage(items, str(last))
            last = position
            if gate is None or not gate.is_open:
                # Its task was cancelled or purged: whoever notices takes it off the list.
                await gates.close(store.partitions.of(position.scenario_id), position.scenario_id)
            elif wanted.takes(gate):
                items.append(gate)
    return GatePage(items, str(last) if len(oldest) > MAX_LOOKED_AT and last else None)


async def _oldest(store: Store, wanted: Wanted, after: Position | None, count: int) -> list[Position]:
    partitions = [store.partitions.of(wanted.scenario_id)] if wanted.scenario_id else store.partitions
    return await oldest_of(store.link, [at.gates for at in partitions], after, count)
