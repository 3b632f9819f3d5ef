"""The tasks of a state, made for one visit."""

from typing import Any

from orchestrator.engine.visits import ids_of, tasks_of, visit_id
from orchestrator.handover import new_scenario
from orchestrator.store.machine_records import Machine, state_of
from orchestrator.store.records import NewTask, Owner, TaskRecord
from orchestrator.templates import runtime
from tests.unit.templates.build import build
from workers_sdk.protocol.keys import short_uuid
from workers_sdk.protocol.messages import Status

TEXT = """
states:
  works:
    tasks:
      - {id: a, name: A, service: s, optional: true}
      - name: B
        service: s
        needs: [a]
        prompt: "of {{ SHORT_UUID('a') }}{{ SHORT_UUID('a') }}, said {{ event.data.word }} in {{ event.from }}"
        params: {same: {{ SHORT_UUID('a') }}, other: {{ SHORT_UUID('c') }}, result: {{ result('a') | default(0) }}}
        when: "status('a') == 'failed' or event.name == 'go'"
      - name: Ask
        needs: [a]
        gate: {draft: {of: event, given: no}, title: "{{ event.by }}"}
    then: works
"""
EVENT = {"name": "go", "data": {"word": "{{ hello }}"}, "by": "ann", "from": "idle"}


def carrier() -> TaskRecord:
    """The task that carries the states."""
    (new,) = new_scenario(build(TEXT), []).tasks
    return TaskRecord(
        new.id,
        "00abcdefghjkmnpq",
        new.service,
        new.name,
        Status.PROCESSING,
        0,
        [],
        "",
        "",
        on_ready=new.on_ready or {},
    )


def made(visit: int, owner: Owner | None = None) -> tuple[dict[str, NewTask], list[str]]:
    task = carrier()
    machine = Machine("works", visit, "", 0, EVENT, "", None, 0, 1)
    tasks, order = tasks_of(task, machine, state_of(task, "works"), owner or Owner())
    return {one.name: one for one in tasks}, order


def test_every_visit_has_ids_of_its_own_that_are_the_same_however_often_they_are_made() -> None:
    first, again, other = (made(visit) for visit in (2, 2, 3))
    assert [one.id for one in first[0].values()] == [one.id for one in again[0].values()]
    assert not {one.id for one in first[0].values()} & {one.id for one in other[0].values()}
    assert first[1] == [first[0][name].id for name in ("works", "A", "B", "Ask")]


def test_one_task_stands_for_the_visit_and_waits_for_all_others() -> None:
    tasks, _ = made(2)
    own = tasks["works"]
    assert (own.id, own.service, own.queue, own.consumers) == (visit_id(carrier(), 2), "orchestrator", 3, [])
    assert own.rules == {"ask": True, "all_done": True, "tolerated": True}
    assert own.on_ready == {"state": {"machine": carrier().id, "visit": 2, "name": "works"}}
    assert own.fields == {"visit": 2}
    assert tasks["A"].consumers == [tasks["B"].id, tasks["Ask"].id, own.id]
    assert [tasks[name].consumers for name in ("B", "Ask")] == [[own.id]] * 2


def test_references_lead_to_the_tasks_of_the_same_visit() -> None:
    tasks, _ = made(2)
    a, b = tasks["A"], tasks["B"]
    assert b.fields["params"] == {"same": a.id, "other": short_uuid("00abcdefghjkmnpq", "c"), "result": None}
    assert b.on_ready is not None
    known = {a.id: runtime.Known("success", {"x": 1}, "")}
    assert runtime.wanted(b.on_ready) == [a.id]
    assert runtime.passes(b.on_ready, known)
    assert runtime.resolved(b.on_ready, known, b.fields) == {
        "prompt": f"of {a.id}{a.id}, said {{{{ hello }}}} in idle",
        "params": {**b.fields["params"], "result": {"x": 1}},
    }


def test_a_failure_is_left_to_the_state() -> None:
    tasks, _ = made(2)
    rules: dict[str, Any] = {name: task.rules for name, task in tasks.items()}
    assert rules["A"] == {"optional": True}
    assert rules["B"] == {"ask": True, "tolerated": True}


def test_what_looks_like_a_value_of_the_event_is_none() -> None:
    tasks, _ = made(2)
    on_ready = tasks["Ask"].on_ready or {}
    assert on_ready["gate"]["draft"] == {"of": "event", "given": "no"}
    assert runtime.gate_of(on_ready, {})["title"] == "ann"


def test_tasks_share_the_services_as_their_owner_may() -> None:
    tasks, _ = made(2, Owner(tenant="acme"))
    flow = {name: (task.rules or {}).get("flow") for name, task in tasks.items()}
    assert flow == {"works": None, "A": {"tenant": "acme"}, "B": {"tenant": "acme"}, "Ask": None}


def test_ids_are_derived_from_the_task_that_carries_the_states() -> None:
    task = carrier()
    ids = ids_of(task, 2, state_of(task, "works"))
    assert sorted(ids.values()) == sorted(one.id for name, one in made(2)[0].items() if name != "works")
