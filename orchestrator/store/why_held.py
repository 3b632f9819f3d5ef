"""Reasons of tasks that the orchestrator itself holds: gates, scenarios within scenarios, whatever waits for the outside."""

from typing import Any

from .gates import GateStore
from .machine_records import allowed_of
from .machines import MachineStore
from .why_records import Case, Reason, iso, ms_of, plural, span
from .why_waiting import not_handed_out, report_or_lost

Json = Any


async def held_by_engine(case: Case) -> list[Reason]:
    """What the engine waits for."""
    what, *state = case.task.held_for.split(" ")
    if what == "gate":
        return await _gate(case, state[0])
    if what == "scenario":
        return await _scenario(case, state[0])
    if what == "machine":
        return await _machine(case)
    text = "the orchestrator waits for something from outside: an event, or the end of tasks that it made"
    return [Reason("held_by_orchestrator", text, {"since": case.task.updated_at})]


async def _gate(case: Case, state: str) -> list[Reason]:
    gate = await GateStore(case.store).gate(case.task.task_id)
    if gate is None or not gate.is_open:
        text = f"its gate is {state}; the engine has not applied that yet"
        return [
            Reason("gate_ended", text, {"state": state}),
            *await report_or_lost(case, "nobody reported its end"),
        ]
    facts = gate.facts
    left = case.in_ms(ms_of(gate.deadline)) if gate.deadline else None
    known: dict[str, Json] = {
        "title": facts.title, "who": facts.who, "quorum": facts.quorum, "approvals": gate.approvals, "opened_at": gate.opened_at,
        "deadline": gate.deadline or None, "in_ms": left, "self_approval": facts.self_approval,
        "decide": f"/gates/{case.task.task_id}/decision",
    }  # fmt: skip
    who = ", ".join(facts.who) or "anybody"
    until = (
        f"; {facts.default['decision'] if facts.default else 'it fails'} in {span(left)}"
        if left is not None
        else ""
    )
    votes = f"{gate.approvals} of {plural(facts.quorum, 'approval')}"
    return [Reason("gate", f"people must decide: {facts.title} ({who} may; {votes}{until})", known)]


async def _scenario(case: Case, status: str) -> list[Reason]:
    child = case.task.child_scenario_id
    if status in ("pending", "processing"):
        text = f"it is the scenario {child}, which is {status}"
        return [
            Reason(
                "sub_scenario",
                text,
                {"scenario_id": child, "status": status, "why": f"/scenarios/{child}/why"},
            )
        ]
    ended = "was not made yet" if status == "none" else f"ended as {status}"
    text = f"its scenario {child} {ended}; the engine has not looked yet"
    return [
        Reason("sub_scenario_ended", text, {"scenario_id": child, "status": status}),
        *await not_handed_out(case),
    ]


async def _machine(case: Case) -> list[Reason]:
    scenario_id = case.task.scenario_id
    task, machine = (
        await case.store.task(case.task.task_id),
        await MachineStore(case.store).current(scenario_id),
    )
    if task is None or machine is None:
        text = "its states have not begun; the engine has not looked yet"
        return [Reason("state_machine", text), *await not_handed_out(case)]
    if machine.outcome:
        text = f"its state {machine.state} ends it as {machine.outcome}; the engine has not applied that yet"
        facts = {"state": machine.state, "outcome": machine.outcome}
        return [Reason("state_machine", text, facts), *await not_handed_out(case)]
    allowed = allowed_of(task, machine)
    left = case.in_ms(machine.until_ms) if machine.until_ms else None
    known: dict[str, Json] = {
        "state": machine.state, "since": machine.since, "allowed": allowed, "until": iso(machine.until_ms) if left is not None else None,
        "in_ms": left, "send": f"/scenarios/{scenario_id}/events",
    }  # fmt: skip
    waits = [f"an event ({', '.join(allowed)})"] if allowed else []
    waits += [f"its time, in {span(left)}"] if left is not None else []
    waits += ["the end of its tasks"] if machine.written else []
    text = f"it is in the state {machine.state} since {machine.since} and waits for {' or '.join(waits) or 'nothing'}"
    return [Reason("state_machine", text, known)]
