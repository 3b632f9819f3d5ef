"""Checks the state: recomputes from the tasks all that follows from them, and repairs what differs.

The system may be at work meanwhile. What a script finds is judged at one moment; all else counts only when it is seen twice, the
same both times, and nothing that is under way explains it. Every repair is a script that does nothing when things are
not as they were seen, so repairing again changes nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Refused
from workers_sdk.protocol.seams import Clock, SystemClock

from . import fsck_sets as sets
from .fsck_accounts import accounts, schedules
from .fsck_records import Fault, Finding, Report, parts
from .fsck_repairs import mend
from .fsck_scenarios import Looked, evidence, look
from .store import Store

TOGETHER: Final = 100
"""Scenarios between two looks."""
ROUNDS: Final = 5
"""Of repairs of the same things: one may bring another to light."""


class Fsck:
    """See the module. Raises of all: Unavailable, Refused.

    Args:
        settle_s: between two looks, seconds.
    """

    def __init__(self, store: Store, *, settle_s: float = 0.5, clock: Clock | None = None) -> None:
        self._store = store
        self._settle_s = settle_s
        self._clock = clock or SystemClock()

    async def run(self, *, repair: bool = False) -> Report:
        """Check everything."""
        report = Report()
        for at in self._store.partitions:
            await self._partition(at, report, repair=repair)
        return report

    async def scenario(self, scenario_id: str, *, repair: bool = False) -> Report:
        """Check one scenario with its tasks. The id must satisfy `is_id`."""
        report = Report()
        await self._scenarios(self._store.partitions.of(scenario_id), [scenario_id], report, repair=repair)
        return report

    async def _partition(self, at: Partition, report: Report, *, repair: bool) -> None:
        names = await sets.names_of(self._store, at)
        report.keys += names.count
        await self._sure(at, report, sets.orphans, names, repair=repair)
        for some in parts(names.ids("scenario"), TOGETHER):
            await self._scenarios(at, some, report, repair=repair)
        for check in (sets.members, sets.lanes, sets.entries):
            await self._sure(at, report, check, names, repair=repair)
        for name, count in (("schedules", schedules), ("accounts", accounts)):
            seen = _readable(name, partial(count, self._store, at, names))
            await self._twice(at, report, seen, repair=repair)

    async def _sure(
        self,
        at: Partition,
        report: Report,
        check: Callable[..., Awaitable[list[Fault]]],
        names: sets.Names,
        *,
        repair: bool,
    ) -> None:
        """What scripts judge, and repair in the same step."""
        for fault in await check(self._store, at, names, repair=repair):
            repaired = repair and fault.kind != sets.UNREADABLE
            report.add(Finding(fault.kind, fault.subject, fault.message, at.index, repaired=repaired))

    async def _scenarios(self, at: Partition, ids: Sequence[str], report: Report, *, repair: bool) -> None:
        report.scenarios += len(ids)
        looked = await self._look(at, ids)
        report.tasks += sum(one.tasks for one in looked)
        report.changing += sum(not one.is_sharp for one in looked)
        bad = [scenario_id for scenario_id, one in zip(ids, looked, strict=True) if one.faults]

        async def again() -> list[Fault]:
            return [fault for one in await self._look(at, bad) for fault in one.faults]

        first = [fault for one in looked for fault in one.faults]
        if first:
            await self._twice(at, report, again, repair=repair, first=first)

    async def _look(self, at: Partition, ids: Sequence[str]) -> list[Looked]:
        """One that cannot be read does not hide the others."""
        try:
            return await look(self._store, at, ids)
        except (Refused, ValueError) as error:  # of another type, or what stands there is no number, no JSON
            if len(ids) == 1:
                return [Looked([sets.unreadable(ids[0], error)])]
        return [(await self._look(at, [one]))[0] for one in ids]

    async def _twice(
        self,
        at: Partition,
        report: Report,
        check: Callable[[], Awaitable[list[Fault]]],
        *,
        repair: bool,
        first: list[Fault] | None = None,
    ) -> None:
        """What is seen twice counts; what is repaired is looked at again, since it may have hidden more."""
        found: dict[tuple[str, str], Fault] = {}
        left: set[tuple[str, str]] = set()
        for _ in range(ROUNDS):
            confirmed = await self._confirmed(at, report, check, first)
            first = None
            found |= {(fault.kind, fault.subject): fault for fault in confirmed}
            mended = await self._mended(at, confirmed) if repair else {}
            left = {(fault.kind, fault.subject) for fault in confirmed if not mended.get(fault.key)}
            if not any(mended.values()):
                break
        for place, fault in found.items():
            repaired = place not in left
            report.add(Finding(fault.kind, fault.subject, fault.message, at.index, repaired=repaired))

    async def _confirmed(
        self,
        at: Partition,
        report: Report,
        check: Callable[[], Awaitable[list[Fault]]],
        first: list[Fault] | None,
    ) -> list[Fault]:
        if first is None:
            first = await check()
        if not first:
            return []
        under_way = await evidence(self._store, at, first)
        await self._clock.sleep(self._settle_s)
        known = {fault.key for fault in first}
        same = [fault for fault in await check() if fault.key in known]
        report.undecided += sum(under_way.verdict(fault) is None for fault in same)
        return [fault for fault in same if under_way.verdict(fault)]

    async def _mended(
        self, at: Partition, faults: Sequence[Fault]
    ) -> dict[tuple[str, str, tuple[str, ...]], bool]:
        """Faults that are mended by the same step are mended together."""
        done: dict[object, bool] = {}
        result = {}
        for fault in faults:
            step = (fault.subject, fault.mend)
            if step not in done:
                done[step] = await _is_mended(self._store, at, fault)
            result[fault.key] = done[step]
        return result


def _readable(name: str, check: Callable[[], Awaitable[list[Fault]]]) -> Callable[[], Awaitable[list[Fault]]]:
    """A check that names what it could not read."""

    async def checked() -> list[Fault]:
        try:
            return await check()
        except Refused as error:
            return [sets.unreadable(name, error)]

    return checked


async def _is_mended(store: Store, at: Partition, fault: Fault) -> bool:
    """Also False when Redis refuses it: it is full, or a key is of another type."""
    try:
        return await mend(store, at, fault)
    except Refused:
        return False
