"""Puts ids and values into a plan: the tasks to be created."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.templates.bindings import Binder
from orchestrator.templates.planned import Filling, Plan, PlannedTask
from orchestrator.templates.problems import Refused
from orchestrator.templates.references import TaskIds
from orchestrator.templates.state import Rendering
from orchestrator.templates.terms import Unfit
from orchestrator.templates.together import is_template
from orchestrator.templates.tree import Json, Tree, size_of, substitute
from workers_sdk.protocol.keys import short_uuid


@dataclass(slots=True)
class TaskSpec:
    """One task to be created. Not to be changed (a frozen class takes several times as long to make).

    `key` is its local id, `queue` its real in-degree, `consumers` are ids; `fields` are the template's own fields,
    `policy` is its `retry` with all defaults, times in milliseconds; `rules` are for the scripts, `on_ready` for the engine.
    Values inside may be shared between tasks and scenarios.
    """

    id: str
    key: str
    service: str
    name: str
    queue: int
    consumers: list[str]
    fields: dict[str, Json]
    policy: dict[str, Json] | None = None
    rules: dict[str, Json] | None = None
    on_ready: dict[str, Json] | None = None


def fill(plan: Plan, state: Rendering, variables: Mapping[str, Json]) -> list[TaskSpec]:
    """The tasks of a plan, in its order. Raises Refused (too much) and Unfit."""
    scenario_id, known = state.scenario_id, {name: id_ for id_, name in state.names.items()}
    ids = [known.get(task.key) or short_uuid(scenario_id, task.key) for task in plan.tasks]
    binder = Binder(state, plan.words, ids, variables)
    values, settled = state.values, state.settled
    tasks: list[TaskSpec] = []
    last: Filling | None = None
    filled: dict[str, Json] = {}
    more: dict[str, Json] | None = None
    for task, task_id in zip(plan.tasks, ids, strict=True):
        if task.filling is not last:
            state.check_time()
            last = task.filling
            filled, more = (
                (_filled(last, values, ids), None) if last.taken is None else binder.bound(last, last.taken)
            )
            if last.copies > 1:
                _pay(last.copies, filled, more, state.limits.max_output)
        fields = filled if task.index is None else {**filled, "index": task.index, **_own_index(filled)}
        consumers = [ids[consumer] for consumer in task.consumers]
        rules = on_ready = None
        if more or task.terms is not None:
            rules, on_ready = _ruled(task, more, settled, ids, state.templates)
        spec = TaskSpec(
            task_id, task.key, task.service, task.name, task.queue, consumers, fields, task.policy, rules, on_ready
        )  # fmt: skip
        tasks.append(spec)
    return tasks


def _filled(filling: Filling, values: list[Json], ids: Sequence[str]) -> dict[str, Json]:
    fields = filling.base.copy()
    if filling.open:
        values = filling.row.values(values)
        for name, tree in filling.open:
            fields[name] = _value(tree, values, ids)
    return fields


def _ruled(
    task: PlannedTask,
    more: dict[str, Json] | None,
    settled: list[Json],
    ids: list[str],
    templates: Collection[str] | None,
) -> tuple[dict[str, Json] | None, dict[str, Json] | None]:
    """`rules` and `on_ready` of a task."""
    rules: dict[str, Json] | None = None
    on_ready: dict[str, Json] | None = None
    if task.terms is not None:
        rules, on_ready = task.terms.filled(settled, task.filling.row.values(settled), ids)
        _check_scenario(on_ready, templates)
    if more:
        rules, on_ready = {**(rules or {}), "ask": True}, {**(on_ready or {}), **more}
    return rules, on_ready


def _check_scenario(on_ready: dict[str, Json] | None, templates: Collection[str] | None) -> None:
    """Its name may be a value, so each request has its own. Raises Unfit."""
    if templates is None or on_ready is None or "scenario" not in on_ready:
        return
    if not is_template(on_ready["scenario"]["name"], templates):
        raise Unfit("there is no such template")


def _own_index(filled: dict[str, Json]) -> dict[str, Json]:
    return {"index": filled["index"]} if "index" in filled else {}


def _value(tree: Tree, values: list[Json], ids: Sequence[str]) -> Json:
    if type(tree) is not TaskIds:
        return substitute(tree, values)
    found = [ids[part] if type(part) is int else substitute(part[0], values) for part in tree.parts]
    if tree.many:
        return found
    return found[0] if found else None


def _pay(copies: int, filled: dict[str, Json], more: dict[str, Json] | None, most: int) -> None:
    """Copies share their values here, but not in Redis: their size counts as often as they are made."""
    if (size_of(filled) + size_of(more or {})) * copies > most:
        raise Refused("output_too_large", f"{copies} copies of a task are longer than {most} characters")
