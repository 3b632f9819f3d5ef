"""Cancel: a scenario, or a task with all that depends on it; and what became of the attempts of a task."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import Cause
from workers_sdk.protocol.keys import is_id

from .answers import json_response
from .body import JsonRoute
from .chunks import carried_on
from .documented import BODY, problems
from .models import AttemptsOut, CancelIn, ScenarioItem, TaskOut
from .problems import Problem, not_found
from .services import Needs
from .tasks import existing_task
from .views import scenario_item, task_out

router = APIRouter(route_class=JsonRoute)

_NOT_ALONE: Final = {
    "machine": "The task carries the states of its scenario: cancel the scenario.",
    "state": "The task stands for a state: send the scenario an event, or cancel the tasks of the state.",
}

Id = Annotated[str, Path(description="16 characters.")]


@router.post(
    "/scenarios/{scenario_id}/cancel",
    tags=["scenarios"],
    operation_id="cancel_scenario",
    summary="Cancel a scenario",
    response_model=ScenarioItem,
    responses=problems(*BODY, "not_found", "scenario_final"),
)
async def cancel_scenario(scenario_id: Id, body: CancelIn, request: Request, needs: Needs) -> Response:
    """End it before its time: what waits never starts, handlers that run are told within a second, results that are there
    stay. Of a very large scenario the rest ends soon after the answer."""
    if not is_id(scenario_id):
        raise not_found()
    request.state.scenario_id = scenario_id
    word = await needs.store.cancel(scenario_id, _cause(body))
    word = await carried_on(word, lambda: needs.store.cancel(scenario_id))
    record = await needs.store.scenario(scenario_id)
    if record is None:
        raise not_found()
    if word == "FINAL" and record.status.value != "cancelled":
        raise Problem(
            "scenario_final",
            f"The scenario has ended: {record.status}.",
            extra={"current_status": record.status.value},
        )
    return json_response(scenario_item(record))


@router.post(
    "/tasks/{task_id}/cancel",
    tags=["tasks"],
    operation_id="cancel_task",
    summary="Cancel a task and what depends on it",
    response_model=TaskOut,
    responses=problems(*BODY, "not_found", "already_final", "not_alone"),
)
async def cancel_task(task_id: Id, body: CancelIn, request: Request, needs: Needs) -> Response:
    """Cancel one task; all that depends on it ends as cancelled too. A cancelled one stays so and is no error."""
    if not is_id(task_id):
        raise not_found()
    known = await existing_task(task_id, request, needs)
    for what, hint in _NOT_ALONE.items():
        if what in known.on_ready and not known.status.is_final:
            raise Problem("not_alone", hint)
    outcome = await needs.store.cancel_task(task_id, _cause(body))
    task = await existing_task(task_id, request, needs)
    if outcome is Outcome.NOT_READY:
        raise Problem("not_alone", "The task runs at the end, and all others have not ended yet.")
    if outcome is Outcome.FINISHED:
        raise Problem(
            "already_final",
            f"The task is already {task.status.value}.",
            extra={"current_status": task.status.value, "attempt": task.attempt},
        )
    return json_response(task_out(task))


@router.get(
    "/tasks/{task_id}/attempts",
    tags=["tasks"],
    operation_id="list_attempts",
    summary="List the attempts of a task that did not succeed",
    response_model=AttemptsOut,
    responses=problems("not_found"),
)
async def list_attempts(task_id: Id, request: Request, needs: Needs) -> Response:
    """Give worker, times and error of each, oldest first, the last 20."""
    await existing_task(task_id, request, needs)
    found = await needs.store.attempts(task_id)
    items = [
        {
            "attempt": one.attempt,
            "worker": one.worker,
            "started_at": one.started_at or None,
            "finished_at": one.finished_at,
            "error": one.error,
        }
        for one in found
    ]
    return json_response({"items": items})


def _cause(body: CancelIn) -> Cause:
    return Cause(body.reason, body.by)
