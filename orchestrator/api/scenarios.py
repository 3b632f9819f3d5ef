"""Scenarios: generate, plan, list, watch."""

from dataclasses import replace
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Query, Request, Response

from orchestrator.store.machines import MachineStore
from orchestrator.store.records import ScenarioRecord
from orchestrator.templates import Limits, TemplateError
from workers_sdk.protocol.keys import is_id
from workers_sdk.protocol.messages import Status

from .answers import json_response
from .body import INLINE_BYTES, JsonRoute
from .documented import ADMISSION, BODY, problems
from .durability import class_of, durable
from .models import (
    GenerateIn,
    GenerateOut,
    PlanOut,
    ScenarioOut,
    ScenarioPageOut,
    ScenarioStatus,
    TaskPageOut,
)
from .pages import DEFAULT_TASKS, MAX_TASKS, last_result, tasks_page
from .problems import Problem, not_found
from .services import Needs, Services
from .submission import Answer, Order, Work, carry_out, identify, owner_of, replayed, variables_of
from .views import scenario_item

router = APIRouter(tags=["scenarios"], route_class=JsonRoute)

SMALL: Final = Limits(
    max_tasks=200,
    max_output=200_000,
    max_ticks=5_000,
    max_seconds=0.02,
    max_text=50_000,
    max_items=5_000,
    max_memory=500_000,
)
"""What is made at once, between two other requests: some milliseconds at most. What is more goes to a renderer."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Any visible characters. The same key and body again give the same scenario, for 24 hours.",
    ),
]
MADE: Final = {
    "headers": {
        "Location": {"description": "Address of the scenario.", "schema": {"type": "string"}},
        "Idempotency-Replayed": {
            "description": "`true` when an earlier request with this key made the scenario.",
            "schema": {"type": "string"},
        },
    }
}
"""Headers of the answer to what makes a scenario."""
Limit = Annotated[int, Query(ge=1, le=MAX_TASKS, description="Most tasks on the page.")]
Cursor = Annotated[
    str | None, Query(min_length=1, max_length=200, description="`next_cursor` of the page before.")
]


@router.post(
    "/generate",
    status_code=201,
    operation_id="generate",
    summary="Generate a scenario and start it",
    response_model=GenerateOut,
    responses={
        201: MADE,
        **problems(*BODY, *ADMISSION, "unknown_template", "invalid_template", "idempotency_conflict", "busy"),
    },
)
async def generate(
    body: GenerateIn, request: Request, needs: Needs, idempotency_key: IdempotencyKey = None
) -> Response:
    """Render the template, check its graph and hand the tasks to the orchestrator. Nothing is stored on an error."""
    check_one_key(request)
    order = _order("generate", body, needs, idempotency_key)
    answer = await replayed(order, needs.store)
    if answer is None:
        await needs.admission.check()
        answer = await carried_out(order, len(await request.body()), needs)
    request.state.scenario_id = answer.scenario_id
    headers = {"Location": f"/scenarios/{answer.scenario_id}"}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return json_response(await durable(answer, needs, class_of(body.durability)), 201, headers)


@router.post(
    "/plan",
    operation_id="plan",
    summary="Generate and check a scenario without starting it",
    tags=["templates"],
    response_model=PlanOut,
    responses=problems(*BODY, "unknown_template", "invalid_template", "busy"),
)
async def plan(body: GenerateIn, request: Request, needs: Needs) -> Response:
    """Give the graph, the warnings and the longest chain. Nothing is stored."""
    answer = await carried_out(_order("plan", body, needs, None), len(await request.body()), needs)
    return json_response(answer.body)


def check_one_key(request: Request) -> None:
    """Raises Problem when nobody can tell which key is meant."""
    if len(request.headers.getlist("Idempotency-Key")) > 1:
        raise Problem("invalid_request", "The request has more than one Idempotency-Key.")


def _order(work: Work, body: GenerateIn, needs: Services, key: str | None) -> Order:
    template = needs.registry.get(body.scenario)
    variables, unused = variables_of(body, template)
    scenario_id, idempotency = identify(body, key)
    strict = needs.settings.strict_templates
    return Order(work, template, scenario_id, variables, unused, strict, idempotency, owner_of(body))


async def carried_out(order: Order, size: int, needs: Services) -> Answer:
    """Here when it is small, by a renderer when it is not; what is too much for here shows while it is made.

    Args:
        size: bytes of what was asked for.
    """
    order = replace(order, templates=needs.registry.names())
    if size <= INLINE_BYTES:
        try:
            return await carry_out(order, needs.store, SMALL)
        except TemplateError as error:
            if not error.is_about_limits:
                raise
    return await needs.renderers.carry_out(order)


@router.get(
    "/scenarios",
    operation_id="list_scenarios",
    summary="List scenarios, newest first",
    response_model=ScenarioPageOut,
    responses=problems("invalid_field", "invalid_cursor"),
)
async def list_scenarios(
    needs: Needs,
    status: Annotated[ScenarioStatus | None, Query(description="Only those in this status.")] = None,
    name: Annotated[
        str | None, Query(min_length=1, max_length=100, description="Only those of this name, exactly.")
    ] = None,
    tenant: Annotated[
        str | None, Query(min_length=1, max_length=100, description="Only those of this tenant.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most scenarios on the page.")] = 50,
    cursor: Cursor = None,
) -> Response:
    """Give one page; go on with `next_cursor` until it is null."""
    page = await needs.store.scenarios(
        status=Status(status) if status else None, name=name, tenant=tenant, cursor=cursor, limit=limit
    )
    items = [scenario_item(item) for item in page.items]
    return json_response({"items": items, "next_cursor": page.next_cursor})


@router.get(
    "/scenarios/{scenario_id}",
    operation_id="get_scenario",
    summary="Watch a scenario",
    response_model=ScenarioOut,
    responses=problems("not_found", "invalid_field", "invalid_cursor"),
)
async def get_scenario(
    scenario_id: str, request: Request, needs: Needs, limit: Limit = DEFAULT_TASKS, cursor: Cursor = None
) -> Response:
    """Give status, percent, counts and the tasks in the order of the template: all of them when they fit on one page."""
    scenario = await existing_scenario(scenario_id, request, needs)
    page = await tasks_page(needs.store, scenario, limit=limit, cursor=cursor)
    whole = cursor is None and page.next_cursor is None
    result_ref = page.result_ref if whole else await last_result(needs.store, scenario)
    allowed = await MachineStore(needs.store).allowed(scenario) if scenario.machine else None
    more = {"result_ref": result_ref, "next_cursor": page.next_cursor, "allowed_events": allowed}
    return _with_tasks(scenario_item(scenario) | _details(scenario) | more, page.tasks)


@router.get(
    "/scenarios/{scenario_id}/tasks",
    operation_id="list_tasks",
    summary="List the tasks of a scenario",
    response_model=TaskPageOut,
    responses=problems("not_found", "invalid_field", "invalid_cursor"),
)
async def list_tasks(
    scenario_id: str,
    request: Request,
    needs: Needs,
    status: Annotated[Status | None, Query(description="Only those in this status.")] = None,
    limit: Limit = DEFAULT_TASKS,
    cursor: Cursor = None,
) -> Response:
    """Give one page in the order of the template; go on with `next_cursor` until it is null."""
    scenario = await existing_scenario(scenario_id, request, needs)
    page = await tasks_page(needs.store, scenario, limit=limit, cursor=cursor, status=status)
    return _with_tasks({"next_cursor": page.next_cursor}, page.tasks)


async def existing_scenario(scenario_id: str, request: Request, needs: Services) -> ScenarioRecord:
    """A scenario by the id of an address. Raises Problem (404)."""
    scenario = await needs.store.scenario(scenario_id) if is_id(scenario_id) else None
    if scenario is None:
        raise not_found()
    request.state.scenario_id = scenario_id
    return scenario


def _details(scenario: ScenarioRecord) -> dict[str, Any]:
    lineage = {"origin": scenario.origin, "reruns": scenario.reruns}
    return {"variables": scenario.variables, "warnings": scenario.warnings, **lineage}


def _with_tasks(head: dict[str, Any], tasks: bytes) -> Response:
    return json_response(orjson.dumps(head)[:-1] + b',"tasks":[' + tasks + b"]}")
