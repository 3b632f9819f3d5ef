"""Batches: many scenarios by one request, looked at and cancelled as one."""

import asyncio
import secrets
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from orchestrator.store.batches import Batches, BatchRecord, batch_id_of
from orchestrator.store.durability import Durability
from orchestrator.store.listing import BadCursor
from orchestrator.store.records import Cause
from workers_sdk.protocol.keys import is_id
from workers_sdk.protocol.messages import Status

from .answers import json_response
from .batch_models import BatchAcceptedOut, BatchOut, BatchScenarioPage
from .body import JsonRoute
from .chunks import carried_on
from .documented import ADMISSION, BODY, problems
from .intake import Intake
from .lines import MEDIA_TYPE, lines_of
from .models import CancelIn, OwnedIn, ScenarioStatus
from .problems import Problem, not_found
from .scenarios import IdempotencyKey, check_one_key
from .services import Needs, Services
from .views import scenario_item

router = APIRouter(prefix="/batches", tags=["batches"], route_class=JsonRoute)

Json = Any
Id = Annotated[str, Path(description="16 characters.")]
Asked = Annotated[
    str | None,
    Query(
        pattern=r"^(memory|fsync|replicated\([1-9][0-9]?\))$",
        description="How safe all of it is to be before the answer: memory, fsync or replicated(n).",
    ),
]
_LINES: Final = {
    "requestBody": {
        "required": True,
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string", "description": f"A line is a JSON object `{OwnedIn.__name__}`."}
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    operation_id="submit_batch",
    summary="Start many scenarios",
    response_model=BatchAcceptedOut,
    responses={
        201: {
            "headers": {"Location": {"description": "Address of the batch.", "schema": {"type": "string"}}}
        },
        **problems(
            *BODY, *ADMISSION, "too_many_lines", "busy", "batch_cancelled", "invalid_field", "internal_error"
        ),
    },
    openapi_extra=_LINES,
)
async def submit_batch(
    request: Request, needs: Needs, idempotency_key: IdempotencyKey = None, durability: Asked = None
) -> Response:
    """Make a scenario of each line, as `POST /generate` does of a body. A line that cannot be one is told and keeps no other
    from being one. When the batch is broken off, what was accepted stays; repeated under its Idempotency-Key it goes on
    there."""
    check_one_key(request)
    batch_id = batch_id_of(secrets.token_bytes(16), idempotency_key)
    intake = Intake(batch_id, needs)
    timeout_s = needs.settings.batch_timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            await intake.take(lines_of(request, needs.settings))
    except TimeoutError as error:
        detail = f"The batch was not taken in within {timeout_s:g} s."
        raise intake.broken_off(Problem("body_timeout", detail)) from error
    await Batches(needs.store).close(batch_id, intake.accepted + intake.refused)
    asked = Durability.parse(durability or needs.settings.durability)
    confirmed = await needs.confirmer.confirm(batch_id, asked)
    head = {
        "batch_id": batch_id,
        "accepted": intake.accepted,
        "replayed": intake.replayed,
        "refused": intake.refused,
        "durability": confirmed.json(),
        "links": _links(batch_id),
    }
    body = orjson.dumps(head)[:-1] + b',"results":[' + bytes(intake.results) + b"]}"
    return json_response(body, 201, {"Location": f"/batches/{batch_id}"})


@router.get(
    "/{batch_id}",
    operation_id="get_batch",
    summary="Watch a batch",
    response_model=BatchOut,
    responses=problems("not_found"),
)
async def get_batch(batch_id: Id, needs: Needs) -> Response:
    """Give how many of its scenarios there are, and how many ended how."""
    return json_response(batch_out(await _existing(batch_id, needs)))


@router.get(
    "/{batch_id}/scenarios",
    operation_id="list_batch_scenarios",
    summary="List the scenarios of a batch",
    response_model=BatchScenarioPage,
    responses=problems("not_found", "invalid_field", "invalid_cursor"),
)
async def list_batch_scenarios(
    batch_id: Id,
    needs: Needs,
    status: Annotated[ScenarioStatus | None, Query(description="Only those in this status.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most scenarios on the page.")] = 50,
    cursor: Annotated[
        str | None, Query(min_length=1, max_length=20, description="`next_cursor` of the page before.")
    ] = None,
) -> Response:
    """Give one page in the order of the lines; go on with `next_cursor` until it is null."""
    await _existing(batch_id, needs)
    page = await Batches(needs.store).scenarios(batch_id, _line_of(cursor), limit)
    items = [
        {**scenario_item(record), "line": line}
        for line, record in page.items
        if status is None or record.status == Status(status)
    ]
    return json_response(
        {"items": items, "next_cursor": None if page.next_cursor is None else str(page.next_cursor)}
    )


@router.post(
    "/{batch_id}/cancel",
    operation_id="cancel_batch",
    summary="Cancel a batch",
    response_model=BatchOut,
    responses=problems(*BODY, "not_found"),
)
async def cancel_batch(batch_id: Id, body: CancelIn, needs: Needs) -> Response:
    """Cancel all of its scenarios that have not ended; it takes no further lines. Nothing of them begins any more; that they
    end follows soon after the answer."""
    await _existing(batch_id, needs)
    batches = Batches(needs.store)
    word = await batches.cancel(batch_id, Cause(body.reason, body.by))
    await carried_on(word, lambda: batches.cancel(batch_id))
    return json_response(batch_out(await _existing(batch_id, needs)))


def batch_out(batch: BatchRecord) -> Json:
    """A `BatchOut`."""
    ended = batch.total - batch.unfinished
    finished = "processing" if batch.unfinished else "finished"
    return {
        "batch_id": batch.batch_id,
        "status": "receiving" if batch.lines is None else finished,
        "percent": round(100 * ended / batch.total, 1) if batch.total else 0.0,
        "total": batch.total,
        "counts": {"unfinished": batch.unfinished, **{s.value: n for s, n in batch.ended.items()}},
        "refused": None if batch.lines is None else max(0, batch.lines - batch.total),
        "cancelled": batch.cancel,
        "created_at": batch.created_at,
        "closed_at": batch.closed_at or None,
        "links": _links(batch.batch_id),
    }


async def _existing(batch_id: str, needs: Services) -> BatchRecord:
    record = await Batches(needs.store).get(batch_id) if is_id(batch_id) else None
    if record is None:
        raise not_found()
    return record


def _line_of(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 15):
        raise BadCursor(cursor)
    return int(cursor)


def _links(batch_id: str) -> dict[str, str]:
    return {"self": f"/batches/{batch_id}", "scenarios": f"/batches/{batch_id}/scenarios"}
