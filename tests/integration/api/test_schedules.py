"""Schedules over HTTP, under the virtual clock that starts at 2025-06-26T10:34:12.349Z."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from orchestrator.api.services import Services
from orchestrator.store.schedules import Schedules
from orchestrator.store.store import Policy, Store
from orchestrator.templates import Registry
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink

DAILY: dict[str, Any] = {"scenario": "Pair", "cron": "0 9 * * *", "timezone": "Europe/Berlin"}
OWNED: dict[str, Any] = {"tenant": "acme", "priority": 0, "submitter": "ann@example.org"}


@pytest.fixture(autouse=True)
def services(app: FastAPI, link: RedisLink) -> Iterator[Services]:
    """The services of the app, with a store whose clock stands still."""
    store = Store(link, Partitions(1), Policy(), scripts=virtual_scripts())
    found: Services = dataclasses.replace(app.state.services, store=store)
    app.state.services = found
    yield found


async def made(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post("/schedules", json=DAILY | more)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    assert answer.headers["location"] == body["links"]["self"] == f"/schedules/{body['schedule_id']}"
    return body


async def test_a_schedule_is_made_and_tells_when_it_fires(client: httpx.AsyncClient) -> None:
    body = await made(client, description="news", slides_count=2, name="morning news", jitter_s=0)

    assert body["next_at"] == "2025-06-27T07:00:00.000Z"
    assert [one["local"] for one in body["next_fires"]] == [f"2025-0{m}-{d}T09:00:00+02:00" for m, d in (
        (6, 27), (6, 28), (6, 29), (6, 30), (7, "01"))]  # fmt: skip
    assert body["variables"] == {"PROMPT": "news", "N_SLIDES": 2}
    assert (body["state"], body["runs"], body["last_fires"], body["warnings"]) == ("active", 0, [], [])
    confirmed = body.pop("confirmed")
    assert confirmed == {"asked": "memory", "reached": "memory", "reason": None}
    assert (await client.get(body["links"]["self"])).json() == body


async def test_fields_that_the_template_has_no_use_for_are_told(client: httpx.AsyncClient) -> None:
    body = await made(client, scenario="Alone", description="news")
    assert [(one["code"], one["pointer"]) for one in body["warnings"]] == [("unused_field", "/description")]


@pytest.mark.parametrize(
    ("times", "next_at"),
    [
        ({"cron": None, "every_s": 90}, "2025-06-26T10:35:42.349Z"),
        ({"cron": None, "delay_s": 0.5}, "2025-06-26T10:34:12.849Z"),
        ({"cron": None, "run_at": "2026-01-01T09:00"}, "2026-01-01T08:00:00.000Z"),
        ({"cron": None, "run_at": "2026-01-01T09:00Z"}, "2026-01-01T09:00:00.000Z"),
        ({"cron": None, "every_s": 3600, "start_at": "2026-01-01T00:30Z"}, "2026-01-01T00:30:00.000Z"),
        ({"start_at": "2026-01-01T09:00:00+01:00"}, "2026-01-01T08:00:00.000Z"),
        ({"paused": True}, None),
    ],
)
async def test_every_way_to_say_when(
    client: httpx.AsyncClient, times: dict[str, Any], next_at: str | None
) -> None:
    body = await made(client, **times)
    assert body["next_at"] == next_at
    assert body["state"] == ("active" if next_at else "paused")


@pytest.mark.parametrize(
    ("more", "code", "pointer"),
    [
        ({"cron": "61 * * * *"}, "invalid_schedule", "/cron"),
        ({"cron": "* * * * * *"}, "invalid_schedule", "/cron"),
        ({"timezone": "Mars/Base"}, "invalid_schedule", "/timezone"),
        ({"cron": None}, "invalid_schedule", ""),
        ({"every_s": 5}, "invalid_schedule", ""),
        ({"cron": None, "run_at": "tomorrow"}, "invalid_schedule", "/run_at"),
        ({"start_at": "noon"}, "invalid_schedule", "/start_at"),
        ({"end_at": "2020-01-01T00:00Z"}, "invalid_schedule", ""),
        ({"start_at": "2026-01-02T00:00Z", "end_at": "2026-01-01T00:00Z"}, "invalid_schedule", "/end_at"),
        ({"cron": None, "run_at": "2026-01-01T00:00Z", "delay_s": 5}, "invalid_schedule", "/delay_s"),
        (
            {"cron": None, "run_at": "2026-01-01T00:00Z", "start_at": "2026-01-02T00:00Z"},
            "invalid_schedule",
            "",
        ),
        ({"cron": None, "every_s": 60, "jitter_s": 60}, "invalid_schedule", "/jitter_s"),
        ({"cron": None, "every_s": 0}, "invalid_field", "/every_s"),
        ({"cron": None, "delay_s": -1}, "invalid_field", "/delay_s"),
        ({"misfire": "sometimes"}, "invalid_field", "/misfire"),
        ({"overlap": "maybe"}, "invalid_field", "/overlap"),
        ({"crown": "* * * * *"}, "invalid_field", "/crown"),
        ({"jitter_s": 90_000}, "invalid_field", "/jitter_s"),
        ({"variables": {"NOBODY": 1}}, "invalid_template", None),
        ({"scenario": "Broken"}, "invalid_template", None),
        ({"scenario": "Pari"}, "unknown_template", None),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_stored(
    client: httpx.AsyncClient, more: dict[str, Any], code: str, pointer: str | None
) -> None:
    answer = await client.post("/schedules", json=DAILY | more)

    problem = answer.json()
    assert problem["code"] == code, problem
    assert answer.status_code == (404 if code == "unknown_template" else 422)
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer
    assert (await client.get("/schedules")).json() == {"items": [], "next_cursor": None}


async def test_schedules_are_listed_page_by_page_newest_first(
    client: httpx.AsyncClient, link: RedisLink
) -> None:
    ids = []
    for n in range(5):
        await link.execute("SET", CLOCK, START_MS + n)
        ids.append((await made(client))["schedule_id"])

    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/schedules", params=params)).json()
        found += [item["schedule_id"] for item in page["items"]]
        if not (cursor := page["next_cursor"]):
            break

    assert found == ids[::-1]
    assert (await client.get("/schedules", params={"cursor": "x"})).json()["code"] == "invalid_cursor"


async def test_the_same_key_gives_the_same_schedule(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "nightly"}
    delayed = {"scenario": "Pair", "delay_s": 60}
    first = await client.post("/schedules", json=delayed, headers=headers)
    again = await client.post("/schedules", json=delayed, headers=headers)
    other = await client.post("/schedules", json=delayed | {"delay_s": 61}, headers=headers)

    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert len((await client.get("/schedules")).json()["items"]) == 1


async def test_a_preview_shows_the_hour_that_is_left_out_and_the_one_that_comes_twice(
    client: httpx.AsyncClient,
) -> None:
    async def local(cron: str, start: str) -> list[str]:
        body = {"cron": cron, "timezone": "Europe/Berlin", "start_at": start, "count": 2}
        answer = await client.post("/schedules/preview", json=body)
        assert answer.status_code == 200
        return [one["local"] for one in answer.json()["fires"]]

    assert await local("30 2 * * *", "2026-03-29T00:00") == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    assert await local("30 2 * * *", "2026-10-25T00:00") == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]
    assert await local("30 * * * *", "2026-10-25T02:00") == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
    ]


async def test_a_preview_of_what_cannot_be_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.post("/schedules/preview", json={"cron": "nonsense"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_schedule")
    once = await client.post("/schedules/preview", json={"delay_s": 10})
    assert [one["at"] for one in once.json()["fires"]] == ["2025-06-26T10:34:22.349Z"]


async def test_pause_and_resume(client: httpx.AsyncClient) -> None:
    path = (await made(client))["links"]["self"]
    for _ in range(2):
        paused = (await client.post(f"{path}/pause", json={"reason": "holidays", "by": "ann"})).json()
        assert (paused["state"], paused["next_at"], paused["next_fires"]) == ("paused", None, [])
        assert paused["paused"] == {"reason": "holidays", "by": "ann"}
    for _ in range(2):
        resumed = (await client.post(f"{path}/resume")).json()
        assert (resumed["state"], resumed["next_at"], resumed["paused"]) == (
            "active",
            "2025-06-27T07:00:00.000Z",
            None,
        )


async def test_a_removed_schedule_is_gone(client: httpx.AsyncClient) -> None:
    path = (await made(client))["links"]["self"]
    assert (await client.delete(path)).json()["removed"]
    for answer in (
        await client.get(path),
        await client.delete(path),
        await client.post(f"{path}/pause", json={}),
        await client.post(f"{path}/resume"),
        await client.post(f"{path}/fire"),
        await client.post("/schedules/no-id/fire"),
        await client.get("/schedules/no-id"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_it_is_fired_now_and_its_next_fire_stays(client: httpx.AsyncClient) -> None:
    body = await made(client, description="news", paused=True)
    answer = await client.post(f"{body['links']['self']}/fire")

    scenario = (await client.get(answer.headers["location"])).json()
    after = (await client.get(body["links"]["self"])).json()
    assert (answer.status_code, answer.json()["total"]) == (201, 2)
    assert (scenario["name"], scenario["variables"]["PROMPT"]) == ("Pair", "news")
    assert after["last_scenario_id"] == scenario["scenario_id"] == answer.json()["scenario_id"]
    assert after["last_fires"] == [
        {
            "at": "2025-06-26T10:34:12.349Z",
            "outcome": "started",
            "scenario_id": scenario["scenario_id"],
            "asked": True,
            "count": 1,
        }
    ]
    assert (after["state"], after["runs"]) == ("paused", 0)


async def test_asked_twice_with_one_key_it_fires_once(client: httpx.AsyncClient, link: RedisLink) -> None:
    path = (await made(client))["links"]["self"]
    headers = {"Idempotency-Key": "now"}
    first = await client.post(f"{path}/fire", headers=headers)
    await link.execute("SET", CLOCK, START_MS + 1_000)
    again = await client.post(f"{path}/fire", headers=headers)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await client.get(path)).json()["last_fires"]) == 1


@pytest.mark.parametrize(
    ("overlap", "status"), [("skip", 409), ("wait", 409), ("allow", 201), ("cancel", 201)]
)
async def test_overlap_holds_for_a_fire_that_is_asked_for(
    client: httpx.AsyncClient, link: RedisLink, overlap: str, status: int
) -> None:
    path = (await made(client, overlap=overlap))["links"]["self"]
    first = (await client.post(f"{path}/fire")).json()["scenario_id"]
    await link.execute("SET", CLOCK, START_MS + 1_000)
    second = await client.post(f"{path}/fire")

    assert second.status_code == status
    if status == 409:
        assert (second.json()["code"], second.json()["scenario_id"]) == ("schedule_busy", first)
    if overlap == "cancel":
        assert (await client.get(f"/scenarios/{first}")).json()["status"] == "cancelled"


async def test_a_template_that_fails_is_told_to_the_one_who_asks_and_kept(
    client: httpx.AsyncClient, app: FastAPI, services: Services
) -> None:
    path = (await made(client))["links"]["self"]
    app.state.services = dataclasses.replace(services, registry=Registry([]))
    answer = await client.post(f"{path}/fire")

    found = (await client.get(path)).json()
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_template")
    assert found["last_error"]["type"] == "unknown_template"
    assert [one["outcome"] for one in found["last_fires"]] == ["failed"]
    assert found["state"] == "active"

    app.state.services = services
    assert (await client.post(f"{path}/fire")).status_code == 201
    assert (await client.get(path)).json()["last_error"] is None


async def test_whose_it_is_and_how_safe_is_kept_and_holds_for_its_scenarios(
    client: httpx.AsyncClient,
) -> None:
    body = await made(client, **OWNED, durability={"replicated": 7})
    fired = (await client.post(f"{body['links']['self']}/fire")).json()
    scenario = (await client.get(f"/scenarios/{fired['scenario_id']}")).json()

    for shown in (body, (await client.get("/schedules")).json()["items"][0]):
        assert {name: shown[name] for name in OWNED} == OWNED
        assert shown["durability"] == {"replicated": 7}
    assert {name: scenario[name] for name in OWNED} == OWNED
    for told in (body["confirmed"], fired["durability"]):
        assert (told["asked"], told["reached"]) == ({"replicated": 7}, "memory") and told["reason"]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"tenant": "a b"}, "/tenant"),
        ({"priority": 5}, "/priority"),
        ({"submitter": ""}, "/submitter"),
        ({"durability": "always"}, "/durability"),
    ],
)
async def test_whose_it_is_is_checked_as_for_a_submission(
    client: httpx.AsyncClient, more: dict[str, Any], pointer: str
) -> None:
    answers = [await client.post(path, json=body | more) for path, body in (
        ("/schedules", DAILY), ("/generate", {"scenario": "Pair"}))]  # fmt: skip

    told = [[(e["pointer"], e["detail"]) for e in answer.json()["errors"]] for answer in answers]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert told[0] == told[1] and told[0][0][0].startswith(pointer)


async def test_tenants_do_not_share_keys(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}
    ids = [
        (await client.post("/schedules", json=DAILY | more, headers=headers)).json()["schedule_id"]
        for more in ({}, {"tenant": "acme"}, {"tenant": "gold"}, {"tenant": "acme"})
    ]
    assert len(set(ids)) == 3 and ids[1] == ids[3]


async def test_a_fire_for_which_there_is_no_room_is_refused_and_leaves_nothing_under_way(
    client: httpx.AsyncClient, app: FastAPI, services: Services, link: RedisLink
) -> None:
    policy = Policy(max_unfinished_of_tenant=1)
    store = Store(link, Partitions(1), policy, scripts=virtual_scripts())
    app.state.services = dataclasses.replace(services, store=store)
    path = (await made(client, **OWNED))["links"]["self"]
    first = (await client.post(f"{path}/fire")).json()["scenario_id"]
    await link.execute("SET", CLOCK, START_MS + 1_000)

    refused = await client.post(f"{path}/fire")

    found = (await client.get(path)).json()
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert refused.headers["retry-after"] == "5"
    assert [(one["outcome"], one["asked"]) for one in found["last_fires"]] == [
        ("refused", True),
        ("started", True),
    ]
    assert found["last_error"]["type"] == "too_many_requests"
    assert found["next_at"] == "2025-06-27T07:00:00.000Z"

    await client.post(f"/scenarios/{first}/cancel", json={})
    await link.execute("SET", CLOCK, START_MS + 2_000)
    assert (await client.post(f"{path}/fire")).status_code == 201
    assert (await client.get(path)).json()["last_error"] is None


async def test_what_has_ended_stays_so(
    client: httpx.AsyncClient, services: Services, link: RedisLink
) -> None:
    body = await made(client, cron=None, delay_s=1)
    path, schedule_id = body["links"]["self"], body["schedule_id"]
    schedules = Schedules(services.store)
    await client.post(f"{path}/pause", json={})
    await link.execute("SET", CLOCK, START_MS + 5_000)
    await schedules.resume(schedule_id)

    assert (await client.get(path)).json()["state"] == "ended"
    for verb in ("pause", "resume", "fire"):
        answer = await client.post(f"{path}/{verb}", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "schedule_ended"), verb
    assert (await client.delete(path)).json()["removed"]
