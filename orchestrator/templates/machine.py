"""The states of a scenario with ids and values, as its one task carries them: see `docs/state_machines.md`.

Ids of the tasks of a state are those of the template; every visit of the state makes ids of its own from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from orchestrator.templates.filling import TaskSpec, fill
from orchestrator.templates.naming import OWN_SERVICE
from orchestrator.templates.planned import Plan, StatePlan
from orchestrator.templates.state import Rendering
from orchestrator.templates.tree import Json
from workers_sdk.protocol.keys import short_uuid

MACHINE: Final = "machine"
"""Name and local id of the task."""


@dataclass(slots=True)
class StateSpec:
    """A state. `tasks` stand in document order, `write_order` lists their indexes, consumers first; `after_ms` is 0 without `after`."""

    name: str
    on: dict[str, str]
    then: str
    otherwise: str
    after_ms: int
    after: str
    end: str
    tasks: list[TaskSpec] = field(default_factory=list)
    write_order: list[int] = field(default_factory=list)


@dataclass(slots=True)
class MachineSpec:
    """All states, in document order."""

    initial: str
    states: list[StateSpec]


def fill_states(plan: Plan, state: Rendering, variables: Mapping[str, Json]) -> MachineSpec:
    """The states of a plan. Raises Refused (too much) and Unfit."""
    return MachineSpec(plan.initial, [_filled(one, state, variables) for one in plan.states])


def _filled(one: StatePlan, state: Rendering, variables: Mapping[str, Json]) -> StateSpec:
    after_ms, after = one.after or (0, "")
    spec = StateSpec(one.name, one.on, one.then or "", one.otherwise or "", after_ms, after, one.end or "")
    if one.plan is not None:
        spec.tasks, spec.write_order = fill(one.plan, state, variables), one.plan.order
    return spec


def machine_task(machine: MachineSpec, scenario_id: str) -> TaskSpec:
    """The one task that such a scenario begins with."""
    states = {spec.name: _definition(spec) for spec in machine.states}
    definition = {"initial": machine.initial, "states": states}
    task_id, rules = short_uuid(scenario_id, MACHINE), {"ask": True}
    on_ready = {"machine": definition}
    return TaskSpec(task_id, MACHINE, OWN_SERVICE, MACHINE, 0, [], {}, rules=rules, on_ready=on_ready)


def _definition(spec: StateSpec) -> dict[str, Json]:
    """A state as JSON; what is empty is left out."""
    known: dict[str, Json] = {"on": spec.on, "then": spec.then, "otherwise": spec.otherwise, "end": spec.end}
    if spec.after:
        known["after"] = {"ms": spec.after_ms, "to": spec.after}
    known["order"] = [task.id for task in spec.tasks]
    known["tasks"] = [_task(spec.tasks[index]) for index in spec.write_order]
    return {name: value for name, value in known.items() if value}


def _task(spec: TaskSpec) -> dict[str, Json]:
    """A task in the words of `NewTask`."""
    known: dict[str, Json] = {"id": spec.id, "key": spec.key, "service": spec.service, "name": spec.name}
    known |= {"queue": spec.queue, "consumers": spec.consumers, "fields": spec.fields}
    more = {"policy": spec.policy, "rules": spec.rules, "on_ready": spec.on_ready}
    return known | {name: value for name, value in more.items() if value}
