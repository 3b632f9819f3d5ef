"""Flow control: limits of services; pause and resume of services, of everything, and of scenarios."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from orchestrator.store.flow import ALL, Flow
from orchestrator.store.flow_records import Limits, Pause, Rate, ServiceState, TooSmallToShare
from workers_sdk.protocol.keys import is_id, is_service

from .answers import json_response
from .body import JsonRoute
from .chunks import carried_on
from .documented import BODY, problems
from .flow_models import LimitsIn, PausedOut, ServiceOut, ServicesOut
from .models import ScenarioItem
from .problems import FieldError, Problem, not_found
from .schedule_models import PauseIn
from .services import Needs
from .views import scenario_item

router = APIRouter(route_class=JsonRoute)

Name = Annotated[str, Path(description="Name of a service.")]
Id = Annotated[str, Path(description="16 characters.")]


@router.get(
    "/services",
    tags=["flow"],
    operation_id="list_services",
    summary="List the services with their limits and pauses",
    response_model=ServicesOut,
    responses=problems(),
)
async def list_services(needs: Needs) -> Response:
    """Give all services that ever got a task, limits or a pause, and what waits for each."""
    flow = Flow(needs.store)
    items = [_service_out(state) for state in await flow.states(await flow.services())]
    return json_response({"paused": _pause_out(await flow.pause_of_all()), "items": items})


@router.get(
    "/services/{service}",
    tags=["flow"],
    operation_id="get_service",
    summary="Show a service with its limits and pauses",
    response_model=ServiceOut,
    responses=problems("not_found"),
)
async def get_service(service: Name, needs: Needs) -> Response:
    """Give its limits, and what waits for it now."""
    flow = Flow(needs.store)
    if not is_service(service) or service not in await flow.services():
        raise not_found()
    return json_response(_service_out(await flow.state(service)))


@router.put(
    "/services/{service}",
    tags=["flow"],
    operation_id="limit_service",
    summary="Set the limits of a service",
    response_model=ServiceOut,
    responses=problems(*BODY, "not_found"),
)
async def limit_service(service: Name, body: LimitsIn, needs: Needs) -> Response:
    """Replace all its limits. They hold for whatever no worker has begun; what runs goes on and is not counted if it
    began before there was a limit."""
    rate = Rate(**body.rate.model_dump()) if body.rate else None
    flow = _flow(service, needs)
    try:
        await flow.limit(service, Limits(body.concurrency, rate, body.weights))
    except TooSmallToShare as error:
        where = FieldError(pointer="/concurrency", detail=str(error))
        raise Problem("invalid_field", f"The limit cannot be shared: {error}.", errors=[where]) from error
    return json_response(_service_out(await flow.state(service)))


@router.delete(
    "/services/{service}",
    tags=["flow"],
    operation_id="forget_service",
    summary="Remove the limits of a service",
    response_model=ServiceOut,
    responses=problems("not_found"),
)
async def forget_service(service: Name, needs: Needs) -> Response:
    """Hand out what its limits held back; from now on its tasks wait for nothing but workers. A pause stays."""
    flow = _flow(service, needs)
    await flow.forget(service)
    return json_response(_service_out(await flow.state(service)))


@router.post(
    "/services/{service}/pause",
    tags=["flow"],
    operation_id="pause_service",
    summary="Pause a service",
    response_model=ServiceOut,
    responses=problems(*BODY, "not_found"),
)
async def pause_service(service: Name, body: PauseIn, needs: Needs) -> Response:
    """Let none of its tasks begin until it is resumed. What runs goes on."""
    flow = _flow(service, needs)
    await flow.pause(service, Pause(body.reason, body.by))
    return json_response(_service_out(await flow.state(service)))


@router.post(
    "/services/{service}/resume",
    tags=["flow"],
    operation_id="resume_service",
    summary="Resume a service",
    response_model=ServiceOut,
    responses=problems("not_found"),
)
async def resume_service(service: Name, needs: Needs) -> Response:
    """Hand out what was held back, within its limits. One that is not paused stays so and is no error."""
    flow = _flow(service, needs)
    await flow.resume(service)
    return json_response(_service_out(await flow.state(service)))


@router.post(
    "/pause",
    tags=["flow"],
    operation_id="pause_everything",
    summary="Pause all services",
    response_model=PausedOut,
    responses=problems(*BODY),
)
async def pause_everything(body: PauseIn, needs: Needs) -> Response:
    """Let no task of any service begin until they are resumed. What runs goes on, new scenarios are accepted."""
    flow = Flow(needs.store)
    await flow.pause(ALL, Pause(body.reason, body.by))
    return json_response({"paused": _pause_out(await flow.pause_of_all())})


@router.post(
    "/resume",
    tags=["flow"],
    operation_id="resume_everything",
    summary="Resume all services",
    response_model=PausedOut,
    responses=problems(),
)
async def resume_everything(needs: Needs) -> Response:
    """End the pause of all services. One that was paused by itself stays paused, and so do scenarios."""
    flow = Flow(needs.store)
    await flow.resume(ALL)
    return json_response({"paused": _pause_out(await flow.pause_of_all())})


@router.post(
    "/scenarios/{scenario_id}/pause",
    tags=["scenarios"],
    operation_id="pause_scenario",
    summary="Pause a scenario",
    response_model=ScenarioItem,
    responses=problems(*BODY, "not_found", "scenario_final"),
)
async def pause_scenario(scenario_id: Id, body: PauseIn, request: Request, needs: Needs) -> Response:
    """Let none of its tasks begin until it is resumed, nor those of the scenarios within it. What runs goes on."""
    if not is_id(scenario_id):
        raise not_found()
    request.state.scenario_id = scenario_id
    flow = Flow(needs.store)
    word = await flow.pause_scenario(scenario_id, Pause(body.reason, body.by))
    word = await carried_on(word, lambda: flow.pause_scenario(scenario_id))
    return await _scenario_out(scenario_id, needs, final=word == "FINAL")


@router.post(
    "/scenarios/{scenario_id}/resume",
    tags=["scenarios"],
    operation_id="resume_scenario",
    summary="Resume a scenario",
    response_model=ScenarioItem,
    responses=problems("not_found", "scenario_final"),
)
async def resume_scenario(scenario_id: Id, request: Request, needs: Needs) -> Response:
    """Hand out what was held back, also in the scenarios within it, but for those that were paused by themselves. One that is
    not paused stays so and is no error; one within a scenario that is paused stays paused."""
    if not is_id(scenario_id):
        raise not_found()
    request.state.scenario_id = scenario_id
    flow = Flow(needs.store)
    word = await flow.resume_scenario(scenario_id, begin=True)
    await carried_on(word, lambda: flow.resume_scenario(scenario_id, begin=False))
    return await _scenario_out(scenario_id, needs, final=False)


async def _scenario_out(scenario_id: str, needs: Needs, *, final: bool) -> Response:
    record = await needs.store.scenario(scenario_id)
    if record is None:
        raise not_found()
    if final or record.status.is_final:
        raise Problem(
            "scenario_final",
            f"The scenario has ended: {record.status}.",
            extra={"current_status": record.status.value},
        )
    return json_response(scenario_item(record))


def _flow(service: str, needs: Needs) -> Flow:
    if not is_service(service):
        raise not_found()
    return Flow(needs.store)


def _service_out(state: ServiceState) -> dict[str, Any]:
    """A `ServiceOut`."""
    return {
        "service": state.service,
        "limits": asdict(state.limits) if state.limits else None,
        "paused": _pause_out(state.paused),
        "waiting": state.waiting,
        "out": state.out,
        "queued": state.queued,
        "links": {"self": f"/services/{state.service}"},
    }


def _pause_out(pause: Pause | None) -> dict[str, str] | None:
    return asdict(pause) if pause else None
