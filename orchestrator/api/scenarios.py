"""Scenarios: generate, plan, list, watch."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from orchestrator.store.records import Idempotency, NewScenario
from workers_sdk.protocol.keys import is_id
from workers_sdk.protocol.messages import Status

from .body import JsonRoute
from .documented import BODY, problems
from .models import (
    GenerateIn,
    GenerateOut,
    PlanOut,
    ScenarioOut,
    ScenarioPageOut,
    ScenarioStatus,
    SelfLink,
    WarningOut,
)
from .plan import plan_out
from .problems import not_found
from .services import Needs, Services
from .submission import generated, identify, new_scenario
from .views import scenario_item, scenario_out

router = APIRouter(tags=["scenarios"], route_class=JsonRoute)

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


@router.post(
    "/generate",
    status_code=201,
    operation_id="generate",
    summary="Generate a scenario and start it",
    responses={
        201: {
            "headers": {
                "Location": {"description": "Address of the scenario.", "schema": {"type": "string"}},
                "Idempotency-Replayed": {
                    "description": "`true` when an earlier request with this key made the scenario.",
                    "schema": {"type": "string"},
                },
            }
        },
        **problems(*BODY, "unknown_template", "invalid_template", "idempotency_conflict"),
    },
)
async def generate(
    body: GenerateIn,
    request: Request,
    response: Response,
    needs: Needs,
    idempotency_key: IdempotencyKey = None,
) -> GenerateOut:
    """Render the template, check its graph and hand the tasks to the orchestrator. Nothing is stored on an error."""
    scenario_id, idempotency = identify(body, idempotency_key)
    request.state.scenario_id = scenario_id
    scenario, warnings = await generated(body, scenario_id, needs)
    return await _submit(new_scenario(scenario, warnings), idempotency, needs, response)


async def _submit(
    scenario: NewScenario, idempotency: Idempotency | None, needs: Services, response: Response
) -> GenerateOut:
    submitted = await needs.store.submit(scenario, idempotency)
    response.headers["Location"] = f"/scenarios/{submitted.scenario_id}"
    first = await needs.store.scenario(submitted.scenario_id) if submitted.replayed else None
    if submitted.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    # The template may have changed since the first time: a replay tells what was stored then.
    source = first or scenario
    return GenerateOut(
        scenario_id=submitted.scenario_id,
        name=source.name,
        version=source.version,
        total=len(source.task_ids),
        task_ids=source.task_ids,
        warnings=[WarningOut.model_validate(warning) for warning in source.warnings],
        links=SelfLink(self=f"/scenarios/{submitted.scenario_id}"),
    )


@router.post(
    "/plan",
    operation_id="plan",
    summary="Generate and check a scenario without starting it",
    tags=["templates"],
    responses=problems(*BODY, "unknown_template", "invalid_template"),
)
async def plan(body: GenerateIn, needs: Needs) -> PlanOut:
    """Give the graph, the warnings and the longest chain. Nothing is stored."""
    scenario_id, _ = identify(body, None)
    scenario, warnings = await generated(body, scenario_id, needs)
    return await asyncio.to_thread(plan_out, scenario, warnings)


@router.get(
    "/scenarios",
    operation_id="list_scenarios",
    summary="List scenarios, newest first",
    responses=problems("invalid_field", "invalid_cursor"),
)
async def list_scenarios(
    needs: Needs,
    status: Annotated[ScenarioStatus | None, Query(description="Only those in this status.")] = None,
    name: Annotated[
        str | None, Query(min_length=1, max_length=100, description="Only those of this name, exactly.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most scenarios on the page.")] = 50,
    cursor: Annotated[
        str | None, Query(min_length=1, max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> ScenarioPageOut:
    """Give one page; go on with `next_cursor` until it is null."""
    page = await needs.store.scenarios(
        status=Status(status) if status else None, name=name, cursor=cursor, limit=limit
    )
    return ScenarioPageOut(items=[scenario_item(item) for item in page.items], next_cursor=page.next_cursor)


@router.get(
    "/scenarios/{scenario_id}",
    operation_id="get_scenario",
    summary="Watch a scenario",
    responses=problems("not_found"),
)
async def get_scenario(scenario_id: str, request: Request, needs: Needs) -> ScenarioOut:
    """Give status, percent, counts and all tasks in the order of the template."""
    record = await needs.store.scenario(scenario_id) if is_id(scenario_id) else None
    if record is None:
        raise not_found()
    request.state.scenario_id = scenario_id
    tasks = await needs.store.tasks(record.task_ids)
    return scenario_out(record, [task for task in tasks if task])
