"""Scenarios with states in the model of the whole engine: the rules of docs/state_machines.md, in plain words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from orchestrator.store.machine_records import Event, Refusal, Sent
from tests.support.whole_state import FINAL, LIVE, State, is_left_over
from workers_sdk.protocol.messages import loads

EVENTS: Final = ("a", "b", "a", "b", "end")
IDS: Final = ("", "", "", "x", "y")

Note = Mapping[str, Any]


def states_of(state: State, scenario_id: str) -> dict[str, dict[str, Any]]:
    """The states of a scenario by name, as its template has them."""
    carrier = state.tasks[state.scenarios[scenario_id]["machine"]]
    states: dict[str, dict[str, Any]] = loads(carrier["on_ready"])["machine"]["states"]
    return states


def visit_of(state: State, task_id: str) -> int:
    """The visit that a task belongs to; 0: none."""
    task = state.tasks[task_id]
    above = [state.rules[task_id].get("child"), *loads(task["consumers"])]
    if "visit" in task:
        return int(task["visit"])
    return max((visit_of(state, one) for one in above if one in state.tasks), default=0)


def event_of(state: State, task_id: str) -> str:
    """Name of the event that led to the visit which a task belongs to; empty: it belongs to none."""
    way = state.ways.get(state.tasks[task_id]["scenario_id"], ())
    visit = visit_of(state, task_id)
    return str(way[visit - 1]["event"]) if visit else ""


def check_machines(before: State, now: State) -> None:
    """Each went from state to state as its template allows, and only tasks of one visit are alive."""
    for scenario_id, way in now.ways.items():
        known = len(before.ways.get(scenario_id, ()))
        for place in range(known, len(way)):
            _check_note(now, scenario_id, way[place - 1] if place else None, way[place])
        machine, last = now.machines[scenario_id], way[-1]
        scenario = now.scenarios[scenario_id]
        assert (machine["state"], int(machine["visit"])) == (last["to"], len(way)), machine
        assert (scenario["state"], scenario.get("outcome", "")) == (last["to"], last.get("end", "")), scenario
        _check_visits(now, scenario_id, machine)


def _check_note(now: State, scenario_id: str, previous: Note | None, note: Note) -> None:
    """A transition is one that its state allows, for the reason that it names."""
    states = states_of(now, scenario_id)
    if previous is None:
        assert (note["visit"], note["from"], note["event"]) == (1, None, "start"), note
        assert note["to"] == next(iter(states)), note
        return
    state = states[previous["to"]]
    assert (note["visit"], note["from"]) == (previous["visit"] + 1, previous["to"]), (previous, note)
    assert "end" not in previous, f"it had ended: {previous} {note}"
    allowed = {**state.get("on", {}), "then": state.get("then"), "after": state.get("after", {}).get("to")}
    allowed["otherwise"] = state.get("otherwise", previous["to"])
    assert note["to"] == allowed[note["event"]], (state, note)
    end = "failed" if note["event"] == "otherwise" and "otherwise" not in state else None
    assert note.get("end") == (end or states[note["to"]].get("end")), (state, note)
    if note["event"] == "after":
        ms = (datetime.fromisoformat(note["at"]) - datetime.fromisoformat(previous["at"])).total_seconds()
        assert ms * 1000 >= state["after"]["ms"], (previous, note)
    if note["event"] in ("then", "otherwise"):
        _check_ends(now, scenario_id, previous["visit"], note["event"] == "then")


def _check_ends(now: State, scenario_id: str, visit: int, is_good: bool) -> None:
    """All tasks of a visit have ended, and none of them, or one, failed as nothing provides for."""
    of = [one for one in now.of(scenario_id) if visit_of(now, one) == visit and "visit" not in now.tasks[one]]
    alive = [one for one in of if now.tasks[one]["status"] in LIVE and not is_left_over(now, one)]
    assert not alive, f"visit {visit} goes on: {[(now.tasks[one], now.rules[one]) for one in alive]}"
    bad = [one for one in of if now.tasks[one]["status"] in ("failed", "cancelled")]
    counting = [one for one in bad if not {"optional", "child"} & now.rules[one].keys()]
    assert is_good is all(_is_joined(now, one) for one in counting), counting


def _is_joined(now: State, task_id: str) -> bool:
    """Whether a failure is no failure of the whole: all that wait for the task need only some, or pass it on to such."""
    after = [one for one in loads(now.tasks[task_id]["consumers"]) if "visit" not in now.tasks[one]]
    return bool(after) and all(
        "need" in now.rules[one] or ("all_done" not in now.rules[one] and _is_joined(now, one))
        for one in after
    )


def _check_visits(now: State, scenario_id: str, machine: Mapping[str, str]) -> None:
    alive = {
        visit_of(now, one)
        for one in now.of(scenario_id)
        if now.tasks[one]["status"] in LIVE
        and not ("visit" in now.tasks[one] and now.tasks[one]["queue"] == "0")
    } - {0}
    assert len(alive) < 2, f"tasks of two visits are alive: {alive}"
    assert not alive or machine["written"] == "" or alive == {int(machine["visit"])}, (alive, machine)


def check_answer(seen: State, scenario_id: str, event: Event, sent: Sent) -> None:
    """What an event is answered with is what the rules say of what was seen before it was sent."""
    scenario, way = seen.scenarios[scenario_id], seen.ways.get(scenario_id, [])
    known = {note["event_id"]: note["event"] for note in way if "event_id" in note}
    carrier = seen.tasks.get(scenario["machine"], {"status": "pending"})
    if not way:
        ended = (carrier if scenario["machine"] in seen.tasks else scenario)["status"] in FINAL
        assert sent.refusal is (Refusal.ENDED if ended else Refusal.NOT_STARTED), sent
    elif event.id in known:
        refusal = None if known[event.id] == event.name else Refusal.CONFLICT
        assert (sent.refusal, sent.repeated) == (refusal, refusal is None), (sent, known)
    elif carrier["status"] in FINAL or "end" in way[-1]:
        assert sent.refusal is Refusal.ENDED, (sent, carrier)
    else:
        on = states_of(seen, scenario_id)[way[-1]["to"]].get("on", {})
        if event.name in on:
            assert (sent.refusal, sent.state) == (None, on[event.name]), (sent, on)
        else:
            assert (sent.refusal, list(sent.allowed)) == (Refusal.NOT_ALLOWED, sorted(on)), (sent, on)
