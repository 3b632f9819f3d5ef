"""Dead letters: tasks that failed for good. Look, edit, redrive, dismiss; and entries that could not be read at all."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from orchestrator.store.dead_letters import DeadLetters, Handled, Kind, is_fingerprint
from orchestrator.store.edits import Edits
from orchestrator.store.quarantine import set_aside
from workers_sdk.protocol.keys import is_id

from .answers import json_response
from .body import JsonRoute
from .dead_letter_models import (
    DismissedOut,
    EditIn,
    LetterKindsOut,
    LettersOut,
    QuarantineOut,
    RedrivenOut,
)
from .documented import BODY, problems
from .models import TaskOut
from .problems import Problem, not_found
from .services import Needs
from .tasks import existing_task
from .views import task_out

router = APIRouter(tags=["dead letters"], route_class=JsonRoute)

A_CALL: Final = 2_000
"""Dead letters of a call, about: some seconds at most."""
NOT_REVIVED: Final = {
    "UNWRITTEN": "Not all tasks of the scenario were made (yet).",
    "CANCELLING": "The scenario is being cancelled: wait for its end.",
    "ENDED": "The scenario was cancelled meanwhile.",
    "PURGED": "The scenario is being removed.",
    "BUSY": "Another call is bringing its tasks back: wait a moment.",
    "SUCCEEDED": "The scenario succeeded: nothing of it is to run again. Rerun it to do a part anew.",
    "LEFT": "It belongs to a state that the scenario has left: events lead on.",
    "UNDONE": "What some of its tasks had done was undone: rerun it instead.",
}

Fingerprint = Annotated[str, Path(description="`<service>:<16 hex digits>`.")]
TaskId = Annotated[str, Path(description="16 characters.")]
Json = Any


def not_revived(word: str) -> Problem:
    """Why nothing lives again, by a word of `Revived`."""
    return not_found() if word == "UNKNOWN" else Problem("cannot_revive", NOT_REVIVED[word])


@router.get(
    "/dead-letters",
    operation_id="list_dead_letter_kinds",
    summary="List what went wrong",
    response_model=LetterKindsOut,
    responses=problems("invalid_field"),
)
async def list_kinds(
    needs: Needs, limit: Annotated[int, Query(ge=1, le=200, description="Most kinds.")] = 50
) -> Response:
    """Group the tasks that failed for good by their error, that which came last first."""
    kinds, total = await DeadLetters(needs.store).kinds(limit)
    return json_response({"items": [_kind_out(kind) for kind in kinds], "total": total})


@router.get(
    "/dead-letters/{fingerprint}",
    operation_id="list_dead_letters",
    summary="List the dead letters of a kind",
    response_model=LettersOut,
    responses=problems("not_found", "invalid_field", "invalid_cursor"),
)
async def list_letters(
    fingerprint: Fingerprint,
    needs: Needs,
    limit: Annotated[int, Query(ge=1, le=200, description="Most tasks on the page.")] = 50,
    cursor: Annotated[
        str | None, Query(min_length=1, max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> Response:
    """Give one page, the latest first; none is left when all were redriven, dismissed or removed with their scenarios."""
    page = await DeadLetters(needs.store).letters(_known(fingerprint), cursor=cursor, limit=limit)
    return json_response({"items": [task_out(task) for task in page.items], "next_cursor": page.next_cursor})


@router.patch(
    "/dead-letters/tasks/{task_id}",
    operation_id="edit_dead_letter",
    summary="Change what a dead letter is to do",
    response_model=TaskOut,
    responses=problems(*BODY, "not_found", "not_a_dead_letter", "busy"),
)
async def edit_letter(task_id: TaskId, body: EditIn, request: Request, needs: Needs) -> Response:
    """Change its prompt, params or other fields; they hold for the attempts after its redrive."""
    task = await existing_task(task_id, request, needs)
    edits = edits_of(body)
    if edits.of(task.fields):
        word = await DeadLetters(needs.store).edit(task_id, edits)
        if word == "CHANGED":
            raise Problem("busy", "Others edit it at the same time.", headers={"Retry-After": "1"})
        if word != "OK":
            raise _not_dead() if word == "NOT_DEAD" else not_found()
    return json_response(task_out(await existing_task(task_id, request, needs)))


@router.post(
    "/dead-letters/tasks/{task_id}/redrive",
    operation_id="redrive_dead_letter",
    summary="Run a dead letter again",
    response_model=TaskOut,
    responses=problems("not_found", "not_a_dead_letter", "cannot_revive"),
)
async def redrive_one(task_id: TaskId, request: Request, needs: Needs) -> Response:
    """Hand it out again, with a new count of attempts; all that was skipped because of it waits for it again."""
    if not is_id(task_id):
        raise not_found()
    word = await DeadLetters(needs.store).redrive_one(task_id)
    if word != "OK":
        raise _not_dead() if word == "NOT_DEAD" else not_revived(word)
    return json_response(task_out(await existing_task(task_id, request, needs)))


@router.post(
    "/dead-letters/{fingerprint}/redrive",
    operation_id="redrive_dead_letters",
    summary="Run all dead letters of a kind again",
    response_model=RedrivenOut,
    responses=problems("not_found"),
)
async def redrive_kind(fingerprint: Fingerprint, needs: Needs) -> Response:
    """Redrive about 2,000 at once; the orchestrator goes on with the rest. Those that die anew meanwhile stay."""
    return _redriven(await DeadLetters(needs.store).redrive(_known(fingerprint), most=A_CALL))


@router.post(
    "/dead-letters/redrive",
    operation_id="redrive_all_dead_letters",
    summary="Run all dead letters again",
    response_model=RedrivenOut,
    responses=problems(),
)
async def redrive_all(needs: Needs) -> Response:
    """The same for all kinds."""
    return _redriven(await DeadLetters(needs.store).redrive(None, most=A_CALL))


@router.delete(
    "/dead-letters/tasks/{task_id}",
    operation_id="dismiss_dead_letter",
    summary="Take a dead letter off the list",
    response_model=DismissedOut,
    responses=problems("not_found", "not_a_dead_letter"),
)
async def dismiss_one(task_id: TaskId, request: Request, needs: Needs) -> Response:
    """The task stays failed, and can no longer be redriven by itself; its scenario can be retried."""
    await existing_task(task_id, request, needs)
    if not await DeadLetters(needs.store).dismiss_one(task_id):
        raise _not_dead()
    return json_response({"dismissed": 1, "left": 0})


@router.delete(
    "/dead-letters/{fingerprint}",
    operation_id="dismiss_dead_letters",
    summary="Take all dead letters of a kind off the list",
    response_model=DismissedOut,
    responses=problems("not_found"),
)
async def dismiss_kind(fingerprint: Fingerprint, needs: Needs) -> Response:
    """About 2,000 a call; ask again while some are left."""
    return _dismissed(await DeadLetters(needs.store).dismiss(_known(fingerprint), most=A_CALL))


@router.delete(
    "/dead-letters",
    operation_id="dismiss_all_dead_letters",
    summary="Take all dead letters off the list",
    response_model=DismissedOut,
    responses=problems(),
)
async def dismiss_all(needs: Needs) -> Response:
    """The same for all kinds."""
    return _dismissed(await DeadLetters(needs.store).dismiss(None, most=A_CALL))


@router.get(
    "/quarantine",
    operation_id="list_quarantine",
    summary="List entries that could not be read",
    response_model=QuarantineOut,
    responses=problems("invalid_field"),
)
async def list_quarantine(
    needs: Needs, limit: Annotated[int, Query(ge=1, le=1_000, description="Most entries.")] = 100
) -> Response:
    """Give facts about submissions and reports that were set aside, the latest first."""
    return json_response({"items": await set_aside(needs.store, limit)})


def edits_of(body: EditIn) -> Edits:
    """What a body changes."""
    return Edits(body.prompt, body.params, body.fields)


def _known(fingerprint: str) -> str:
    if not is_fingerprint(fingerprint):
        raise not_found()
    return fingerprint


def _not_dead() -> Problem:
    return Problem("not_a_dead_letter", "The task is no dead letter, or not any more.")


def _kind_out(kind: Kind) -> dict[str, Json]:
    return {
        "fingerprint": kind.fingerprint,
        "service": kind.fingerprint.partition(":")[0],
        "count": kind.count,
        "first_at": _iso(kind.first_ms),
        "last_at": _iso(kind.last_ms),
        "sample": task_out(kind.sample),
    }


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _redriven(handled: Handled) -> Response:
    return json_response({"redriven": handled.done, "left": handled.left, "carried_on": handled.carried_on})


def _dismissed(handled: Handled) -> Response:
    return json_response({"dismissed": handled.done, "left": handled.left})
