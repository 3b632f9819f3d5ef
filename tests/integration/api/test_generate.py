from typing import Any

import httpx
import pytest

from workers_sdk.protocol.keys import is_id

PAIR = {"scenario": "Pair", "description": "Создай видео про котов", "slides_count": 3}


async def test_a_post_makes_a_scenario_at_its_location(client: httpx.AsyncClient) -> None:
    answer = await client.post("/generate", json=PAIR)

    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == body["links"]["self"] == f"/scenarios/{body['scenario_id']}"
    assert (body["name"], body["version"], body["status"], body["total"]) == ("Pair", "1.0.0", "pending", 2)
    assert all(is_id(task_id) for task_id in body["task_ids"])

    found = (await client.get(answer.headers["location"])).json()
    assert (found["scenario_id"], found["percent"], found["counts"]["pending"]) == (body["scenario_id"], 0, 2)
    assert found["variables"]["PROMPT"] == PAIR["description"]
    assert found["variables"]["N_SLIDES"] == 3


async def test_a_name_works_with_the_prefix_scenario(client: httpx.AsyncClient) -> None:
    answer = await client.post("/generate", json={"scenario": "ScenarioPair"})

    assert (answer.status_code, answer.json()["name"]) == (201, "Pair")


async def test_a_field_that_the_template_has_no_use_for_is_a_warning(client: httpx.AsyncClient) -> None:
    answer = await client.post("/generate", json=PAIR | {"scenario": "Alone"})

    assert answer.status_code == 201
    warnings = answer.json()["warnings"]
    assert [(one["code"], one["pointer"]) for one in warnings] == [
        ("unused_field", "/description"),
        ("unused_field", "/slides_count"),
    ]
    assert "COUNT" in warnings[0]["message"]
    assert (await client.get(answer.headers["location"])).json()["warnings"] == warnings


async def test_explicit_variables_win_over_description(client: httpx.AsyncClient) -> None:
    sent = {"scenario": "Pair", "description": "a", "variables": {"PROMPT": "b"}}

    answer = await client.post("/generate", json=sent)

    found = (await client.get(answer.headers["location"])).json()
    assert found["variables"]["PROMPT"] == "b"


async def test_the_same_key_and_body_give_the_same_scenario_once(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-17"}

    first = await client.post("/generate", json=PAIR, headers=headers)
    again = await client.post("/generate", json=dict(reversed(PAIR.items())), headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await client.get("/scenarios")).json()["items"]) == 1


async def test_the_same_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-18"}
    first = await client.post("/generate", json=PAIR, headers=headers)

    other = await client.post("/generate", json=PAIR | {"slides_count": 4}, headers=headers)

    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert other.json()["scenario_id"] == first.json()["scenario_id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ключ".encode()])
async def test_a_bad_idempotency_key_is_refused(client: httpx.AsyncClient, key: Any) -> None:
    answer = await client.post("/generate", json=PAIR, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "Idempotency-Key")


async def test_two_idempotency_keys_are_refused(client: httpx.AsyncClient) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    answer = await client.post("/generate", json=PAIR, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (await client.get("/scenarios")).json()["items"] == []


async def test_an_unknown_template_is_404_with_the_close_name(client: httpx.AsyncClient) -> None:
    answer = await client.post("/generate", json={"scenario": "Pari"})

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_template")
    assert answer.json()["matches"] == ["Pair"]


@pytest.mark.parametrize("path", ["/generate", "/plan"])
async def test_a_broken_template_is_422_with_every_mistake_and_its_line(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.post(path, json={"scenario": "Broken"})

    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "invalid_template")
    assert any("Nobody" in error["detail"] or error["line"] == 7 for error in body["errors"])
    assert all("/" not in error["file"] for error in body["errors"])
    assert (await client.get("/scenarios")).json()["items"] == []


async def test_a_variable_that_the_template_does_not_know_is_422(client: httpx.AsyncClient) -> None:
    answer = await client.post("/generate", json={"scenario": "Pair", "variables": {"NONSENSE": 1}})

    assert answer.status_code == 422
    assert "NONSENSE" in answer.text


async def test_a_plan_shows_the_graph_and_stores_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/plan", json=PAIR)

    body = answer.json()
    assert (answer.status_code, body["total"]) == (200, 2)
    assert [task["name"] for task in body["tasks"]] == ["First", "Second"]
    assert [task["queue"] for task in body["tasks"]] == [0, 1]
    assert body["critical_path"] == [task["key"] for task in body["tasks"]]
    assert body["stages"] == [[key] for key in body["critical_path"]]
    assert body["tasks"][0]["fields"]["prompt"] == PAIR["description"]
    assert (await client.get("/scenarios")).json()["items"] == []


async def test_text_of_the_user_arrives_unchanged(client: httpx.AsyncClient, engine: None) -> None:
    text = 'a"\n- id: x\n  service: admin\n{{ 7*7 }} !!python/object \\ \u2028 😀'

    answer = await client.post("/plan", json={"scenario": "Pair", "description": text})

    assert answer.json()["tasks"][0]["fields"]["prompt"] == text


async def test_templates_are_listed_and_read(client: httpx.AsyncClient) -> None:
    items = {item["name"]: item for item in (await client.get("/templates")).json()["items"]}
    one = (await client.get(items["Pair"]["links"]["self"])).json()

    assert set(items["Pair"]["variables"]) == {"PROMPT", "N_SLIDES"}
    assert "SHORT_UUID('First')" in one["text"]
    assert (await client.get("/templates/Nothing")).json()["code"] == "unknown_template"
