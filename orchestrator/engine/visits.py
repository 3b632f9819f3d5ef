"""The tasks of a state, made for one visit: a state may be entered again, so every visit has ids of its own."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.handover import flow_of, ruled
from orchestrator.store.machine_records import Machine, State
from orchestrator.store.records import NewTask, Owner, RetryPolicy, TaskRecord
from orchestrator.templates import runtime
from orchestrator.templates.naming import OWN_SERVICE
from workers_sdk.protocol.keys import ALPHABET, ID_CHARS, SLOT_CHARS, short_uuid
from workers_sdk.protocol.messages import dumps, loads

Json = Any


def visit_id(task: TaskRecord, visit: int) -> str:
    """Id of the task that stands for a visit: it waits for all others of it. `task` carries the states."""
    return short_uuid(task.scenario_id, f"{task.id}/{visit}")


def ids_of(task: TaskRecord, visit: int, state: State) -> dict[str, str]:
    """Ids of the tasks of a visit by those of the template."""
    return {one["id"]: short_uuid(task.scenario_id, f"{task.id}/{visit}/{one['key']}") for one in state.tasks}


def tasks_of(
    task: TaskRecord, machine: Machine, state: State, owner: Owner
) -> tuple[list[NewTask], list[str]]:
    """The tasks of the state that a machine is in, consumers first, and their ids in the order to show them in."""
    ids = ids_of(task, machine.visit, state)
    own_id, flow = visit_id(task, machine.visit), flow_of(owner)
    made = [_made(one, own_id, machine.event, flow) for one in _renamed(state.tasks, ids)]
    rules = {"ask": True, "all_done": True, "tolerated": True}
    on_ready = {"state": {"machine": task.id, "visit": machine.visit, "name": machine.state}}
    fields = {"visit": machine.visit}
    whole = NewTask(own_id, OWN_SERVICE, machine.state, len(made), [], fields, rules=rules, on_ready=on_ready)
    return [whole, *made], [own_id, *(ids[one] for one in state.order)]


def _made(one: Mapping[str, Json], own_id: str, event: Mapping[str, Json], flow: dict[str, Json]) -> NewTask:
    rules = dict(one.get("rules", {}))
    if not rules.get("optional"):
        rules["tolerated"] = True  # what a failure means is decided by the state
    on_ready = one.get("on_ready")
    return NewTask(
        one["id"],
        one["service"],
        one["name"],
        one["queue"],
        [*one["consumers"], own_id],
        one["fields"],
        RetryPolicy(**one["policy"]) if "policy" in one else None,
        rules if one["service"] == OWN_SERVICE else ruled(rules, flow),
        runtime.with_event(on_ready, event) if on_ready else None,
    )


def _renamed(tasks: Sequence[Mapping[str, Json]], ids: Mapping[str, str]) -> Sequence[Mapping[str, Json]]:
    """The tasks with new ids, also where `SHORT_UUID` put one into a text. Ids are random, so nothing else is one of them."""
    if not ids:
        return tasks
    text = dumps(tasks).decode()
    slot = next(iter(ids))[:SLOT_CHARS]
    an_id = re.compile(f"{slot}[{ALPHABET}]{{{ID_CHARS - SLOT_CHARS}}}")
    parts, start, found = [], 0, an_id.search(text)
    while found:
        new = ids.get(found[0])
        end = found.end() if new else found.start() + 1
        parts.append(text[start : found.start()] + new if new else text[start:end])
        start, found = end, an_id.search(text, end)
    renamed: Sequence[Mapping[str, Json]] = loads("".join(parts) + text[start:])
    return renamed
