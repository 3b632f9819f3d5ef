"""Faults of what tasks wait for, and of the numbers of a scenario: both follow from the states of its tasks."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers_sdk.protocol.messages import dumps

from .fsck_records import NOW, CancelScenario, Fault, MendMember, MendScenario, MendTask
from .fsck_tasks import Scene, fault
from .scenario_standing import STATUSES, ScenarioStanding
from .standing import Standing

_ENDS = ("success", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Picture:
    """A scenario and its tasks, read one after the other.

    Attributes:
        tasks: all that exist, in the order of the document, then those that it does not list.
        missing: ids that it lists and that do not exist.
        unlisted: ids of tasks that others name, and that it does not list.
        is_sharp: nothing changed while the tasks were read, so they may be counted.
    """

    scenario: ScenarioStanding
    tasks: Sequence[Standing]
    missing: Sequence[str] = ()
    unlisted: Sequence[str] = ()
    is_sharp: bool = True


@dataclass(slots=True)
class _Before:
    """What a task waits or waited for."""

    parents: list[Standing] = field(default_factory=list)

    def waiting(self, task_id: str) -> list[Standing]:
        return [one for one in self.parents if one.holds_up(task_id)]

    def counted(self, task_id: str) -> list[Standing]:
        return [one for one in self.parents if not one.holds_up(task_id)]


def faults_of_graph(picture: Picture) -> Iterator[Fault]:
    """Tasks that wait for more or less than there is to wait for."""
    # While they are made, consumers first, what a task waits for may not be there yet.
    if is_cancelling(picture) or picture.scenario.revive or picture.scenario.unmade > 0:
        return
    # What runs at the end waits for scenarios within that are cancelled, too.
    if picture.scenario.cancel and any(task.is_late and not task.group for task in picture.tasks):
        return
    before: defaultdict[str, _Before] = defaultdict(_Before)
    for task in picture.tasks:
        for consumer in task.consumers:
            before[consumer].parents.append(task)
    for task in picture.tasks:
        if task.status == "pending" and not task.token and not task.flow_places:
            yield from _of_waiting(task, before[task.task_id], picture.scenario)
        elif task.is_late and task.group:
            yield from _of_children(task, before[task.task_id])


def is_cancelling(picture: Picture) -> bool:
    """Whether it is being cancelled, and cancelling has not come to all of its tasks yet."""
    if not picture.scenario.cancel or picture.scenario.is_final:
        return False
    alive = any(not task.is_final and not task.is_last for task in picture.tasks)
    return alive or not all(map(picture.scenario.is_cancelled, picture.missing))


def is_pausing(scenario: ScenarioStanding) -> bool:
    """Whether it is being paused, and that has not come to all of its tasks yet."""
    return bool(
        scenario.paused and scenario.pause_at != "0" and not scenario.is_final and not scenario.cancel
    )


def _of_waiting(task: Standing, before: _Before, scenario: ScenarioStanding) -> Iterator[Fault]:
    if scenario.cancel and not task.is_last:
        return
    waiting, counted = before.waiting(task.task_id), before.counted(task.task_id)
    if task.group:
        yield from _of_children(task, before)
    elif need := task.rules.get("need"):
        won = sum(map(_is_good, counted))
        queue = 0 if won >= need else len(waiting)
        if won + len(waiting) < need and counted:
            text = f"{won} of the tasks before it succeeded and {need} are needed, but it has not ended"
            yield fault(task, "end_missed", text, MendTask("end", text=counted[-1].task_id))
        elif queue or task.waits_for:  # one that is ready counts no more
            yield from _of_number(task, queue, won)
    elif (bad := next((one for one in counted if not _is_good(one)), None)) and not task.rules.get(
        "all_done"
    ):
        text = f"{bad.name} ended as {bad.status}, but this has not"
        yield fault(task, "end_missed", text, MendTask("end", text=bad.task_id))
    else:
        yield from _of_number(task, len(waiting), None)


def _of_children(task: Standing, before: _Before) -> Iterator[Fault]:
    children = [one for one in before.parents if one.rules.get("child") == task.task_id]
    waiting = [one for one in children if one.holds_up(task.task_id)]
    ended = [one for one in children if not one.holds_up(task.task_id)]
    good = sum(map(_is_good, ended))
    queue = len(waiting) + task.children - task.written
    if queue != task.waits_for or task.counted != (good, len(ended) - good):
        text = f"it waits for {task.waits_for} children (counted {task.counted}), but {queue} have not ended"
        yield fault(task, "queue_wrong", text, MendTask("wait", queue, f"{good} {len(ended) - good}"))


def _of_number(task: Standing, queue: int, won: int | None) -> Iterator[Fault]:
    good, lost = task.counted
    if task.waits_for != queue or (won is not None and won != good):
        text = f"it waits for {task.waits_for} tasks, but {queue} have not ended"
        got = "" if won is None else f"{won} {lost}"
        yield fault(task, "queue_wrong", text, MendTask("wait", queue, got))


def _is_good(parent: Standing) -> bool:
    """Whether its end is a success for those that wait for it."""
    return parent.status == "success" or bool(parent.status != "cancelled" and parent.rules.get("optional"))


def faults_of_numbers(picture: Picture, scene: Scene, retentions: tuple[int, int, int]) -> Iterator[Fault]:
    """What a scenario says of its tasks, its status, its place in the index, and its timers."""
    scenario = picture.scenario
    lost = bool(picture.missing) and not scenario.cancel and scenario.unmade <= 0
    if lost:
        yield _of_lost(picture)
    elif picture.missing and not scenario.cancel and not scenario.is_final:
        text = f"{len(picture.missing)} of its tasks were not made, and its submission is gone"
        cancel = CancelScenario(
            "submission_lost", "its submission was lost before all of its tasks were made"
        )
        yield _fault(scenario, "submission_lost", text, cancel, ("submission",))
    if picture.is_sharp and not lost:
        yield from _of_counts(picture)
    yield from _of_timers(picture, scene, retentions)


def _fault(
    scenario: ScenarioStanding, kind: str, message: str, mend: Any, unless: tuple[str, ...] = ()
) -> Fault:
    return Fault(kind, scenario.scenario_id, message, tuple(scenario.texts), mend, unless)


def _of_lost(picture: Picture) -> Fault:
    some = ", ".join(picture.missing[:3])
    text = f"{len(picture.missing)} of its tasks are gone: {some}"
    cancel = CancelScenario("task_lost", f"{len(picture.missing)} of its tasks were lost")
    return _fault(picture.scenario, "task_lost", text, None if picture.scenario.is_final else cancel)


def _of_counts(picture: Picture) -> Iterator[Fault]:
    scenario = picture.scenario
    counts = _counted(picture)
    ids = [*scenario.task_ids, *picture.unlisted]
    task_ids = dumps(ids).decode() if picture.unlisted else ""
    mend = MendScenario(counts, len(ids), task_ids, settles=not scenario.is_rejected)
    if picture.unlisted:
        some = ", ".join(picture.unlisted[:3])
        yield _fault(scenario, "task_unlisted", f"it does not list tasks of its own: {some}", mend)
    if int(scenario.total or 0) != len(ids):
        yield _fault(scenario, "total_wrong", f"it says {scenario.total} tasks and has {len(ids)}", mend)
    if scenario.counts != counts:
        names = (*STATUSES, "tolerated")
        wrong = [
            f"{name} {said} is {real}"
            for name, said, real in zip(names, scenario.counts, counts, strict=True)
            if said != real
        ]
        yield _fault(scenario, "counts_wrong", ", ".join(wrong), mend)
    if scenario.indexed_as != [scenario.status]:
        places = ", ".join(scenario.indexed_as) or "none"
        yield _fault(
            scenario, "index_wrong", f"it is {scenario.status} and stands in the index of: {places}", mend
        )
    if not scenario.is_rejected:
        yield from _of_end(scenario, counts, mend)


def _of_end(scenario: ScenarioStanding, counts: tuple[int, ...], mend: MendScenario) -> Iterator[Fault]:
    alive = counts[0] + counts[1]
    if scenario.is_final and alive:
        yield _fault(
            scenario, "ended_early", f"it is {scenario.status}, and {alive} of its tasks have not ended", mend
        )
    elif not scenario.is_final and not alive and not scenario.revive_timer:
        yield _fault(scenario, "not_ended", "all of its tasks have ended, but it has not", mend)
    elif scenario.is_final and scenario.status != _end_of(scenario, counts):
        text = f"it is {scenario.status}, and its tasks say {_end_of(scenario, counts)}"
        yield _fault(scenario, "end_wrong", text, mend)


def _end_of(scenario: ScenarioStanding, counts: tuple[int, ...]) -> str:
    """As in the fragment finish_scenarios."""
    if scenario.cancel or scenario.outcome:
        return "cancelled" if scenario.cancel else scenario.outcome
    if counts[3] > counts[6]:
        return "failed"
    return "cancelled" if counts[5] else "success"


def _counted(picture: Picture) -> tuple[int, ...]:
    """Tasks by status, and failed ones that are tolerated. What was not made counts as pending, or was cancelled."""
    found = Counter(task.status for task in picture.tasks)
    for task_id in picture.missing:
        found["cancelled" if picture.scenario.is_cancelled(task_id) else "pending"] += 1
    tolerated = [
        task
        for task in picture.tasks
        if task.status == "failed" and {"optional", "tolerated"} & task.rules.keys()
    ]
    return (*(found[status] for status in STATUSES), len(tolerated))


def _of_timers(picture: Picture, scene: Scene, retentions: tuple[int, int, int]) -> Iterator[Fault]:
    """Timers by which the engine goes on with it."""
    scenario = picture.scenario
    key = scene.at.scenario(scenario.scenario_id)
    wanted: list[tuple[str, str, int]] = []
    if scenario.is_final and not scenario.purge_timer:
        keep_ms = dict(zip(_ENDS, retentions, strict=True))[scenario.status]
        wanted.append(("purge", "it will never be removed", scene.now_ms + keep_ms))
    if is_cancelling(picture) and not scenario.cancel_timer:
        wanted.append(("cancel", "nobody goes on with cancelling it", NOW))
    if is_pausing(scenario) and not scenario.pause_timer:
        wanted.append(("pause", "nobody goes on with pausing it", NOW))
    if scenario.within and not scenario.paused and not scenario.resume_timer:
        wanted.append(("resume", "nobody goes on with resuming the scenarios within it", NOW))
    if scenario.revive and not scenario.revive_timer:
        wanted.append(("revive", "nobody goes on with bringing its tasks back", NOW))
    for kind, message, score in wanted:
        seen = ("status", scenario.status, "updated_at", scenario.updated_at)
        mend = MendMember(scene.at.timers, key, f"{kind}:{scenario.scenario_id}", score, seen)
        yield _fault(scenario, "timer_lost", message, mend)
