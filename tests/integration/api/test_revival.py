"""Retry and rerun over HTTP."""

import asyncio
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


async def _written(client: httpx.AsyncClient, scenario_id: str, kept: int = 1) -> Any:
    async def whole() -> Any:
        found = (await client.get(f"/scenarios/{scenario_id}")).json()
        # What is kept is copied by a report, and the counts are read a moment before the tasks.
        return found if found["counts"]["success"] == kept and len(found["tasks"]) == found["total"] else None

    return await wait_until(whole, what="all tasks to exist")


async def test_a_rerun_may_be_rerun_and_retried(client: httpx.AsyncClient) -> None:
    scenario_id, _, _ = await done(client)
    new_id = (await client.post(f"/scenarios/{scenario_id}/rerun", json={"from": "First"})).json()[
        "scenario_id"
    ]
    first, second = (await _written(client, new_id, kept=0))["tasks"]
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


async def _rerun(client: httpx.AsyncClient, scenario_id: str, key: str, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await client.post(
        f"/scenarios/{scenario_id}/rerun", json={"from": "Second", **body}, headers=headers
    )


async def test_the_same_key_and_body_again_give_the_first_rerun(client: httpx.AsyncClient) -> None:
    scenario_id, _, _ = await done(client)
    first = await _rerun(client, scenario_id, "k-1", params={"voice": "ben"})
    again = await _rerun(client, scenario_id, "k-1", params={"voice": "ben"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert again.headers["Location"] == first.headers["Location"]
    told = [{name: one.json()[name] for name in one.json() if name != "durability"} for one in (first, again)]
    assert told[0] == told[1]
    assert (await client.get(f"/scenarios/{scenario_id}")).json()["reruns"] == [first.json()["scenario_id"]]

    other = await _rerun(client, scenario_id, "k-1", params={"voice": "ann"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert other.json()["scenario_id"] == first.json()["scenario_id"]
    assert (await _rerun(client, scenario_id, "k-2")).json()["scenario_id"] != first.json()["scenario_id"]


async def test_a_key_of_a_rerun_is_of_one_scenario_and_of_reruns(client: httpx.AsyncClient) -> None:
    """The same key is free for another scenario, and for submissions."""
    one, _, _ = await done(client)
    two, _, _ = await done(client)
    found = [await _rerun(client, scenario_id, "k-1") for scenario_id in (one, two)]
    body, headers = {"scenario": "Pair", "description": "x"}, {"Idempotency-Key": "k-1"}
    found.append(await client.post("/generate", json=body, headers=headers))

    assert [answer.status_code for answer in found] == [201, 201, 201]
    assert len({answer.json()["scenario_id"] for answer in found}) == 3
    assert not any("Idempotency-Replayed" in answer.headers for answer in found)


async def test_reruns_with_one_key_at_the_same_time_make_one(client: httpx.AsyncClient) -> None:
    scenario_id, _, _ = await done(client)
    found = await asyncio.gather(*[_rerun(client, scenario_id, "k-1") for _ in range(5)])

    assert [answer.status_code for answer in found] == [201] * 5
    (new_id,) = {answer.json()["scenario_id"] for answer in found}
    listed = (await client.get("/scenarios")).json()["items"]
    assert {item["scenario_id"] for item in listed} == {scenario_id, new_id}


async def test_a_key_of_a_rerun_is_checked_as_that_of_a_submission(client: httpx.AsyncClient) -> None:
    scenario_id, _, _ = await done(client)
    path, body = f"/scenarios/{scenario_id}/rerun", {"from": "Second"}
    for headers in ([("Idempotency-Key", "a"), ("Idempotency-Key", "b")], [("Idempotency-Key", "a b")]):
        answer = await client.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) in (
            (400, "application/problem+json"),
            (422, "application/problem+json"),
        )
    # What was refused has used up no key.
    assert (await _rerun(client, scenario_id, "k-1", **{"from": "Nobody"})).status_code == 422
    assert (await _rerun(client, scenario_id, "k-1")).status_code == 201
