"""Cancel over HTTP, and the attempts of a task."""

from typing import Any

import httpx
import pytest

from .test_reports import report, started

pytestmark = pytest.mark.usefixtures("engine")

WHY = {"reason": "ordered by mistake", "by": "ann"}


async def test_a_scenario_is_cancelled_with_its_cause(client: httpx.AsyncClient) -> None:
    scenario_id, first, _ = await started(client)

    answer = await client.post(f"/scenarios/{scenario_id}/cancel", json=WHY)
    again = await client.post(f"/scenarios/{scenario_id}/cancel", json={})
    late = await report(client, first, status="success")
    found = (await client.get(f"/scenarios/{scenario_id}")).json()

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")
    assert (late.status_code, late.json()["code"]) == (409, "already_final")
    assert found["error"] == {"type": "cancelled", "message": WHY["reason"], "by": "ann"}
    assert [task["status"] for task in found["tasks"]] == ["cancelled", "cancelled"]
    assert found["counts"]["cancelled"] == 2


async def test_a_task_is_cancelled_with_what_depends_on_it(client: httpx.AsyncClient) -> None:
    scenario_id, first, second = await started(client)

    answer = await client.post(f"/tasks/{first}/cancel", json=WHY)
    after = (await client.get(f"/tasks/{second}")).json()

    assert (answer.status_code, answer.json()["error"]["message"]) == (200, WHY["reason"])
    assert (after["status"], after["error"]["type"]) == ("cancelled", "upstream_cancelled")
    assert (await client.get(f"/scenarios/{scenario_id}")).json()["status"] == "cancelled"


async def test_what_has_ended_cannot_be_cancelled(client: httpx.AsyncClient) -> None:
    scenario_id, first, second = await started(client)
    for task_id in (first, second):
        await report(client, task_id, status="success")

    scenario = await client.post(f"/scenarios/{scenario_id}/cancel", json={})
    task = await client.post(f"/tasks/{first}/cancel", json={})

    assert (scenario.status_code, scenario.json()["code"]) == (409, "scenario_final")
    assert (task.status_code, task.json()["code"]) == (409, "already_final")


@pytest.mark.parametrize("kind", ["scenarios", "tasks"])
@pytest.mark.parametrize(
    ("any_id", "body", "status"),
    [
        ("0" * 16, {}, 404),
        ("no-id", {}, 404),
        ("0" * 16, {"reason": ""}, 422),
        ("0" * 16, {"why": "x"}, 422),
        ("0" * 16, {"by": "x" * 201}, 422),
    ],
)
async def test_bad_input(
    client: httpx.AsyncClient, kind: str, any_id: str, body: dict[str, Any], status: int
) -> None:
    answer = await client.post(f"/{kind}/{any_id}/cancel", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_attempts_that_failed_are_listed(client: httpx.AsyncClient) -> None:
    _, first, _ = await started(client)
    assert (await client.get(f"/tasks/{first}/attempts")).json() == {"items": []}

    await report(client, first, status="failed", error={"type": "BadVoice", "message": "no such voice"})
    [attempt] = (await client.get(f"/tasks/{first}/attempts")).json()["items"]

    assert (attempt["attempt"], attempt["error"]["type"]) == (1, "BadVoice")
    assert (await client.get(f"/tasks/{'0' * 16}/attempts")).status_code == 404


async def test_a_body_that_has_nothing_to_say_may_be_left_out(client: httpx.AsyncClient) -> None:
    scenario_id, _, _ = await started(client)
    answer = await client.post(f"/scenarios/{scenario_id}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
