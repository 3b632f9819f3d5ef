"""The graph of a generated scenario, for people: stages and the longest chain."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.templates import GeneratedScenario, StateSpec, TaskSpec

Json = Any


def plan_out(scenario: GeneratedScenario, warnings: list[Json]) -> dict[str, Json]:
    """A `PlanOut` of a scenario that was generated and is not going to be stored. CPU only."""
    machine = scenario.machine
    graphs = [_graph(scenario.tasks, scenario.write_order)] if machine is None else []
    states = [_state(spec) for spec in machine.states] if machine else []
    tasks = [task for one in graphs for task in one["tasks"]]
    tasks += [task for one in states for task in one.pop("graph")]
    return {
        "name": scenario.name,
        "version": scenario.version,
        "variables": scenario.variables,
        "template_hash": scenario.template_hash,
        "total": len(tasks),
        "tasks": tasks,
        "stages": graphs[0]["stages"] if graphs else [],
        "critical_path": graphs[0]["critical_path"] if graphs else [],
        "initial": machine.initial if machine else None,
        "states": states if machine else None,
        "warnings": warnings,
    }


def _state(spec: StateSpec) -> dict[str, Json]:
    """A `PlannedState`; and its `graph`, tasks that are called by the state, too."""
    found = _graph(spec.tasks, spec.write_order, f"{spec.name}/")
    return {
        "name": spec.name,
        "on": spec.on,
        "then": spec.then or None,
        "otherwise": spec.otherwise or None,
        "after": {"delay_ms": spec.after_ms, "to": spec.after} if spec.after else None,
        "end": spec.end or None,
        "stages": found["stages"],
        "graph": found["tasks"],
    }


def _graph(tasks: Sequence[TaskSpec], write_order: Sequence[int], prefix: str = "") -> dict[str, Json]:
    key_of = {task.id: prefix + task.key for task in tasks}
    dependents = {key_of[task.id]: [key_of[consumer] for consumer in task.consumers] for task in tasks}
    order = [key_of[tasks[index].id] for index in reversed(write_order)]
    shown = [
        {
            "key": key_of[task.id],
            "service": task.service,
            "name": task.name,
            "queue": task.queue,
            "consumers": dependents[key_of[task.id]],
            "fields": task.fields,
            "policy": task.policy,
            "rules": task.rules,
            "on_ready": task.on_ready,
        }
        for task in tasks
    ]
    stages = _stages(dependents, _depths(order, dependents))
    return {"tasks": shown, "stages": stages, "critical_path": _longest(order, dependents)}


def _depths(order: Sequence[str], dependents: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Longest way from a start to each task. `order`: every task before its dependents."""
    depth = dict.fromkeys(order, 0)
    for key in order:
        for dependent in dependents[key]:
            depth[dependent] = max(depth[dependent], depth[key] + 1)
    return depth


def _stages(dependents: Mapping[str, Sequence[str]], depth: Mapping[str, int]) -> list[list[str]]:
    stages: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key in dependents:
        stages[depth[key]].append(key)
    return stages


def _longest(order: Sequence[str], dependents: Mapping[str, Sequence[str]]) -> list[str]:
    """One longest chain; of equal ones the first in the order of the template."""
    height: dict[str, int] = {}
    after: dict[str, str] = {}
    for key in reversed(order):
        follower = max(dependents[key], key=height.__getitem__, default="")
        height[key] = height.get(follower, 0) + 1
        if follower:
            after[key] = follower
    path = [max(dependents, key=height.__getitem__)] if dependents else []
    while path and path[-1] in after:
        path.append(after[path[-1]])
    return path
