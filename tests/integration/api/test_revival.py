"""Retry and rerun over HTTP."""

from typing import Any

import httpx
import pytest

from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

from .test_reports import report, started

pytestmark = pytest.mark.usefixtures("engine")


async def test_a_failed_scenario_is_retried(client: httpx.AsyncClient) -> None:
    scenario_id, first, second = await started(client)
    await report(client, first, status="success", result={"text": "meow"})
    await report(client, second, status="failed", error="no space")
    assert (await client.get(f"/scenarios/{scenario_id}")).json()["status"] == "failed"

    retried = await client.post(f"/scenarios/{scenario_id}/retry")
    assert retried.status_code == 200
    assert (retried.json()["status"], retried.json()["revived"]) == ("processing", 1)
    assert (retried.json()["error"], retried.json()["finished_at"]) == (None, None)
    assert (await client.get(f"/tasks/{first}")).json()["result"] == {"text": "meow"}
    assert (await client.get("/dead-letters")).json()["total"] == 0

    await report(client, second, status="success")
    assert (await client.get(f"/scenarios/{scenario_id}")).json()["status"] == "success"
    again = await client.post(f"/scenarios/{scenario_id}/retry")
    assert (again.status_code, again.json()["code"]) == (409, "cannot_revive")


async def test_a_cancelled_scenario_is_retried(client: httpx.AsyncClient) -> None:
    scenario_id, first, _ = await started(client)
    await client.post(f"/scenarios/{scenario_id}/cancel", json={})
    retried = await client.post(f"/scenarios/{scenario_id}/retry")
    assert (retried.json()["status"], retried.json()["revived"]) == ("processing", 2)
    assert (await client.get(f"/tasks/{first}")).json()["attempt"] == 2


async def test_a_scenario_of_which_a_part_was_never_made_cannot_be_retried(
    client: httpx.AsyncClient, link: RedisLink
) -> None:
    scenario_id, first, _ = await started(client)
    await client.post(f"/scenarios/{scenario_id}/cancel", json={})
    await link.execute("DEL", f"task:{first}")
    answer = await client.post(f"/scenarios/{scenario_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "cannot_revive")


async def done(client: httpx.AsyncClient) -> tuple[str, str, str]:
    """A scenario that succeeded, and its two tasks."""
    scenario_id, first, second = await started(client)
    await report(client, first, status="success", result={"text": "meow"}, result_ref="file:///a.txt")
    await report(client, second, status="success", result={"seconds": 7})
    return scenario_id, first, second


@pytest.mark.parametrize("start", ["id", "key", "name"])
async def test_a_scenario_is_run_anew_from_a_task_on(client: httpx.AsyncClient, start: str) -> None:
    scenario_id, first, second = await done(client)

    body = {"from": second if start == "id" else "Second", "params": {"voice": "ben"}, "prompt": "louder"}
    answer = await client.post(f"/scenarios/{scenario_id}/rerun", json=body)
    assert answer.status_code == 201
    new_id = answer.json()["scenario_id"]
    assert answer.headers["Location"] == f"/scenarios/{new_id}"
    assert new_id[:2] == scenario_id[:2] and new_id != scenario_id

    new = await _written(client, new_id)
    copy, anew = new["tasks"]
    assert (copy["status"], copy["result"], copy["result_ref"]) == (
        "success",
        {"text": "meow"},
        "file:///a.txt",
    )
    assert (anew["status"], anew["attempt"], anew["result"]) == ("pending", 1, None)
    assert (anew["params"], anew["prompt"]) == ({"voice": "ben"}, "louder")
    assert anew["fields"]["text_task_id"] == copy["id"] != first
    assert copy["consumers"] == [anew["id"]]
    assert new["counts"]["success"] == 1 and new["counts"]["pending"] == 1
    assert new["origin"] == {"scenario_id": scenario_id, "task_id": second}
    assert new["variables"] == (await client.get(f"/scenarios/{scenario_id}")).json()["variables"]

    old = (await client.get(f"/scenarios/{scenario_id}")).json()
    assert (old["reruns"], old["status"], old["origin"]) == ([new_id], "success", None)
    assert old["tasks"][1]["result"] == {"seconds": 7}

    await report(client, anew["id"], status="success")
    assert (await client.get(f"/scenarios/{new_id}")).json()["status"] == "success"


async def _written(client: httpx.AsyncClient, scenario_id: str) -> Any:
    async def whole() -> Any:
        found = (await client.get(f"/scenarios/{scenario_id}")).json()
        # The counts are read a moment before the tasks.
        return found if len(found["tasks"]) == found["total"] == sum(found["counts"].values()) else None

    return await wait_until(whole, what="all tasks to exist")


async def test_a_rerun_may_be_rerun_and_retried(client: httpx.AsyncClient) -> None:
    scenario_id, _, _ = await done(client)
    new_id = (await client.post(f"/scenarios/{scenario_id}/rerun", json={"from": "First"})).json()[
        "scenario_id"
    ]
    first, second = (await _written(client, new_id))["tasks"]
    await report(client, first["id"], status="success", result=1)
    await report(client, second["id"], status="failed", error="no space")

    assert (await client.post(f"/scenarios/{new_id}/retry")).json()["revived"] == 1
    await report(client, second["id"], status="success")
    last_id = (await client.post(f"/scenarios/{new_id}/rerun", json={"from": "Second"})).json()["scenario_id"]
    last = await _written(client, last_id)
    assert [task["result"] for task in last["tasks"]] == [1, None]
    assert last["origin"]["scenario_id"] == new_id


async def test_what_still_runs_is_not_copied(client: httpx.AsyncClient) -> None:
    scenario_id, _, _ = await started(client)
    answer = await client.post(f"/scenarios/{scenario_id}/rerun", json={"from": "Second"})
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (
        409,
        "cannot_rerun",
        "not_final",
    )


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"/scenarios/{'0' * 16}/retry", None, 404),
        ("/scenarios/no-id/retry", None, 404),
        (f"/scenarios/{'0' * 16}/rerun", {"from": "A"}, 404),
        (f"/scenarios/{'0' * 16}/rerun", {}, 422),
        (f"/scenarios/{'0' * 16}/rerun", {"start": "A", "from": "A"}, 422),
        (f"/scenarios/{'0' * 16}/rerun", {"from": "A", "fields": {"token": "x"}}, 422),
    ],
)
async def test_bad_input(client: httpx.AsyncClient, path: str, body: Any, status: int) -> None:
    answer = await client.post(path, json=body) if body is not None else await client.post(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_task_that_is_not_there_is_named(client: httpx.AsyncClient) -> None:
    scenario_id, _, _ = await done(client)
    answer = await client.post(f"/scenarios/{scenario_id}/rerun", json={"from": "Third"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/from")
