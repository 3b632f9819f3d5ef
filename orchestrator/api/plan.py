"""The graph of a generated scenario, for people: stages and the longest chain."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.templates import GeneratedScenario

Json = Any


def plan_out(scenario: GeneratedScenario, warnings: list[Json]) -> dict[str, Json]:
    """A `PlanOut` of a scenario that was generated and is not going to be stored. CPU only."""
    key_of = {task.id: task.key for task in scenario.tasks}
    dependents = {task.key: [key_of[consumer] for consumer in task.consumers] for task in scenario.tasks}
    order = [scenario.tasks[index].key for index in reversed(scenario.write_order)]
    depth = _depths(order, dependents)
    return {
        "name": scenario.name,
        "version": scenario.version,
        "variables": scenario.variables,
        "template_hash": scenario.template_hash,
        "total": len(scenario.tasks),
        "tasks": [
            {
                "key": task.key,
                "service": task.service,
                "name": task.name,
                "queue": task.queue,
                "consumers": dependents[task.key],
                "fields": task.fields,
                "policy": task.policy,
                "rules": task.rules,
                "on_ready": task.on_ready,
            }
            for task in scenario.tasks
        ],
        "stages": _stages(dependents, depth),
        "critical_path": _longest(order, dependents),
        "warnings": warnings,
    }


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
