from typing import Any

import httpx
import pytest

from tests.support.wait import wait_until
from workers_sdk.protocol.keys import scenario_id_from, short_uuid

pytestmark = pytest.mark.usefixtures("engine")


async def started(client: httpx.AsyncClient) -> tuple[str, str, str]:
    """Scenario id and the ids of the first (ready) and second (waiting) task."""
    body = (await client.post("/generate", json={"scenario": "Pair", "description": "x"})).json()
    first, second = body["task_ids"]

    async def exists() -> bool:
        return (await client.get(f"/tasks/{second}")).status_code == 200

    async def ready() -> bool:
        return bool((await client.get(f"/tasks/{first}")).json().get("attempt") == 1)

    await wait_until(exists, what="the tasks exist")
    await wait_until(ready, what="the first task is ready")
    return body["scenario_id"], first, second


async def report(client: httpx.AsyncClient, task_id: str, **body: Any) -> httpx.Response:
    return await client.patch(f"/tasks/{task_id}/status", json=body)


async def test_two_reports_finish_a_scenario(client: httpx.AsyncClient) -> None:
    scenario_id, first, second = await started(client)

    one = await report(client, first, status="processing", progress=50, message="half")
    assert (one.status_code, one.json()["status"], one.json()["progress"]) == (200, "processing", 50)
    done = await report(client, first, status="success", result={"text": "Кот"})
    assert (done.status_code, done.json()["result"]) == (200, {"text": "Кот"})

    ref = "s3://bucket/result.mp4"
    last = await report(client, second, status="success", result_ref=ref)
    assert (last.status_code, last.json()["result_ref"]) == (200, ref)

    found = (await client.get(f"/scenarios/{scenario_id}")).json()
    assert (found["status"], found["percent"], found["result_ref"]) == ("success", 100, ref)
    assert [task["status"] for task in found["tasks"]] == ["success", "success"]
    assert found["tasks"][1]["fields"]["text_task_id"] == first
    assert "token" not in found["tasks"][0]


async def test_a_failure_skips_what_depends_on_it(client: httpx.AsyncClient) -> None:
    scenario_id, first, second = await started(client)

    answer = await report(client, first, status="failed", error="no such voice")

    assert answer.json()["error"] == {"type": "error", "message": "no such voice"}
    found = (await client.get(f"/scenarios/{scenario_id}")).json()
    assert (found["status"], found["counts"]["failed"], found["counts"]["skipped"]) == ("failed", 1, 1)
    assert (await client.get(f"/tasks/{second}")).json()["status"] == "skipped"


async def test_the_same_final_status_again_changes_nothing(client: httpx.AsyncClient) -> None:
    _, first, _ = await started(client)
    await report(client, first, status="success", result=1)

    again = await report(client, first, status="success", result=2)

    assert (again.status_code, again.json()["result"]) == (200, 1)


async def test_another_status_after_the_end_is_a_conflict_that_tells_the_status(
    client: httpx.AsyncClient,
) -> None:
    _, first, _ = await started(client)
    await report(client, first, status="success")

    answer = await report(client, first, status="failed", error="late")

    body = answer.json()
    assert (answer.status_code, body["code"], body["current_status"]) == (409, "already_final", "success")


async def test_a_task_that_waits_takes_no_report(client: httpx.AsyncClient) -> None:
    _, _, second = await started(client)

    answer = await report(client, second, status="success")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")


async def test_a_wrong_token_is_stale(client: httpx.AsyncClient) -> None:
    _, first, _ = await started(client)

    answer = await report(client, first, status="success", token="1.forged.1")

    assert (answer.status_code, answer.json()["code"]) == (409, "stale_token")


async def test_an_unknown_task_is_404(client: httpx.AsyncClient) -> None:
    nobody = short_uuid(scenario_id_from(b"nobody"), "x")

    assert (await report(client, nobody, status="success")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "pending"},
        {"status": "skipped"},
        {"status": "cancelled"},
        {"status": "done"},
        {"status": 1},
        {"status": "success", "evil": 1},
        {"status": "success", "result_ref": "x" * 2_049},
        {"status": "success", "result_ref": 5},
        {"status": "processing", "progress": 101},
        {"status": "processing", "progress": "50"},
        {"status": "failed", "error": {"message": "x", "evil": 1}},
        {"status": "failed", "error": "x" * 2_001},
        {"status": "success", "worker": "curl"},
    ],
)
async def test_a_bad_report_is_422_and_changes_nothing(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    _, first, _ = await started(client)

    answer = await report(client, first, **body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")
    assert (await client.get(f"/tasks/{first}")).json()["status"] == "pending"
