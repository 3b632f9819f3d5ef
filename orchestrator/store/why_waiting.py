"""Reasons of tasks that were not handed out: they wait for others, for a moment, or for the engine."""

from collections.abc import Iterator
from typing import Final

from .reports import reports_under_way
from .standing import ORCHESTRATOR, Standing, standings
from .task_ids import task_ids_of
from .why_records import (
    PATIENCE_MS,
    SHOWN,
    Case,
    Reason,
    brief,
    iso,
    listed,
    plural,
    span,
    waited_ms,
)

LOOKED_AT: Final = 5_000
"""Tasks of a scenario that are looked at to find some that a task waits for."""
CHUNK: Final = 100
EVENTS: Final = 500
"""Entries of `task-events` that are looked at."""


async def waits_for_tasks(case: Case) -> list[Reason]:
    """It waits for other tasks, or for those that were added to it."""
    task = case.task
    found = await _unfinished_parents(case)
    some = [brief(one) for one in found]
    facts = {"count": task.waits_for, "tasks": some}
    if task.group:
        good, lost = task.counted
        facts |= {"children": task.children, "done": good, "failed": lost, "made": task.written}
        text = f"waits for {task.waits_for} of its {plural(task.children, 'child task')}: {listed(some)}"
        return [Reason("waits_for_children", text, facts)]
    text = f"waits for {plural(task.waits_for, 'task')}: {listed(some)}"
    if need := task.rules.get("need"):
        good, lost = task.counted
        facts |= {"need": need, "good": good, "failed": lost}
        text = f"waits until {need} of the tasks before it succeed ({good} did), at most {task.waits_for} are left: {listed(some)}"
    return [Reason("waits_for_tasks", text, facts)]


async def not_handed_out(case: Case) -> list[Reason]:
    """Nothing holds it back, and it was not handed out."""
    task = case.task
    if task.start:
        return [_waits_for_time(case)]
    under_way = await reports_under_way(case.link, case.at, EVENTS)
    if under_way.has(task.task_id, "look"):
        return [
            Reason("engine_will_look", "the engine was asked about it and has not looked yet"),
            *await engine(case),
        ]
    if not under_way.complete:
        text = "it waits for the engine, which has more reports to deal with than were looked at"
        return [Reason("engine_will_look", text), *await engine(case)]
    asked = task.rules.get("ask") or task.group or task.service == ORCHESTRATOR
    what = "the engine was not asked about it" if asked else "it was not handed out"
    return [Reason("lost", f"it is ready, but {what}: `scenarist fsck --repair` mends this")]


async def report_or_lost(case: Case, what: str) -> list[Reason]:
    """It was handed out and its entry is gone: its report is on its way, or somebody else removed the entry."""
    under_way = await reports_under_way(case.link, case.at, EVENTS)
    if not under_way.complete or under_way.has(case.task.task_id, "success", "failed", token=case.task.token):
        text = "a worker has done it; the engine has not applied its report yet"
        return [Reason("report_on_its_way", text), *await engine(case)]
    text = f"it was handed out, but {what}: `scenarist fsck --repair` mends this"
    return [Reason("lost", text, {"entry": case.task.entry, "entry_state": case.task.entry_state})]


async def engine(case: Case) -> list[Reason]:
    """What there is to say of the engine: how much it has to do, and whether there is one."""
    stream = case.at.task_events
    length, first = await case.link.execute_many([("XLEN", stream), ("XRANGE", stream, "-", "+", "COUNT", 1)])
    if not length:
        return []
    groups = {flat[1].decode() for flat in await case.link.execute("XINFO", "GROUPS", stream)}
    read = ORCHESTRATOR in groups
    consumers = await case.link.execute("XINFO", "CONSUMERS", stream, ORCHESTRATOR) if read else []
    silent = min((dict(zip(flat[::2], flat[1::2], strict=True))[b"idle"] for flat in consumers), default=None)
    waits = await waited_ms(case.link, first)
    facts = {"reports": length, "replicas": len(consumers), "oldest_ms": waits}
    busy = (
        f"{plural(length, 'entry', 'entries')} of reports wait for the engine, the oldest for {span(waits)}"
    )
    if not read or (silent is None and waits > PATIENCE_MS):
        return [Reason("no_engine", f"no orchestrator has ever read reports; {busy}", facts)]
    if silent is not None and min(silent, waits) > 2 * case.lease_ms:
        return [Reason("no_engine", f"no orchestrator has read reports for {span(silent)}; {busy}", facts)]
    return [Reason("engine_busy", busy, facts)]


def _waits_for_time(case: Case) -> Reason:
    moment = float(case.task.start)
    facts = {"at": iso(moment), "in_ms": case.in_ms(moment)}
    when = f"in {span(case.in_ms(moment))} ({iso(moment)})"
    last = case.last_attempt
    if last is None:
        return Reason("delayed", f"it is to begin {when}", facts)
    facts |= {"failed_attempt": last["attempt"], "error": last["error"]}
    error = last["error"] if isinstance(last["error"], dict) else {}
    why = f"{error.get('type', 'failed')}: {error.get('message', '')}".rstrip(": ")
    return Reason(
        "next_attempt", f"attempt {last['attempt']} failed ({why}), the next one begins {when}", facts
    )


async def _unfinished_parents(case: Case) -> list[Standing]:
    """Some of the tasks that it waits for; near ones are looked at first."""
    ids = await task_ids_of(case.link, case.at, case.task.scenario_id)
    nearest = list(_outwards(ids, case.task.task_id))[:LOOKED_AT]
    found: list[Standing] = []
    for first in range(0, len(nearest), CHUNK):
        some = await standings(case.store, case.at, nearest[first : first + CHUNK])
        found += [one for one in some if one and _holds_up(one, case.task)]
        if len(found) >= min(SHOWN, case.task.waits_for):
            return found[:SHOWN]
    return found


def _holds_up(one: Standing, task: Standing) -> bool:
    """Once it has children it waits for these only."""
    return one.holds_up(task.task_id) and (not task.group or one.rules.get("child") == task.task_id)


def _outwards(ids: list[str], task_id: str) -> Iterator[str]:
    """What a task waits for mostly stands before it, and its children at the end."""
    place = ids.index(task_id) if task_id in ids else len(ids)
    yield from reversed(ids[:place])
    yield from reversed(ids[place + 1 :])
