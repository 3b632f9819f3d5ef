"""Run scenarios again: what failed of one, or a part of one anew."""

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from orchestrator.store.outcomes import OriginGone
from orchestrator.store.records import Idempotency, ScenarioRecord
from orchestrator.store.rerun import CannotRerun, Rerun
from orchestrator.store.revival import Revival
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status

from .answers import json_response
from .body import JsonRoute
from .dead_letter_models import RerunIn, RetriedOut
from .dead_letters import edits_of, not_revived
from .documented import ADMISSION, BODY, problems
from .durability import durable
from .models import GenerateOut
from .problems import FieldError, Problem
from .scenarios import MADE, IdempotencyKey, check_one_key, existing_scenario
from .services import Needs, Services
from .submission import Answer, accepted, digest_of, replay
from .views import scenario_item

router = APIRouter(prefix="/scenarios", tags=["scenarios"], route_class=JsonRoute)

OF_THE_START: Final = ("unknown_task", "ambiguous_task")

ScenarioId = Annotated[str, Path(description="16 characters.")]


@router.post(
    "/{scenario_id}/retry",
    operation_id="retry_scenario",
    summary="Run again what failed of a scenario",
    response_model=RetriedOut,
    responses=problems("not_found", "cannot_revive"),
)
async def retry_scenario(scenario_id: ScenarioId, request: Request, needs: Needs) -> Response:
    """Bring back all tasks that failed, were skipped or cancelled; what succeeded stays. Branches that run go on."""
    before = await existing_scenario(scenario_id, request, needs)
    if before.status is Status.SUCCESS:
        raise not_revived("SUCCEEDED")
    revived = await Revival(needs.store).retry(scenario_id)
    if revived.word != "OK":
        raise not_revived(revived.word)
    record = await existing_scenario(scenario_id, request, needs)
    return json_response({**scenario_item(record), "revived": len(revived.ids)})


@router.post(
    "/{scenario_id}/rerun",
    status_code=201,
    operation_id="rerun_scenario",
    summary="Run a scenario anew from one of its tasks on",
    response_model=GenerateOut,
    responses={
        201: MADE,
        **problems(
            *BODY, *ADMISSION, "not_found", "cannot_rerun", "scenario_too_large", "idempotency_conflict"
        ),
    },
)
async def rerun_scenario(
    scenario_id: ScenarioId,
    body: RerunIn,
    request: Request,
    needs: Needs,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a new scenario: that task and all that depends on it run anew, all else that succeeded is copied with its
    result. The old scenario stays as it is; each of the two names the other."""
    check_one_key(request)
    record = await existing_scenario(scenario_id, request, needs)
    idempotency = _idempotency(scenario_id, body, idempotency_key)
    answer = await replay(scenario_id, idempotency, needs.store) if idempotency else None
    if answer is None:
        await needs.admission.check()
        answer = await _rerun(record, body, idempotency, needs)
    headers = {"Location": f"/scenarios/{answer.scenario_id}"}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return json_response(await durable(answer, needs), 201, headers)


def _idempotency(scenario_id: str, body: RerunIn, key: str | None) -> Idempotency | None:
    """A key is of one scenario: the same key may rerun another one. No key of `POST /generate` begins like this one."""
    return Idempotency(f"\nrerun {scenario_id}\n{key}", digest_of(body)) if key else None


async def _rerun(
    record: ScenarioRecord, body: RerunIn, idempotency: Idempotency | None, needs: Services
) -> Answer:
    """Raises Problem."""
    new_id = scenario_id_from(secrets.token_bytes(16))
    try:
        new = await Rerun(needs.store).of(record, body.start, new_id, edits_of(body))
        made = await needs.store.submit(new, idempotency, admit=True)
    except CannotRerun as error:
        raise _cannot_rerun(error) from error
    except OriginGone as error:
        raise _cannot_rerun(CannotRerun("purged", "The scenario is being removed.")) from error
    first = await needs.store.scenario(made.scenario_id) if made.replayed else None
    return Answer(accepted(made.scenario_id, first or new), made.scenario_id, made.replayed)


def _cannot_rerun(error: CannotRerun) -> Problem:
    if error.word in OF_THE_START:
        return Problem("invalid_field", str(error), errors=[FieldError(pointer="/from", detail=str(error))])
    return Problem("cannot_rerun", str(error), extra={"reason": error.word})
