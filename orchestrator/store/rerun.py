"""A new scenario that runs a part of another one anew: what succeeded is copied with its result, the rest runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workers_sdk.protocol.keys import SLOT_CHARS, is_id, short_uuid
from workers_sdk.protocol.messages import Status, dumps

from .edits import Edits
from .records import NewScenario, NewTask, RetryPolicy, ScenarioRecord, TaskRecord
from .store import Store

READ: Final = 200
MOST_RERUNS: Final = 100
"""Reruns of a scenario that there may be at a time."""

Json = Any


class CannotRerun(Exception):
    """Why not: a word, and a sentence for people.

    Words: `unknown_task`, `ambiguous_task`, `not_final`, `unwritten`, `purged`, `too_many`, `machine`.
    """

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


@dataclass(slots=True, eq=False)
class _Old:
    """A task of the old scenario. `children`: tasks that were added to it; they come with it or not at all."""

    task: TaskRecord
    parents: list["_Old"] = field(default_factory=list)
    children: list["_Old"] = field(default_factory=list)
    anew: bool = False
    dropped: bool = False


class Rerun:
    """See the module."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, scenario: ScenarioRecord, start: str, new_id: str, edits: Edits) -> NewScenario:
        """The new scenario, to be submitted; the old one remembers it already.

        Args:
            start: id, key or name of the task from which on all runs anew.
            new_id: any new id; it is moved to the slot of the old scenario.
            edits: of that task.

        Raises:
            CannotRerun: with the reason.
            Unavailable, Refused: see `Link.execute`.
        """
        if scenario.machine:
            raise CannotRerun(
                "machine", "What a state machine has done depends on events; they cannot be repeated."
            )
        old = await self._read(scenario)
        first = _find(old, scenario.scenario_id, start)
        _choose(old, first)
        new = _copy(scenario, old, first, scenario.scenario_id[:SLOT_CHARS] + new_id[SLOT_CHARS:], edits)
        at = self._store.partitions.of(scenario.scenario_id)
        values = {"scenario": at.scenario(scenario.scenario_id), "prefix": at.prefix}
        word = await self._store.call(
            "note_rerun", {**values, "rerun": new.scenario_id, "limit": MOST_RERUNS}
        )
        if word == b"PURGED":
            raise CannotRerun("purged", "The scenario is being removed.")
        if word == b"TOO_MANY":
            raise CannotRerun("too_many", f"The scenario has {MOST_RERUNS} reruns already.")
        return new

    async def _read(self, scenario: ScenarioRecord) -> dict[str, _Old]:
        ids, old = scenario.task_ids, dict[str, _Old]()
        for first in range(0, len(ids), READ):
            tasks = await self._store.tasks(ids[first : first + READ])
            old |= {task.id: _Old(task) for task in tasks if task}
        if len(old) < len(ids) or not ids:
            raise CannotRerun("unwritten", "Not all tasks of the scenario were made.")
        for one in old.values():
            for consumer in one.task.consumers:
                if consumer in old:
                    old[consumer].parents.append(one)
        for one in old.values():
            before = one.parents
            one.children = [parent for parent in before if parent.task.rules.get("child") == one.task.id]
            one.parents = [parent for parent in before if parent.task.rules.get("child") != one.task.id]
        return old


def _find(old: Mapping[str, _Old], scenario_id: str, start: str) -> _Old:
    task_id = start if is_id(start) and start in old else short_uuid(scenario_id, start)
    children = {child.task.id for one in old.values() for child in one.children}
    named = [one for one in old.values() if one.task.name == start and one.task.id not in children]
    found = [old[task_id]] if task_id in old else named
    if not found:
        raise CannotRerun("unknown_task", "The scenario has no task of this id, key or name.")
    if len(found) > 1:
        raise CannotRerun("ambiguous_task", f"{len(found)} tasks have this name: give the id of one of them.")
    return found[0]


def _choose(old: Mapping[str, _Old], first: _Old) -> None:
    """Mark what runs anew, and the children that will be made anew or that nobody needs. Raises CannotRerun."""
    done = [one.task for one in old.values() if one.task.status is Status.SUCCESS]
    undone = [old.get(task.on_ready.get("compensates", "")) for task in done]
    waiting = [first, *filter(None, undone)]
    while waiting:
        one = waiting.pop()
        if not one.anew:
            one.anew = True
            waiting += [old[consumer] for consumer in one.task.consumers if consumer in old]
    for one in old.values():
        if not one.anew and not one.task.status.is_final:
            raise CannotRerun(
                "not_final", f"{one.task.name} is still {one.task.status}, and does not depend on it."
            )
        one.anew = one.anew or one.task.status is not Status.SUCCESS
    for one in old.values():
        for child in one.children:
            child.dropped = child.dropped or one.dropped or one.anew or child.anew
    if first.dropped:
        raise CannotRerun("unknown_task", "This task was added by another one: run that anew.")


def _copy(
    scenario: ScenarioRecord, old: Mapping[str, _Old], first: _Old, new_id: str, edits: Edits
) -> NewScenario:
    kept = {task_id: one for task_id, one in old.items() if not one.dropped}
    ids = {task_id: short_uuid(new_id, task_id) for task_id in kept}
    tasks = {
        task_id: _anew(one, ids, edits if one is first else Edits()) if one.anew else _copied(one, ids)
        for task_id, one in kept.items()
    }
    return NewScenario(
        scenario_id=new_id,
        name=scenario.name,
        version=scenario.version,
        variables=scenario.variables,
        template_hash=scenario.template_hash,
        task_ids=list(ids.values()),
        # Copies first: what begins before all is written finds the results that it takes.
        tasks=[tasks[task_id] for task_id in sorted(_consumers_first(kept), key=lambda one: kept[one].anew)],
        warnings=scenario.warnings,
        owner=scenario.owner,
        origin={"scenario_id": scenario.scenario_id, "task_id": first.task.id},
    )


def _anew(one: _Old, ids: Mapping[str, str], edits: Edits) -> NewTask:
    task, need = one.task, one.task.rules.get("need")
    left = sum(parent.anew for parent in one.parents)
    won = len(one.parents) - left
    queue = 0 if need and won >= need else left
    fields = _renamed(task.fields, ids)
    return NewTask(
        ids[task.id],
        task.service,
        task.name,
        queue,
        [ids[consumer] for consumer in task.consumers if consumer in ids],
        fields | edits.of(fields),
        RetryPolicy(**task.policy) if task.policy else None,
        _rules(task, ids) or None,
        _renamed(task.on_ready, ids) or None,
        known={"got": f"{won} 0"} if need and queue else {},
    )


def _copied(one: _Old, ids: Mapping[str, str]) -> NewTask:
    """It has all that it needs to run anew in a rerun of the rerun."""
    task = one.task
    known = {"result_ref": task.result_ref, "origin": task.id, "finished_at": task.finished_at}
    known |= {"started_at": task.started_at} if task.started_at else {}
    known |= {"result": dumps(_renamed(task.result, ids)).decode()} if task.result is not None else {}
    return NewTask(
        ids[task.id],
        task.service,
        task.name,
        0,
        [ids[consumer] for consumer in task.consumers if consumer in ids],
        _renamed(task.fields, ids),
        RetryPolicy(**task.policy) if task.policy else None,
        {**_rules(task, ids), "copied": True},
        _renamed(task.on_ready, ids) or None,
        known=known,
    )


def _rules(task: TaskRecord, ids: Mapping[str, str]) -> dict[str, Json]:
    rules = {name: value for name, value in task.rules.items() if name != "copied"}
    return rules | ({"child": ids[rules["child"]]} if rules.get("child") in ids else {})


def _renamed(value: Json, ids: Mapping[str, str]) -> Any:
    """The value with new ids where a text is an old one. An id within a text stays: it may be part of an address."""
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, dict):
        return {name: _renamed(one, ids) for name, one in value.items()}
    return [_renamed(one, ids) for one in value] if isinstance(value, list) else value


def _consumers_first(kept: Mapping[str, _Old]) -> Sequence[str]:
    """Every task after those that wait for it."""
    left = {task_id: sum(c in kept for c in one.task.consumers) for task_id, one in kept.items()}
    order = [task_id for task_id, count in left.items() if not count]
    for task_id in order:  # grows
        for parent in _all_parents(kept[task_id]):
            if parent.task.id in left:
                left[parent.task.id] -= 1
                if not left[parent.task.id]:
                    order.append(parent.task.id)
    return order


def _all_parents(one: _Old) -> Iterable[_Old]:
    return [*one.parents, *one.children]
