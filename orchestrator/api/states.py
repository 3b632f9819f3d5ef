"""Scenarios with states: send them events, see how they came where they stand."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from orchestrator.store.machine_records import MAX_DATA_BYTES, Event, Refusal, Sent
from orchestrator.store.machines import MachineStore
from orchestrator.store.records import ScenarioRecord
from workers_sdk.protocol.messages import dumps

from .answers import json_response
from .body import JsonRoute
from .documented import BODY, problems
from .problems import FieldError, Problem
from .scenarios import existing_scenario
from .services import Needs, Services
from .state_models import EventIn, EventOut, HistoryOut

router = APIRouter(prefix="/scenarios", tags=["scenarios"], route_class=JsonRoute)

Json = Any

START_TRIES: Final = 40
START_WAIT_S: Final = 0.05
"""Whoever starts a scenario and sends it an event at once must not be turned away."""

ScenarioId = Annotated[str, Path(description="16 characters.")]


@router.post(
    "/{scenario_id}/events",
    operation_id="send_event",
    summary="Send an event to a scenario with states",
    response_model=EventOut,
    responses=problems(
        *BODY, "not_found", "invalid_transition", "scenario_final", "idempotency_conflict", "busy"
    ),
)
async def send_event(scenario_id: ScenarioId, body: EventIn, request: Request, needs: Needs) -> Response:
    """Move it to the state that the event leads to. What still runs of the state before is cancelled, and the tasks of the
    new one begin, soon after the answer."""
    scenario = await existing_scenario(scenario_id, request, needs)
    if len(dumps(body.data)) > MAX_DATA_BYTES:
        detail = f"It takes more than {MAX_DATA_BYTES} bytes: refer to a file instead."
        raise Problem("invalid_field", detail, errors=[FieldError(pointer="/data", detail=detail)])
    if not scenario.machine:
        raise _not_allowed(scenario, Sent(Refusal.NOT_ALLOWED), "The scenario has no states.")
    event = Event(body.event, body.data, body.by, body.event_id)
    sent = await _sent(scenario, event, needs)
    if sent.refusal is not None:
        raise await _refused(scenario, sent, needs)
    return json_response(
        {
            "scenario_id": scenario_id,
            "event": body.event,
            "state": sent.state,
            "allowed_events": sent.allowed,
            "repeated": sent.repeated,
        }
    )


@router.get(
    "/{scenario_id}/history",
    operation_id="get_history",
    summary="See how a scenario came from state to state",
    response_model=HistoryOut,
    responses=problems("not_found"),
)
async def get_history(scenario_id: ScenarioId, request: Request, needs: Needs) -> Response:
    """Give the last 500 transitions, oldest first."""
    await existing_scenario(scenario_id, request, needs)
    items = await MachineStore(needs.store).history(scenario_id)
    return json_response({"items": items})


async def _sent(scenario: ScenarioRecord, event: Event, needs: Services) -> Sent:
    machines = MachineStore(needs.store)
    sent = await machines.send(scenario, event)
    for _ in range(START_TRIES):
        if sent.refusal is not Refusal.NOT_STARTED:
            break
        await asyncio.sleep(START_WAIT_S)
        sent = await machines.send(scenario, event)
    return sent


async def _refused(scenario: ScenarioRecord, sent: Sent, needs: Services) -> Problem:
    if sent.refusal is Refusal.NOT_ALLOWED:
        takes = f"it takes {', '.join(sent.allowed)}" if sent.allowed else "it takes none"
        return _not_allowed(scenario, sent, f"The state {sent.state!r} does not take this event; {takes}.")
    if sent.refusal is Refusal.CONFLICT:
        return Problem("idempotency_conflict", "Another event was taken under this id.")
    if sent.refusal is Refusal.ENDED:
        now = await needs.store.scenario(scenario.scenario_id) or scenario
        return Problem(
            "scenario_final",
            "The scenario takes no events any more.",
            extra={"current_status": now.status.value, "state": now.state or None},
        )
    late = sent.refusal is Refusal.NOT_STARTED
    detail = "The scenario has not started yet." if late else "The scenario moves at this moment."
    return Problem("busy", detail, headers={"Retry-After": "1"})


def _not_allowed(scenario: ScenarioRecord, sent: Sent, detail: str) -> Problem:
    extra: dict[str, Json] = {"scenario_id": scenario.scenario_id, "state": sent.state or None}
    return Problem("invalid_transition", detail, extra={**extra, "allowed": list(sent.allowed)})
