"""Looks at scenarios with their tasks: what is wrong when seen once, and what is known to explain it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.messages import loads

from .fsck_graph import Picture, faults_of_graph, faults_of_numbers, is_cancelling
from .fsck_records import Fault
from .fsck_tasks import Scene, faults_of_task
from .reports import Reports, reports_under_way
from .scenario_standing import ScenarioStanding, scenario_standings
from .standing import Standing, standings_now
from .store import Store

MOST_REPORTS: Final = 100_000
"""Entries of `task-events` that are read."""
MOST_SUBMISSIONS: Final = 10_000
_TOGETHER: Final = 8
"""Submissions of one call: each may be megabytes."""
TRIES: Final = 3
"""To read a scenario while nothing of it changes."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found, and how many tasks it saw."""

    faults: list[Fault]
    tasks: int = 0
    is_sharp: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is under way: reports, and scenarios whose submissions wait. None: too many to know."""

    reports: Reports
    submitted: frozenset[str] | None

    def verdict(self, fault: Fault) -> bool | None:
        """Whether it is a fault; None: nobody can tell."""
        if not fault.unless:
            return True
        if fault.unless == ("submission",):
            return None if self.submitted is None else fault.subject not in self.submitted
        if self.reports.has(fault.subject, *fault.unless, token=fault.token):
            return False
        return True if self.reports.complete else None


async def evidence(store: Store, at: Partition, faults: Sequence[Fault]) -> Evidence:
    """What is under way about some faults. Raises: Unavailable, Refused."""
    wanted = {word for fault in faults for word in fault.unless}
    submitted = await _submitted(store, at) if "submission" in wanted else frozenset()
    reports = Reports()
    if wanted - {"submission"}:
        reports = await reports_under_way(store.link, at, MOST_REPORTS)
    return Evidence(reports, submitted)


async def _submitted(store: Store, at: Partition) -> frozenset[str] | None:
    found: set[str] = set()
    after = "0-0"
    while len(found) < MOST_SUBMISSIONS:
        some = await store.call("inbox", {"scenarios": at.scenarios, "after": after, "limit": _TOGETHER})
        found |= {scenario_id.decode(errors="replace") for _, scenario_id in some}
        if len(some) < _TOGETHER:
            return frozenset(found)
        after = some[-1][0].decode()
    return None


async def look(store: Store, at: Partition, scenario_ids: Sequence[str]) -> list[Looked]:
    """Faults of scenarios and of their tasks, as seen once. Raises: Unavailable, Refused."""
    looked = []
    for scenario in await scenario_standings(store, at, scenario_ids):
        if scenario is None or scenario.purged:
            looked.append(Looked([]))
        else:
            looked.append(await _look_at(store, at, scenario))
    return looked


async def _look_at(store: Store, at: Partition, first: ScenarioStanding) -> Looked:
    scenario, tries = first, TRIES
    while True:
        tries -= 1
        now_ms, picture = await _picture(store, at, scenario)
        [after] = await scenario_standings(store, at, [scenario.scenario_id])
        if after is None or after.purged:
            return Looked([])
        if after == scenario or not tries:
            break
        scenario = after
    picture = replace(picture, is_sharp=after == scenario)
    scene = Scene(at, now_ms, store.policy.http_lease_ms, is_cancelling(picture))
    scene = replace(scene, state_tasks=await _state_tasks(store, at, picture.tasks))
    faults = _without_early_starts([*faults_of_graph(picture), *_of_tasks(picture, scene)])
    faults += faults_of_numbers(picture, scene, store.policy.retentions)
    return Looked(faults, len(picture.tasks), picture.is_sharp)


def _of_tasks(picture: Picture, scene: Scene) -> list[Fault]:
    return [fault for task in picture.tasks for fault in faults_of_task(task, scene)]


def _without_early_starts(faults: Sequence[Fault]) -> list[Fault]:
    """A task that thinks it is ready and is not must not be handed out."""
    wrong = {fault.subject for fault in faults if fault.kind in ("queue_wrong", "end_missed")}
    return [
        fault
        for fault in faults
        if fault.subject not in wrong or fault.kind not in ("dispatch_lost", "look_lost")
    ]


async def _picture(store: Store, at: Partition, scenario: ScenarioStanding) -> tuple[int, Picture]:
    ids = scenario.task_ids
    now_ms, found = await standings_now(store, at, ids)
    tasks = [task for task in found if task and task.scenario_id == scenario.scenario_id]
    known = set(ids)
    missing = sorted(known - {task.task_id for task in tasks})
    named = sorted({consumer for task in tasks for consumer in task.consumers} - known)
    _, more = await standings_now(store, at, [one for one in named if len(one) == len(scenario.scenario_id)])
    unlisted = [task for task in more if task and task.scenario_id == scenario.scenario_id]
    picture = Picture(scenario, [*tasks, *unlisted], missing, [task.task_id for task in unlisted])
    return now_ms, picture


async def _state_tasks(store: Store, at: Partition, tasks: Sequence[Standing]) -> dict[str, int]:
    """Of tasks that carry states: how many tasks the state has that the scenario is in."""
    found = {}
    for task in tasks:
        what, *state = task.held_for.split(" ")
        if what == "machine" and len(state) > 1:
            text = await store.link.execute("HGET", at.task(task.task_id), "on_ready")
            states = loads(text)["machine"]["states"] if text else {}
            found[task.task_id] = len(states.get(state[0], {}).get("tasks", ()))
    return found
