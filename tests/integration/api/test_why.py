"""Why, over HTTP."""

import httpx
import pytest

from orchestrator.api.why_models import ScenarioWhyOut, TaskWhyOut
from tests.support.wait import wait_until


async def made(client: httpx.AsyncClient) -> tuple[str, list[str]]:
    """A scenario of two tasks, the second of which waits for the first: its id, and those of its tasks."""
    answer = (await client.post("/generate", json={"scenario": "Pair"})).json()

    async def exist() -> bool:
        return all([(await client.get(f"/tasks/{one}")).status_code == 200 for one in answer["task_ids"]])

    await wait_until(exist, what="the tasks exist")
    return answer["scenario_id"], answer["task_ids"]


async def codes(client: httpx.AsyncClient, task_id: str) -> list[str]:
    """Codes of the reasons of a task."""
    found = TaskWhyOut(**(await client.get(f"/tasks/{task_id}/why")).json())
    return [reason.code for reason in found.reasons]


async def test_a_task_says_what_it_waits_for(client: httpx.AsyncClient, engine: None) -> None:
    scenario_id, (first, second) = await made(client)

    answer = await client.get(f"/tasks/{second}/why")

    assert (await codes(client, first))[-1] == "queued"
    assert answer.json() == {
        "task_id": second,
        "scenario_id": scenario_id,
        "name": "Second",
        "service": "video-service",
        "status": "pending",
        "reasons": [
            {
                "code": "waits_for_tasks",
                "message": "waits for 1 task: First (pending)",
                "facts": {
                    "count": 1,
                    "tasks": [{"id": first, "name": "First", "service": "text-service", "status": "pending"}],
                },
            }
        ],
        "links": {"self": f"/tasks/{second}/why", "task": f"/tasks/{second}"},
    }


async def test_a_scenario_says_what_holds_it_up(client: httpx.AsyncClient, engine: None) -> None:
    scenario_id, _ = await made(client)

    found = ScenarioWhyOut(**(await client.get(f"/scenarios/{scenario_id}/why")).json())

    assert (found.name, found.unfinished, found.complete) == ("Pair", 2, True)
    assert [(one.code, one.service, one.count) for one in found.groups] == [
        ("queued", "text-service", 1),
        ("waits_for_tasks", "video-service", 1),
    ]


async def test_before_an_engine_came_nothing_was_made(client: httpx.AsyncClient) -> None:
    scenario_id = (await client.post("/generate", json={"scenario": "Pair"})).json()["scenario_id"]

    found = ScenarioWhyOut(**(await client.get(f"/scenarios/{scenario_id}/why")).json())

    assert [reason.code for reason in found.reasons] == ["not_materialized"]


@pytest.mark.parametrize("kind", ["tasks", "scenarios"])
@pytest.mark.parametrize("unknown", ["0" * 16, "x", "..", "%00"])
async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient, kind: str, unknown: str) -> None:
    assert (await client.get(f"/{kind}/{unknown}/why")).status_code == 404
