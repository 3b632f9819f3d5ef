"""Why does a task not run? Why is a scenario not done? Only reads, bounded, each task at one moment."""

from collections.abc import Sequence
from typing import Final

from workers_sdk.protocol.keys import Partition

from .standing import ORCHESTRATOR, Standing, standings, standings_now
from .store import Store
from .task_ids import task_ids_of
from .why_end import ended
from .why_flow import held, in_lane, parked, scenario_paused
from .why_held import held_by_engine
from .why_queue import held_by_worker, held_over_http, queued
from .why_records import (
    SCENARIO_FIELDS,
    Alike,
    Case,
    Reason,
    ScenarioWhy,
    TaskWhy,
    json_of,
    lease_of,
    scenario_fields,
)
from .why_scenario import about_scenario, kind_of
from .why_waiting import not_handed_out, report_or_lost, waits_for_tasks

MOST_TASKS: Final = 20_000
"""Tasks of a scenario whose status is looked at."""
MOST_UNFINISHED: Final = 2_000
"""Unfinished tasks of a scenario that are looked at."""
MOST_GROUPS: Final = 20
NAMED: Final = 3
_CHUNK: Final = 1_000


class Why:
    """See the module. All methods raise Unavailable and Refused: see `Link.execute`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def task(self, task_id: str) -> TaskWhy | None:
        """Why a task is where it is. The id must satisfy `is_id`."""
        at = self._store.partitions.of(task_id)
        now_ms, [task] = await standings_now(self._store, at, [task_id])
        if task is None:
            return None
        lease_ms = await lease_of(self._store.link)
        values, last = await self._store.link.execute_many(
            [
                ("HMGET", at.scenario(task.scenario_id), *SCENARIO_FIELDS),
                ("LRANGE", at.attempts(task_id), -1, -1),
            ]
        )
        attempt = json_of(last[0].decode(errors="replace")) if last else None
        case = Case(self._store, at, task, now_ms, lease_ms, attempt, scenario_fields(values))
        reasons = await reasons_of(case)
        return TaskWhy(task_id, task.scenario_id, task.name, task.service, task.status, reasons)

    async def scenario(self, scenario_id: str) -> ScenarioWhy | None:
        """Why a scenario is where it is: tasks that wait for the same kind of thing stand together. The id must satisfy
        `is_id`."""
        at = self._store.partitions.of(scenario_id)
        values = await self._store.link.execute("HMGET", at.scenario(scenario_id), *SCENARIO_FIELDS)
        known = scenario_fields(values)
        if not known["status"]:
            return None
        reasons = await about_scenario(self._store, at, known)
        ids = await task_ids_of(self._store.link, at, scenario_id)
        open_ids = await self._unfinished(at, ids)
        tasks = [one for one in await standings(self._store, at, open_ids) if one and not one.is_final]
        complete = len(ids) <= MOST_TASKS and len(open_ids) < MOST_UNFINISHED
        groups = await self._groups(tasks)
        return ScenarioWhy(scenario_id, known["name"], known["status"], reasons, len(tasks), groups, complete)

    async def _unfinished(self, at: Partition, ids: Sequence[str]) -> list[str]:
        """Ids of tasks that have not ended, the first of them."""
        found: list[str] = []
        for first in range(0, min(len(ids), MOST_TASKS), _CHUNK):
            some = ids[first : first + _CHUNK]
            statuses = await self._store.link.execute_many([("HGET", at.task(one), "status") for one in some])
            found += [
                one
                for one, status in zip(some, statuses, strict=True)
                if status in (b"pending", b"processing")
            ]
            if len(found) >= MOST_UNFINISHED:
                break
        return found[:MOST_UNFINISHED]

    async def _groups(self, tasks: Sequence[Standing]) -> list[Alike]:
        """What waits for other tasks comes last: others hold it up."""
        alike: dict[tuple[str, str], list[Standing]] = {}
        for task in tasks:
            alike.setdefault((kind_of(task), task.service), []).append(task)
        kinds = sorted(alike, key=lambda kind: (kind[0].startswith("waits_for_"), -len(alike[kind])))
        groups = []
        for kind in kinds[:MOST_GROUPS]:
            same = alike[kind]
            first = await self.task(same[0].task_id)
            named = [{"id": one.task_id, "name": one.name} for one in same[:NAMED]]
            groups.append(Alike(kind[0], kind[1], len(same), named, first.reasons if first else []))
        return groups


async def reasons_of(case: Case) -> list[Reason]:
    """All that is to be said of a task, the most decisive first."""
    if case.task.is_final:
        return await ended(case)
    before: list[Reason] = []
    if case.scenario.get("cancel") and not case.task.is_last:
        facts = json_of(case.scenario["cancel"]) or {}
        before.append(
            Reason("cancelling", f"its scenario is being cancelled: {facts.get('message', '')}", facts)
        )
    own = await (_of_pending(case) if case.task.status == "pending" else _of_processing(case))
    pause = scenario_paused(case.scenario) if case.task.status == "pending" else None
    after = [pause] if pause and pause.code not in {one.code for one in own} else []
    return before + own + after


async def _of_pending(case: Case) -> list[Reason]:
    task = case.task
    if task.waits_for > 0:
        return await waits_for_tasks(case)
    if task.token:
        return await _of_handed_out(case)
    kind, _, rest = task.waiting_place.partition(":")
    if not kind or not all(there for _, there in task.places):
        return await not_handed_out(case)
    if kind == "held":
        return await held(case)
    name = rest.partition(":")[2]
    return await (in_lane(case, name) if kind == "lane" else parked(case, name))


async def _of_processing(case: Case) -> list[Reason]:
    task = case.task
    if task.worker == ORCHESTRATOR:
        return await held_by_engine(case)
    if task.worker == "http":
        return held_over_http(case) if task.lease else await report_or_lost(case, "it has no lease")
    return await _of_handed_out(case)


async def _of_handed_out(case: Case) -> list[Reason]:
    state = case.task.entry_state
    if state == "queued":
        return await queued(case)
    if state == "taken":
        return await held_by_worker(case)
    return await report_or_lost(
        case, "somebody acknowledged its entry" if state == "acked" else "its entry is gone"
    )
