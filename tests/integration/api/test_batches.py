"""Batches over HTTP: lines in, results out, one progress, one cancel; repeated, broken off, and gone with their scenarios."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from orchestrator.api.services import Services
from orchestrator.config import Settings
from orchestrator.store.batches import scenario_id_of
from orchestrator.store.records import Submitted
from orchestrator.store.store import Store
from tests.support.leaks import leaked_keys
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink, Unavailable

ALONE = {"scenario": "Alone"}
TYPE = {"Content-Type": "application/x-ndjson"}
KEY = TYPE | {"Idempotency-Key": "batch-1"}


def lines(*bodies: Any) -> bytes:
    return b"".join((one if isinstance(one, bytes) else orjson.dumps(one)) + b"\n" for one in bodies)


async def post(
    client: httpx.AsyncClient, *bodies: Any, headers: dict[str, str] = TYPE, **options: Any
) -> httpx.Response:
    return await client.post("/batches", content=lines(*bodies), headers=headers, **options)


async def batch(client: httpx.AsyncClient, batch_id: str) -> Any:
    return (await client.get(f"/batches/{batch_id}")).json()


def in_chunks(data: bytes, size: int) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        for first in range(0, len(data), size):
            yield data[first : first + size]

    return chunks()


async def test_each_line_becomes_a_scenario_of_the_batch(client: httpx.AsyncClient) -> None:
    answer = await post(
        client, ALONE, {"scenario": "Pair", "description": "cats", "tenant": "acme", "priority": 1}
    )

    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == told["links"]["self"] == f"/batches/{told['batch_id']}"
    assert (told["accepted"], told["replayed"], told["refused"]) == (2, 0, 0)
    assert [one["line"] for one in told["results"]] == [1, 2]
    assert told["durability"] == {"asked": "memory", "reached": "memory", "reason": None}
    second = (await client.get(f"/scenarios/{told['results'][1]['scenario_id']}")).json()
    assert (second["name"], second["variables"]["PROMPT"]) == ("Pair", "cats")
    assert (second["tenant"], second["priority"], second["batch_id"]) == ("acme", 1, told["batch_id"])
    assert await batch(client, told["batch_id"]) == {
        "batch_id": told["batch_id"],
        "status": "processing",
        "percent": 0.0,
        "total": 2,
        "counts": {"unfinished": 2, "success": 0, "failed": 0, "cancelled": 0},
        "refused": 0,
        "cancelled": None,
        "created_at": (await batch(client, told["batch_id"]))["created_at"],
        "closed_at": (await batch(client, told["batch_id"]))["closed_at"],
        "links": told["links"],
    }


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_lines_may_arrive_in_any_pieces_and_blank_ones_are_left_out(
    client: httpx.AsyncClient, size: int
) -> None:
    body = b"\n  \r\n" + lines(ALONE) + b"\n" + orjson.dumps({"scenario": "Pair"})  # without an end of line

    answer = await client.post("/batches", content=in_chunks(body, size), headers=TYPE)

    told = answer.json()
    assert [one["line"] for one in told["results"]] == [3, 5]
    assert (told["accepted"], told["refused"]) == (2, 0)


async def test_a_bad_line_is_told_and_keeps_no_other_from_being_made(client: httpx.AsyncClient) -> None:
    bad = [b"{", b'{"scenario": "Alone", "scenario": "Pair"}', {"scenario": "Nobody"}, {"scenario": "Broken"}]
    bad += [{"scenario": "Alone", "priority": 5}, {"scenario": "Alone", "durability": "fsync"}, [], b"\xff"]

    told = (await post(client, *bad, ALONE)).json()

    problems = [one["problem"] for one in told["results"][:-1]]
    assert [(one["code"], one["status"]) for one in problems] == [
        ("invalid_json", 422),
        ("invalid_json", 422),
        ("unknown_template", 404),
        ("invalid_template", 422),
        ("invalid_field", 422),
        ("invalid_field", 422),
        ("invalid_field", 422),
        ("invalid_json", 422),
    ]
    assert problems[4]["errors"][0]["pointer"] == "/priority"
    assert (told["accepted"], told["refused"]) == (1, 8)
    found = await batch(client, told["batch_id"])
    assert (found["total"], found["refused"]) == (1, 8)


async def test_a_repeated_batch_goes_on_where_the_first_one_stopped(client: httpx.AsyncClient) -> None:
    first = (await post(client, ALONE, ALONE, headers=KEY)).json()

    again = (await post(client, ALONE, ALONE, {"scenario": "Pair"}, headers=KEY)).json()

    assert again["batch_id"] == first["batch_id"]
    assert [one["scenario_id"] for one in again["results"][:2]] == [
        one["scenario_id"] for one in first["results"]
    ]
    assert [one.get("replayed", False) for one in again["results"]] == [True, True, False]
    assert (again["accepted"], again["replayed"]) == (3, 2)
    assert (await batch(client, first["batch_id"]))["total"] == 3


async def test_another_line_under_the_same_key_is_a_conflict_of_that_line(client: httpx.AsyncClient) -> None:
    await post(client, ALONE, ALONE, headers=KEY)

    told = (await post(client, {"scenario": "Pair"}, dict(reversed(ALONE.items())), headers=KEY)).json()

    assert told["results"][0]["problem"]["code"] == "idempotency_conflict"
    assert told["results"][1]["replayed"] is True


async def test_the_same_batch_twice_at_once_is_made_once(client: httpx.AsyncClient) -> None:
    bodies = [ALONE] * 40

    answers = await asyncio.gather(*(post(client, *bodies, headers=KEY) for _ in range(3)))

    ids = {tuple(one["scenario_id"] for one in answer.json()["results"]) for answer in answers}
    assert len(ids) == 1
    assert (await batch(client, answers[0].json()["batch_id"]))["total"] == 40


async def test_the_scenarios_are_listed_by_line_in_pages(client: httpx.AsyncClient) -> None:
    told = (await post(client, *[ALONE] * 5)).json()
    address, seen, cursor = f"/batches/{told['batch_id']}/scenarios", [], None

    while True:
        page = (
            await client.get(address, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [(one["line"], one["scenario_id"]) for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break

    assert seen == [(one["line"], one["scenario_id"]) for one in told["results"]]
    assert (await client.get(address, params={"status": "failed"})).json()["items"] == []
    assert (await client.get(address, params={"cursor": "x"})).json()["code"] == "invalid_cursor"


@pytest.mark.usefixtures("engine")
async def test_a_cancelled_batch_ends_and_takes_no_more(client: httpx.AsyncClient, link: RedisLink) -> None:
    told = (await post(client, *[ALONE] * 30, headers=KEY)).json()
    address = f"/batches/{told['batch_id']}"

    answer = await client.post(f"{address}/cancel", json={"reason": "wrong list", "by": "ann"})

    assert answer.status_code == 200
    assert answer.json()["cancelled"] == {"type": "cancelled", "message": "wrong list", "by": "ann"}
    await wait_until(lambda: _is_finished(client, told["batch_id"]), what="the end of the batch")
    found = await batch(client, told["batch_id"])
    assert (found["counts"]["cancelled"], found["percent"]) == (30, 100)
    one = (await client.get(f"/scenarios/{told['results'][7]['scenario_id']}")).json()
    assert (one["status"], one["error"]["message"]) == ("cancelled", "wrong list")
    more = await post(client, *[ALONE] * 31, headers=KEY)
    assert (more.status_code, more.json()["code"], more.json()["accepted"]) == (409, "batch_cancelled", 30)
    assert not [name for name in await _timers(link) if b"cancel" in name]


async def _is_finished(client: httpx.AsyncClient, batch_id: str) -> bool:
    return bool((await batch(client, batch_id))["status"] == "finished")


async def _timers(link: RedisLink) -> list[bytes]:
    return list(await link.execute("ZRANGE", "timers", 0, -1))


@pytest.mark.parametrize(
    ("change", "body", "code", "accepted"),
    [
        ({"batch_max_lines": 10}, lines(*[ALONE] * 11), "too_many_lines", 8),
        ({"max_body_bytes": 1_024}, lines(*[ALONE] * 8, b'"' + b"x" * 1_100), "body_too_large", 8),
        ({"batch_max_bytes": 1_024}, lines(*[ALONE] * 100), "body_too_large", 48),
    ],
)
async def test_beyond_a_limit_it_is_broken_off_and_what_was_accepted_is_named(
    client: httpx.AsyncClient,
    app: FastAPI,
    settings: Settings,
    change: dict[str, Any],
    body: bytes,
    code: str,
    accepted: int,
) -> None:
    app.state.services = _with(app.state.services, settings.model_copy(update=change))

    answer = await client.post("/batches", content=in_chunks(body, 200), headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (413, code)
    assert 0 < answer.json()["accepted"] <= accepted
    found = await batch(client, answer.json()["batch_id"])
    assert (found["status"], found["total"], found["refused"]) == (
        "receiving",
        answer.json()["accepted"],
        None,
    )


def _with(services: Services, settings: Settings) -> Services:
    return replace(services, settings=settings)


async def test_a_sender_that_falls_silent_is_told_what_was_accepted(client: httpx.AsyncClient) -> None:
    never = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield lines(*[ALONE] * 8)
        await never.wait()

    answer = await client.post("/batches", content=chunks(), headers=KEY)

    assert (answer.status_code, answer.json()["code"], answer.json()["accepted"]) == (408, "body_timeout", 8)


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/x-ndjson; charset=latin-1", ""]
)
async def test_other_media_types_are_refused(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post("/batches", content=lines(ALONE), headers={"Content-Type": kind})

    assert answer.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize("batch_id", ["0" * 16, "x", "../x"])
async def test_an_unknown_batch_is_not_found(client: httpx.AsyncClient, batch_id: str) -> None:
    addresses: Sequence[tuple[str, str]] = (("GET", ""), ("GET", "/scenarios"), ("POST", "/cancel"))
    for method, rest in addresses:
        body: Any = {} if method == "POST" else None
        answer = await client.request(method, f"/batches/{batch_id}{rest}", json=body)
        assert answer.status_code == 404


class Outage(Store):
    """Redis goes away after some submissions."""

    left = 20

    async def submit(self, *values: Any, **more: Any) -> Submitted:
        self.left -= 1
        if self.left < 0:
            raise Unavailable("gone")
        return await super().submit(*values, **more)


async def test_after_an_outage_the_same_request_goes_on(client: httpx.AsyncClient, app: FastAPI) -> None:
    services: Services = app.state.services
    app.state.services = replace(services, store=Outage(services.link, services.store.partitions))
    broken = await post(client, *[ALONE] * 40, headers=KEY)
    assert (broken.status_code, broken.json()["code"], broken.json()["accepted"]) == (503, "unavailable", 20)
    assert broken.headers["retry-after"] == "1"

    app.state.services = services
    again = (await post(client, *[ALONE] * 40, headers=KEY)).json()

    assert (again["accepted"], again["replayed"]) == (40, 20)
    assert (await batch(client, broken.json()["batch_id"]))["total"] == 40


async def test_an_empty_batch_is_one_that_expires(client: httpx.AsyncClient, link: RedisLink) -> None:
    told = (await post(client, b"")).json()

    found = await batch(client, told["batch_id"])
    assert (found["status"], found["total"], found["percent"]) == ("finished", 0, 0)
    assert await leaked_keys(link) == []


async def test_large_lines_are_made_by_a_renderer(client: httpx.AsyncClient) -> None:
    told = (await post(client, {"scenario": "Many", "variables": {"N": 2_000}}, ALONE, headers=KEY)).json()

    assert [one["scenario_id"] for one in told["results"]] == [
        scenario_id_of(told["batch_id"], 1),
        scenario_id_of(told["batch_id"], 2),
    ]
    first = (await client.get(f"/scenarios/{told['results'][0]['scenario_id']}")).json()
    assert (first["total"], first["batch_id"]) == (2_001, told["batch_id"])
