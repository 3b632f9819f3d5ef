"""Why does a task not run? Why is a scenario not done?"""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from orchestrator.store.why import Why
from workers_sdk.protocol.keys import is_id

from .answers import json_response
from .documented import problems
from .problems import not_found
from .services import Needs
from .why_models import ScenarioWhyOut, TaskWhyOut

router = APIRouter()

Id = Annotated[str, Path(description="16 characters.")]


@router.get(
    "/tasks/{task_id}/why",
    tags=["tasks"],
    operation_id="why_task",
    summary="Say why a task does not run, or how it ended",
    response_model=TaskWhyOut,
    responses=problems("not_found"),
)
async def why_task(task_id: Id, request: Request, needs: Needs) -> Response:
    """Name what it waits for, the most decisive reason first: tasks, time, people, a pause, a limit, its place in the queue,
    workers, the engine. Of one that has ended: how, and the chain back to where it began."""
    found = await Why(needs.store).task(task_id) if is_id(task_id) else None
    if found is None:
        raise not_found()
    request.state.task_id = task_id
    links = {"self": f"/tasks/{task_id}/why", "task": f"/tasks/{task_id}"}
    return json_response({**asdict(found), "links": links})


@router.get(
    "/scenarios/{scenario_id}/why",
    tags=["scenarios"],
    operation_id="why_scenario",
    summary="Say why a scenario is not done, or how it ended",
    response_model=ScenarioWhyOut,
    responses=problems("not_found"),
)
async def why_scenario(scenario_id: Id, request: Request, needs: Needs) -> Response:
    """Give what holds it up: tasks of a service that wait for the same kind of thing stand together, with the reasons of the
    first of them; those that only wait for other tasks come last."""
    found = await Why(needs.store).scenario(scenario_id) if is_id(scenario_id) else None
    if found is None:
        raise not_found()
    request.state.scenario_id = scenario_id
    links = {"self": f"/scenarios/{scenario_id}/why", "scenario": f"/scenarios/{scenario_id}"}
    return json_response({**asdict(found), "links": links})
