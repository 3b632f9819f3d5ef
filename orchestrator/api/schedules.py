"""Schedules: scenarios that start at their time."""

import hashlib
import secrets
from dataclasses import replace
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from orchestrator.store.arguments import ScenarioTooLarge
from orchestrator.store.records import Cause
from orchestrator.store.schedule_records import Fire, FireOutcome, ScheduleRecord, State
from orchestrator.store.schedules import Begun, ScheduleEnded, Schedules, asked_fire
from orchestrator.templates import TemplateError, UnknownTemplate
from workers_sdk.protocol.keys import is_id, scenario_id_from, short_uuid

from .answers import json_response
from .body import JsonRoute
from .documented import BODY, problems
from .handlers import problem_of
from .models import GenerateOut
from .problems import Problem, not_found
from .scenarios import Cursor, IdempotencyKey, carried_out
from .schedule_models import (
    PauseIn,
    PreviewIn,
    PreviewOut,
    ScheduleIn,
    ScheduleOut,
    SchedulePageOut,
)
from .schedule_views import definition_of, delay_of, fire_times, schedule_item, schedule_out, when_of
from .services import Needs, Services
from .submission import Order, variables_of

router = APIRouter(prefix="/schedules", tags=["schedules"], route_class=JsonRoute)

Id = Annotated[str, Path(description="16 characters.")]

_LOCATION: Final[dict[str, Any]] = {
    "headers": {"Location": {"description": "Address of what was made.", "schema": {"type": "string"}}}
}
_NEVER: Final = ("invalid_template", "unknown_template", "scenario_too_large")
"""Codes of problems that no repetition mends."""


@router.post(
    "",
    status_code=201,
    operation_id="create_schedule",
    summary="Make a schedule",
    response_model=ScheduleOut,
    responses={
        201: _LOCATION,
        **problems(
            *BODY, "invalid_schedule", "unknown_template", "invalid_template", "idempotency_conflict", "busy"
        ),
    },
)
async def create_schedule(
    body: ScheduleIn, request: Request, needs: Needs, idempotency_key: IdempotencyKey = None
) -> Response:
    """Have a scenario started by cron, at intervals, or once. The template is tried with the variables at once; what is
    wrong later is told by `last_error`. The same Idempotency-Key gives the same schedule for as long as it exists."""
    digest = hashlib.sha256(orjson.dumps(body.model_dump(), option=orjson.OPT_SORT_KEYS)).hexdigest()
    if idempotency_key:
        schedule_id = scenario_id_from(f"schedule {idempotency_key}".encode())
        _, known = await Schedules(needs.store).read(schedule_id)
        if known:
            return await _made(known, digest, needs)
    else:
        schedule_id = scenario_id_from(secrets.token_bytes(16))
    variables, warnings = variables_of(body, needs.registry.get(body.scenario))
    definition = definition_of(body, variables, digest)
    replace(definition.when, once_ms=definition.when.once_ms or delay_of(body)).check()
    await carried_out(_order("plan", body.scenario, variables, needs), request, needs)
    made, is_new = await Schedules(needs.store).create(
        schedule_id,
        definition,
        delay_ms=delay_of(body),
        paused=Cause("made so") if body.paused else None,
    )
    if not is_new:
        return await _made(made, digest, needs)
    return json_response(schedule_out(made, [], warnings), 201, _location(made.schedule_id))


@router.get(
    "",
    operation_id="list_schedules",
    summary="List schedules, newest first",
    response_model=SchedulePageOut,
    responses=problems("invalid_field", "invalid_cursor"),
)
async def list_schedules(
    needs: Needs,
    limit: Annotated[int, Query(ge=1, le=200, description="Most schedules on the page.")] = 50,
    cursor: Cursor = None,
) -> Response:
    """Give one page; go on with `next_cursor` until it is null."""
    page = await Schedules(needs.store).page(cursor=cursor, limit=limit)
    items = [schedule_item(item) for item in page.items]
    return json_response({"items": items, "next_cursor": page.next_cursor})


@router.post(
    "/preview",
    operation_id="preview_schedule",
    summary="See when a schedule would fire",
    response_model=PreviewOut,
    responses=problems(*BODY, "invalid_schedule"),
)
async def preview_schedule(body: PreviewIn, needs: Needs) -> Response:
    """Give the next fires, on the clock of the service and on those of the time zone. Nothing is stored."""
    now_ms, _ = await Schedules(needs.store).read("0" * 16)
    delay_ms, when = delay_of(body), when_of(body)
    once_ms = when.once_ms or (delay_ms and now_ms + delay_ms)
    when = replace(when, anchor_ms=when.start_ms or now_ms, once_ms=once_ms)
    when.check()
    return json_response({"fires": fire_times(when, now_ms, body.count)})


@router.get(
    "/{schedule_id}",
    operation_id="get_schedule",
    summary="Look at a schedule",
    response_model=ScheduleOut,
    responses=problems("not_found"),
)
async def get_schedule(schedule_id: Id, needs: Needs) -> Response:
    """Give what it is, when it fires next, and what became of its last fires."""
    return await _shown(await _existing(schedule_id, needs), needs)


@router.post(
    "/{schedule_id}/pause",
    operation_id="pause_schedule",
    summary="Pause a schedule",
    response_model=ScheduleOut,
    responses=problems(*BODY, "not_found", "schedule_ended"),
)
async def pause_schedule(schedule_id: Id, body: PauseIn, needs: Needs) -> Response:
    """Let nothing fire until it is resumed. Scenarios that run go on. Paused again it stays so and is no error."""
    await _existing(schedule_id, needs)
    return await _shown(await Schedules(needs.store).pause(schedule_id, Cause(body.reason, body.by)), needs)


@router.post(
    "/{schedule_id}/resume",
    operation_id="resume_schedule",
    summary="Resume a schedule",
    response_model=ScheduleOut,
    responses=problems("not_found", "schedule_ended"),
)
async def resume_schedule(schedule_id: Id, needs: Needs) -> Response:
    """Go on with the next fire from now; those that fell into the pause are not made up for."""
    await _existing(schedule_id, needs)
    return await _shown(await Schedules(needs.store).resume(schedule_id), needs)


@router.delete(
    "/{schedule_id}",
    status_code=204,
    operation_id="remove_schedule",
    summary="Remove a schedule",
    response_class=Response,
    responses=problems("not_found"),
)
async def remove_schedule(schedule_id: Id, needs: Needs) -> Response:
    """Remove it with its history. Scenarios that it started go on."""
    await _existing(schedule_id, needs)
    await Schedules(needs.store).remove(schedule_id)
    return Response(status_code=204)


@router.post(
    "/{schedule_id}/fire",
    status_code=201,
    operation_id="fire_schedule",
    summary="Start the scenario of a schedule now",
    response_model=GenerateOut,
    responses={
        201: _LOCATION,
        **problems(
            "not_found", "schedule_ended", "schedule_busy", "unknown_template", "invalid_template", "busy"
        ),
    },
)
async def fire_schedule(
    schedule_id: Id, request: Request, needs: Needs, idempotency_key: IdempotencyKey = None
) -> Response:
    """Fire out of turn, of a paused schedule too. The next fire stays as it is, and `overlap` holds."""
    now_ms, record = await Schedules(needs.store).read(schedule_id if is_id(schedule_id) else "0" * 16)
    if record is None:
        raise not_found()
    fire = asked_fire(schedule_id, now_ms, idempotency_key or "")
    if not (idempotency_key and await needs.store.scenario(fire.scenario_id)):
        fire = await _begun(record, fire, needs)
    request.state.scenario_id = fire.scenario_id
    answer = await _carried_out(record, fire, request, needs)
    return json_response(answer, 201, {"Location": f"/scenarios/{fire.scenario_id}"})


async def _begun(record: ScheduleRecord, fire: Fire, needs: Services) -> Fire:
    """Raises Problem (409) when it cannot begin now."""
    if record.state is State.ENDED:
        raise ScheduleEnded(record.schedule_id)
    begun = await Schedules(needs.store).begin(record.schedule_id, fire)
    if begun.word == "CANCEL":
        await _cancelled(begun, record.schedule_id, needs)
        begun = await Schedules(needs.store).begin(record.schedule_id, fire)
    if begun.fire is None or begun.fire.scenario_id != fire.scenario_id:
        raise _busy(begun)
    return begun.fire


async def _cancelled(begun: Begun, schedule_id: str, needs: Services) -> None:
    word = await needs.store.cancel(
        begun.scenario_id, Cause("the next scenario of its schedule is asked for", schedule_id)
    )
    while word == "MORE":
        word = await needs.store.cancel(begun.scenario_id)


async def _carried_out(record: ScheduleRecord, fire: Fire, request: Request, needs: Services) -> bytes:
    """Make the scenario. When we die or have no time for it, the engine goes on with it."""
    told, schedules = record.definition, Schedules(needs.store)
    try:
        order = replace(
            _order("generate", told.scenario, told.variables, needs), scenario_id=fire.scenario_id
        )
        answer = await carried_out(order, request, needs)
    except (TemplateError, UnknownTemplate, ScenarioTooLarge, Problem) as error:
        problem = error if isinstance(error, Problem) else problem_of(error)
        if problem and problem.code in _NEVER:
            cause = {"type": problem.code, "message": str(problem.detail)}
            await schedules.end(record, fire, FireOutcome.FAILED, cause)
        raise
    await schedules.end(record, fire, FireOutcome.STARTED)
    return answer.body


def _order(work: Any, scenario: str, variables: dict[str, Any], needs: Services) -> Order:
    template, strict = needs.registry.get(scenario), needs.settings.strict_templates
    return Order(work, template, short_uuid("0" * 16, "a plan"), variables, [], strict)


async def _existing(schedule_id: str, needs: Services) -> ScheduleRecord:
    record = (await Schedules(needs.store).read(schedule_id))[1] if is_id(schedule_id) else None
    if record is None:
        raise not_found()
    return record


async def _shown(record: ScheduleRecord | None, needs: Services) -> Response:
    if record is None:  # removed a moment ago
        raise not_found()
    fires = await Schedules(needs.store).fires(record.schedule_id)
    return json_response(schedule_out(record, fires))


async def _made(known: ScheduleRecord, digest: str, needs: Services) -> Response:
    """The answer to a repeated request. Raises Problem (409) when it is another one."""
    if known.definition.digest != digest:
        detail = "This Idempotency-Key came with another body before."
        raise Problem("idempotency_conflict", detail, extra={"schedule_id": known.schedule_id})
    fires = await Schedules(needs.store).fires(known.schedule_id)
    headers = {**_location(known.schedule_id), "Idempotency-Replayed": "true"}
    return json_response(schedule_out(known, fires), 201, headers)


def _location(schedule_id: str) -> dict[str, str]:
    return {"Location": f"/schedules/{schedule_id}"}


def _busy(begun: Begun) -> Problem:
    if begun.scenario_id and begun.fire is None:
        detail = "The scenario before still runs."
        return Problem("schedule_busy", detail, extra={"scenario_id": begun.scenario_id})
    return Problem("schedule_busy", "Another fire of it is under way.")
