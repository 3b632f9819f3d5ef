"""Schedules: scenarios that start at their time."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from orchestrator.store.records import Cause
from orchestrator.store.schedule_records import Definition, ScheduleRecord
from orchestrator.store.schedules import Schedules
from workers_sdk.protocol.keys import is_id, scenario_id_from

from .answers import json_response
from .body import JsonRoute
from .documented import BODY, problems
from .durability import class_of, confirm
from .problems import Problem, not_found
from .scenarios import Cursor, IdempotencyKey, carried_out, check_one_key
from .schedule_models import (
    PauseIn,
    PreviewIn,
    PreviewOut,
    ScheduleIn,
    ScheduleMadeOut,
    ScheduleOut,
    SchedulePageOut,
    ScheduleRemoved,
)
from .schedule_views import (
    check_times,
    definition_of,
    delay_of,
    fire_times,
    schedule_item,
    schedule_out,
    when_of,
)
from .services import Needs, Services
from .submission import Order, Work, digest_of, variables_of

router = APIRouter(prefix="/schedules", tags=["schedules"], route_class=JsonRoute)

Id = Annotated[str, Path(description="16 characters.")]

LOCATION: Final[dict[str, Any]] = {
    "headers": {"Location": {"description": "Address of what was made.", "schema": {"type": "string"}}}
}


@router.post(
    "",
    status_code=201,
    operation_id="create_schedule",
    summary="Make a schedule",
    response_model=ScheduleMadeOut,
    responses={
        201: LOCATION,
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
    check_one_key(request)
    digest, schedule_id = digest_of(body), _id_of(body, idempotency_key)
    if known := (await Schedules(needs.store).read(schedule_id))[1]:
        return await _replayed(known, digest, body, needs)
    variables, warnings = variables_of(body, needs.registry.get(body.scenario))
    definition = definition_of(body, variables, digest)
    check_times(body, definition.when)
    await carried_out(order_of("plan", definition, schedule_id, needs), len(await request.body()), needs)
    made, is_new = await Schedules(needs.store).create(
        schedule_id,
        definition,
        delay_ms=delay_of(body),
        paused=Cause("made so") if body.paused else None,
    )
    if not is_new:
        return await _replayed(made, digest, body, needs)
    return await _made(schedule_out(made, [], warnings), body, needs)


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
    check_times(body, when)
    once_ms = when.once_ms or (delay_ms and now_ms + delay_ms)
    when = replace(when, anchor_ms=when.start_ms or now_ms, once_ms=once_ms)
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
    _, record = await existing(schedule_id, needs)
    return await _shown(record, needs)


@router.post(
    "/{schedule_id}/pause",
    operation_id="pause_schedule",
    summary="Pause a schedule",
    response_model=ScheduleOut,
    responses=problems(*BODY, "not_found", "schedule_ended"),
)
async def pause_schedule(schedule_id: Id, body: PauseIn, needs: Needs) -> Response:
    """Let nothing fire until it is resumed. Scenarios that run go on. Paused again it stays so and is no error."""
    await existing(schedule_id, needs)
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
    await existing(schedule_id, needs)
    return await _shown(await Schedules(needs.store).resume(schedule_id), needs)


@router.delete(
    "/{schedule_id}",
    operation_id="remove_schedule",
    summary="Remove a schedule",
    response_model=ScheduleRemoved,
    responses=problems("not_found"),
)
async def remove_schedule(schedule_id: Id, needs: Needs) -> Response:
    """Remove it with its history. Scenarios that it started go on."""
    await existing(schedule_id, needs)
    await Schedules(needs.store).remove(schedule_id)
    return json_response({"schedule_id": schedule_id, "removed": True})


def order_of(work: Work, told: Definition, scenario_id: str, needs: Services) -> Order:
    """To make the scenario of a schedule, or to try whether it can be made. Raises UnknownTemplate."""
    template, strict = needs.registry.get(told.scenario), needs.settings.strict_templates
    return Order(work, template, scenario_id, told.variables, [], strict, owner=told.owner)


async def existing(schedule_id: str, needs: Services) -> tuple[int, ScheduleRecord]:
    """The time in milliseconds, and a schedule by the id of an address. Raises Problem (404)."""
    if is_id(schedule_id):
        now_ms, record = await Schedules(needs.store).read(schedule_id)
        if record:
            return now_ms, record
    raise not_found()


async def _shown(record: ScheduleRecord | None, needs: Services) -> Response:
    if record is None:  # removed a moment ago
        raise not_found()
    fires = await Schedules(needs.store).fires(record.schedule_id)
    return json_response(schedule_out(record, fires))


def _id_of(body: ScheduleIn, key: str | None) -> str:
    """Id of a new schedule; with an idempotency key of its tenant the same every time."""
    own_key = f"{body.tenant}\n{key}" if body.tenant else key
    return scenario_id_from(f"schedule {own_key}".encode() if key else secrets.token_bytes(16))


async def _replayed(known: ScheduleRecord, digest: str, body: ScheduleIn, needs: Services) -> Response:
    """The answer to a repeated request. Raises Problem (409) when it is another one."""
    if known.definition.digest != digest:
        detail = "This Idempotency-Key came with another body before."
        raise Problem("idempotency_conflict", detail, extra={"schedule_id": known.schedule_id})
    fires = await Schedules(needs.store).fires(known.schedule_id)
    return await _made(schedule_out(known, fires), body, needs, {"Idempotency-Replayed": "true"})


async def _made(
    found: dict[str, Any], body: ScheduleIn, needs: Services, headers: Mapping[str, str] | None = None
) -> Response:
    """A `ScheduleMadeOut`, when it is as safe as was asked for, or the time is over."""
    confirmed = await confirm(found["schedule_id"], needs, class_of(body.durability))
    location = {"Location": found["links"]["self"]}
    return json_response({**found, "confirmed": confirmed.json()}, 201, location | {**(headers or {})})
