"""Fires out of turn: somebody asks a schedule to start its scenario now."""

from typing import Final

import orjson
from fastapi import APIRouter, Request, Response

from orchestrator.store.arguments import ScenarioTooLarge
from orchestrator.store.durability import Durability
from orchestrator.store.outcomes import Overloaded
from orchestrator.store.records import Cause
from orchestrator.store.schedule_records import Fire, FireOutcome, ScheduleRecord, State
from orchestrator.store.schedules import Begun, ScheduleEnded, Schedules, asked_fire
from orchestrator.templates import TemplateError, UnknownTemplate

from .answers import json_response
from .documented import ADMISSION, problems
from .durability import durable
from .handlers import problem_of
from .models import GenerateOut
from .problems import Problem
from .scenarios import IdempotencyKey, carried_out, check_one_key
from .schedules import LOCATION, Id, existing, order_of
from .services import Needs, Services
from .submission import Answer, accepted

router = APIRouter(prefix="/schedules", tags=["schedules"])

ENDS: Final = {
    **dict.fromkeys(("invalid_template", "unknown_template", "scenario_too_large"), FireOutcome.FAILED),
    **dict.fromkeys(ADMISSION, FireOutcome.REFUSED),
}
"""What problems make of a fire; with another one the engine goes on with it."""


@router.post(
    "/{schedule_id}/fire",
    status_code=201,
    operation_id="fire_schedule",
    summary="Start the scenario of a schedule now",
    response_model=GenerateOut,
    responses={
        201: LOCATION,
        **problems(
            *ADMISSION,
            "invalid_field",
            "not_found",
            "schedule_ended",
            "schedule_busy",
            "unknown_template",
            "invalid_template",
            "scenario_too_large",
            "busy",
        ),
    },
)
async def fire_schedule(
    schedule_id: Id, request: Request, needs: Needs, idempotency_key: IdempotencyKey = None
) -> Response:
    """Fire out of turn, of a paused schedule too. The next fire stays as it is, and `overlap` holds."""
    check_one_key(request)
    now_ms, record = await existing(schedule_id, needs)
    fire = asked_fire(schedule_id, now_ms, idempotency_key or needs.store.nonce())
    request.state.scenario_id = fire.scenario_id
    headers = {"Location": f"/scenarios/{fire.scenario_id}"}
    if idempotency_key and (first := await needs.store.scenario(fire.scenario_id)):
        headers["Idempotency-Replayed"] = "true"
        answer = Answer(accepted(first.scenario_id, first), first.scenario_id)
    else:
        await _begin(record, fire, needs)
        answer = await _carried_out(record, fire, needs)
    told = record.definition.durability
    sure = await durable(answer, needs, Durability.parse(told) if told else None)
    return json_response(sure, 201, headers)


async def _begin(record: ScheduleRecord, fire: Fire, needs: Services) -> None:
    """Raises Problem (409) when it cannot begin now."""
    if record.state is State.ENDED:
        raise ScheduleEnded(record.schedule_id)
    begun = await Schedules(needs.store).begin(record.schedule_id, fire)
    if begun.word == "CANCEL":
        await _cancelled(begun, record.schedule_id, needs)
        begun = await Schedules(needs.store).begin(record.schedule_id, fire)
    if begun.fire is None or begun.fire.scenario_id != fire.scenario_id:
        raise _busy(begun)


async def _cancelled(begun: Begun, schedule_id: str, needs: Services) -> None:
    word = await needs.store.cancel(
        begun.scenario_id, Cause("the next scenario of its schedule is asked for", schedule_id)
    )
    while word == "MORE":
        word = await needs.store.cancel(begun.scenario_id)


async def _carried_out(record: ScheduleRecord, fire: Fire, needs: Services) -> Answer:
    """Make the scenario. When we die or have no time for it, the engine goes on with it."""
    told, schedules = record.definition, Schedules(needs.store)
    try:
        await needs.admission.check()
        order = order_of("generate", told, fire.scenario_id, needs)
        answer = await carried_out(order, len(orjson.dumps(told.variables)), needs)
    except (TemplateError, UnknownTemplate, ScenarioTooLarge, Overloaded, Problem) as error:
        problem = error if isinstance(error, Problem) else problem_of(error)
        if problem and (outcome := ENDS.get(problem.code)):
            cause = {"type": problem.code, "message": str(problem.detail)}
            await schedules.end(record, fire, outcome, cause)
        raise
    await schedules.end(record, fire, FireOutcome.STARTED)
    return answer


def _busy(begun: Begun) -> Problem:
    if begun.scenario_id and begun.fire is None:
        detail = "The scenario before still runs."
        return Problem("schedule_busy", detail, extra={"scenario_id": begun.scenario_id})
    return Problem("schedule_busy", "Another fire of it is under way.")
