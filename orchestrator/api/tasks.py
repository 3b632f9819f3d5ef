"""Tasks: look at them, report about them."""

from typing import Final

from fastapi import APIRouter, Request, Response

from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import TaskRecord
from workers_sdk.protocol.keys import is_id
from workers_sdk.protocol.messages import EventKind, TaskEvent, dumps

from .answers import json_response
from .body import JsonRoute
from .documented import BODY, problems
from .models import StatusIn, TaskErrorIn, TaskOut
from .problems import Problem, not_found
from .services import Needs, Services
from .views import task_out

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=JsonRoute)

_REFUSALS: Final = {
    Outcome.FINISHED: ("already_final", "The task is already {status}."),
    Outcome.NOT_READY: ("not_ready", "The task waits for {queue} more tasks."),
    Outcome.HELD: ("held_by_worker", "A worker holds the task; report with its token, or let it finish."),
    Outcome.STALE: ("stale_token", "This token is not the current one of the task, which is {status}."),
}


async def existing_task(task_id: str, request: Request, needs: Services) -> TaskRecord:
    """A task by the id of an address. Raises Problem (404)."""
    task = await needs.store.task(task_id) if is_id(task_id) else None
    if task is None:
        raise not_found()
    request.state.scenario_id = task.scenario_id
    return task


@router.get(
    "/{task_id}",
    operation_id="get_task",
    summary="Look at a task",
    response_model=TaskOut,
    responses=problems("not_found"),
)
async def get_task(task_id: str, request: Request, needs: Needs) -> Response:
    """Give all that is known about a task."""
    return _shown(await existing_task(task_id, request, needs))


@router.patch(
    "/{task_id}/status",
    operation_id="report_task",
    summary="Report about a task, for workers that speak HTTP",
    response_model=TaskOut,
    responses=problems(*BODY, "not_found", "already_final", "not_ready", "held_by_worker", "stale_token"),
)
async def report_task(task_id: str, body: StatusIn, request: Request, needs: Needs) -> Response:
    """Apply the report at once. The same final status again is accepted and changes nothing.

    A task that no worker holds is taken by the first report; one that a worker holds needs its `token`.
    `processing` may be repeated, with `progress` and `message`: each report extends the lease of the task.
    """
    if not is_id(task_id):
        raise not_found()
    outcome = await needs.store.report(_event(task_id, body))
    task = await existing_task(task_id, request, needs)
    if outcome in _REFUSALS:
        raise _refused(outcome, task)
    return _shown(task)


def _shown(task: TaskRecord) -> Response:
    return json_response(task_out(task))


def _event(task_id: str, body: StatusIn) -> TaskEvent:
    fields: dict[str, str] = {}
    for name in ("result_ref", "message"):
        if (text := getattr(body, name)) is not None:
            fields[name] = text
    if body.progress is not None:
        fields["progress"] = f"{body.progress:g}"
    if body.result is not None:
        fields["result"] = dumps(body.result).decode()
    if body.error is not None:
        error = TaskErrorIn(message=body.error) if isinstance(body.error, str) else body.error
        fields["error"] = dumps(error.model_dump()).decode()
    return TaskEvent(task_id, EventKind(body.status), body.token or "", fields)


def _refused(outcome: Outcome, task: TaskRecord) -> Problem:
    code, detail = _REFUSALS[outcome]
    return Problem(
        code,
        detail.format(status=task.status.value, queue=task.queue),
        extra={"current_status": task.status.value, "attempt": task.attempt},
    )
