from collections.abc import Awaitable
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from orchestrator.api import models
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink


async def post(client: httpx.AsyncClient, count: int = 1) -> list[str]:
    answers = [await client.post("/generate", json={"scenario": "Pair"}) for _ in range(count)]
    return [answer.json()["scenario_id"] for answer in answers]


async def test_pages_hold_every_scenario_once_newest_first(client: httpx.AsyncClient) -> None:
    ids = await post(client, 7)
    seen: list[str] = []
    cursor: str | None = None

    while True:
        params: dict[str, str | int] = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/scenarios", params=params)).json()
        seen += [item["scenario_id"] for item in page["items"]]
        assert len(page["items"]) <= 3
        if not (cursor := page["next_cursor"]):
            break

    created = [(await client.get(f"/scenarios/{one}")).json()["created_at"] for one in seen]
    assert sorted(seen) == sorted(ids)
    assert created == sorted(created, reverse=True)


async def test_filters_by_status_and_name(client: httpx.AsyncClient) -> None:
    await post(client, 2)

    async def count(**params: str) -> int:
        return len((await client.get("/scenarios", params=params)).json()["items"])

    assert await count(status="pending", name="Pair") == 2
    assert await count(status="success") == 0
    assert await count(name="Other") == 0


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=many",
        "status=skipped",
        "status=x",
        "cursor=nonsense",
        "cursor=1.%00",
        "cursor=",
    ],
)
async def test_a_bad_query_is_422_and_named(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/scenarios?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


async def test_health_tells_server_and_backlog(client: httpx.AsyncClient) -> None:
    await post(client, 2)

    answer = await client.get("/health")

    body = answer.json()
    assert (answer.status_code, body["status"], body["redis"], body["partitions"]) == (200, "ok", "ok", 1)
    assert body["server"] in ("redis", "valkey")
    assert body["backlog"]["scenarios"] == 2


async def test_health_tells_of_every_queue_what_waits_and_who_reads(
    client: httpx.AsyncClient, engine: None, link: RedisLink
) -> None:
    await post(client, 3)
    await link.execute("XGROUP", "CREATE", "queue:text-service", "workers", "0", "MKSTREAM")

    async def queue(field: str) -> Any:
        return (await client.get("/health")).json()["queues"].get("text-service", {}).get(field)

    await wait_until(lambda: is_(queue("waiting"), 3), what="three tasks are ready")
    assert (await queue("consumers"), await queue("pending")) == (0, 0)
    assert await queue("oldest_waiting_s") >= 0

    await link.execute(
        "XREADGROUP", "GROUP", "workers", "me", "COUNT", 2, "STREAMS", "queue:text-service", ">"
    )
    assert [await queue(field) for field in ("waiting", "pending", "consumers")] == [1, 2, 1]

    await link.execute(
        "XREADGROUP", "GROUP", "workers", "me", "COUNT", 2, "STREAMS", "queue:text-service", ">"
    )
    assert [await queue(field) for field in ("waiting", "pending", "oldest_waiting_s")] == [0, 3, None]


async def is_(value: Awaitable[Any], wanted: Any) -> bool:
    return bool(await value == wanted)


async def test_health_of_a_service_none_of_whose_tasks_is_ready(
    client: httpx.AsyncClient, engine: None, link: RedisLink
) -> None:
    await link.execute("SADD", "services", "new-service")

    found = (await client.get("/health")).json()["queues"]["new-service"]

    assert found == {"waiting": 0, "pending": 0, "consumers": 0, "oldest_waiting_s": None}


async def test_every_answer_has_the_form_that_is_documented(client: httpx.AsyncClient, engine: None) -> None:
    made = (await client.post("/generate", json={"scenario": "Pair"})).json()
    address = made["links"]["self"]
    await wait_until(lambda: written(client, address), what="the tasks are written")
    done = {"status": "failed", "error": {"type": "Odd", "message": "why"}}
    reported = await client.patch(f"/tasks/{made['task_ids'][0]}/status", json=done)

    answers: list[tuple[type[BaseModel], httpx.Response]] = [
        (models.ScenarioOut, await client.get(address)),
        (models.TaskPageOut, await client.get(f"{address}/tasks")),
        (models.ScenarioPageOut, await client.get("/scenarios")),
        (models.TaskOut, await client.get(f"/tasks/{made['task_ids'][1]}")),
        (models.TaskOut, reported),
        (models.PlanOut, await client.post("/plan", json={"scenario": "Alone", "description": "x"})),
        (models.GenerateOut, await client.post("/generate", json={"scenario": "Alone", "description": "x"})),
    ]
    for model, answer in answers:
        same = model.model_validate_json(answer.content).model_dump(mode="json")
        assert same == answer.json(), model


async def written(client: httpx.AsyncClient, address: str) -> bool:
    return len((await client.get(address)).json()["tasks"]) == 2


async def test_the_root_lists_all_addresses(client: httpx.AsyncClient) -> None:
    endpoints = (await client.get("/")).json()["endpoints"]

    assert {("POST", "/generate"), ("PATCH", "/tasks/{task_id}/status"), ("GET", "/health")} <= {
        (one["method"], one["path"]) for one in endpoints
    }


async def test_probes_answer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200


async def test_every_kind_of_error_has_a_page(client: httpx.AsyncClient) -> None:
    for kind in (await client.get("/problems")).json():
        page = await client.get(f"/problems/{kind['code']}")
        assert page.json() == kind
    assert (await client.get("/problems/nonsense")).status_code == 404
