"""On whose behalf a scenario runs, how safe it is, and when no more are taken."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from orchestrator.api.services import Services
from orchestrator.store.admission import Admission
from orchestrator.store.store import Policy, Store
from tests.support.dump import dump
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink

ALONE: dict[str, Any] = {"scenario": "Alone"}
OWNED = {"tenant": "acme", "priority": 0, "submitter": "ann@example.org"}


def with_policy(app: FastAPI, policy: Policy) -> None:
    services: Services = app.state.services
    app.state.services = replace(services, store=Store(services.link, Partitions(1), policy))


async def test_an_owner_is_shown_and_reaches_the_tasks(client: httpx.AsyncClient, services: Services) -> None:
    answer = await client.post("/generate", json=ALONE | OWNED)

    found = (await client.get(answer.headers["location"])).json()
    assert {name: found[name] for name in OWNED} == OWNED
    assert found["batch_id"] is None
    (entry,) = await services.link.execute("XRANGE", "scenarios", "-", "+")
    assert b'"{\\"flow\\":{\\"tenant\\":\\"acme\\",\\"priority\\":0}}"' in entry[1][5]


async def test_a_plain_scenario_has_no_trace_of_an_owner(
    client: httpx.AsyncClient, services: Services
) -> None:
    answer = await client.post("/generate", json=ALONE)

    key = f"scenario:{answer.json()['scenario_id']}"
    fields = await services.link.execute("HKEYS", key)
    assert not {b"tenant", b"priority", b"submitter", b"batch", b"digest"} & set(fields)
    (entry,) = await services.link.execute("XRANGE", "scenarios", "-", "+")
    assert b"flow" not in entry[1][5]
    found = (await client.get(answer.headers["location"])).json()
    assert (found["tenant"], found["priority"], found["submitter"]) == (None, None, None)


@pytest.mark.parametrize(
    "wrong",
    [{"tenant": ""}, {"tenant": "a b"}, {"tenant": "a\n"}, {"tenant": "x" * 101}, {"priority": 5}, {"priority": -1},
     {"priority": "1"}, {"priority": True}, {"submitter": ""}, {"submitter": "a\x00"}, {"submitter": "x" * 201},
     {"durability": "disk"}, {"durability": {"replicated": 0}}, {"durability": {"replicated": 1, "fast": True}}],
)  # fmt: skip
async def test_what_is_not_as_described_is_an_invalid_field(client: httpx.AsyncClient, wrong: Any) -> None:
    answer = await client.post("/generate", json=ALONE | wrong)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


async def test_scenarios_are_listed_by_tenant(client: httpx.AsyncClient) -> None:
    for tenant in ("acme", "other", "acme"):
        await client.post("/generate", json=ALONE | {"tenant": tenant})
    await client.post("/generate", json=ALONE)

    pages = [(await client.get("/scenarios", params=query)).json()["items"] for query in (
        {"tenant": "acme"}, {"tenant": "acme", "name": "Alone"}, {"tenant": "nobody"}, {}
    )]  # fmt: skip

    assert [len(page) for page in pages] == [2, 2, 0, 4]
    assert {one["tenant"] for one in pages[0]} == {"acme"}


async def test_tenants_do_not_share_their_idempotency_keys(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "1"}
    answers = [
        await client.post("/generate", json=ALONE | more, headers=headers)
        for more in ({"tenant": "a"}, {"tenant": "b"}, {}, {"tenant": "a"})
    ]

    assert [answer.status_code for answer in answers] == [201] * 4
    ids = [answer.json()["scenario_id"] for answer in answers]
    assert (len(set(ids)), ids[0]) == (3, ids[3])


async def test_the_answer_says_how_safe_the_scenario_is(client: httpx.AsyncClient) -> None:
    for asked in ("memory", "fsync", {"replicated": 1}):
        told = (await client.post("/generate", json=ALONE | {"durability": asked})).json()["durability"]
        assert told["asked"] == asked
        assert (told["reached"] == asked) == (told["reason"] is None)
    assert told["reached"] == "memory"
    assert "0 of 1 replicas" in told["reason"]


async def test_a_replay_is_confirmed_anew(client: httpx.AsyncClient, services: Services) -> None:
    body, headers = ALONE | {"durability": {"replicated": 1}}, {"Idempotency-Key": "1"}
    first = await client.post("/generate", json=body, headers=headers)
    again = await client.post("/generate", json=body, headers=headers)

    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert 0 < await services.link.execute("PTTL", "barrier") <= 60_000


async def test_the_default_class_is_a_setting(client: httpx.AsyncClient, app: FastAPI) -> None:
    settings = app.state.services.settings.model_copy(update={"durability": "replicated(1)"})
    app.state.services = replace(app.state.services, settings=settings)

    told = (await client.post("/generate", json=ALONE)).json()["durability"]

    assert told["asked"] == {"replicated": 1}


async def test_beyond_the_most_unfinished_scenarios_nothing_is_stored(
    client: httpx.AsyncClient, app: FastAPI, link: RedisLink
) -> None:
    with_policy(app, Policy(max_unfinished=5))
    answers = await asyncio.gather(*(client.post("/generate", json=ALONE) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [429] * 15
    before = await dump(link)

    refused = await client.post("/generate", json=ALONE, headers={"Idempotency-Key": "1"})

    assert (refused.json()["code"], refused.headers["retry-after"]) == ("overloaded", "5")
    assert await dump(link) == before


async def test_a_tenant_has_a_limit_of_its_own(
    client: httpx.AsyncClient, app: FastAPI, link: RedisLink
) -> None:
    with_policy(app, Policy(max_unfinished_of_tenant=2))
    bodies = [ALONE | {"tenant": tenant} for tenant in ("a", "b") * 10] + [ALONE] * 3
    answers = await asyncio.gather(*(client.post("/generate", json=body) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [201] * 7 + [429] * 16
    assert {answer.json()["code"] for answer in answers if answer.status_code == 429} == {"too_many_requests"}
    assert await link.execute("HGETALL", "tenants") in ([b"a", b"2", b"b", b"2"], [b"b", b"2", b"a", b"2"])


async def test_a_replay_is_answered_however_full_it_is(client: httpx.AsyncClient, app: FastAPI) -> None:
    headers = {"Idempotency-Key": "1"}
    first = await client.post("/generate", json=ALONE | {"tenant": "a"}, headers=headers)
    with_policy(app, Policy(max_unfinished=1, max_unfinished_of_tenant=1))

    again = await client.post("/generate", json=ALONE | {"tenant": "a"}, headers=headers)

    assert (again.status_code, again.json()) == (201, first.json())


async def test_a_line_of_a_full_tenant_is_refused_alone_and_a_full_server_ends_the_batch(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    with_policy(app, Policy(max_unfinished=10, max_unfinished_of_tenant=1))
    headers = {"Content-Type": "application/x-ndjson"}
    own, other = b'{"scenario":"Alone","tenant":"a"}\n', b'{"scenario":"Alone"}\n'

    some = await client.post("/batches", content=own * 3 + other, headers=headers)
    rest = await client.post("/batches", content=other * 20, headers=headers)

    codes = [one["problem"]["code"] for one in some.json()["results"] if "problem" in one]
    assert (some.json()["accepted"], codes) == (2, ["too_many_requests"] * 2)
    assert (rest.status_code, rest.json()["code"], rest.json()["accepted"]) == (429, "overloaded", 8)
    assert rest.headers["retry-after"] == "5"


@pytest_asyncio.fixture
async def full(link: RedisLink) -> AsyncIterator[None]:
    """A server that uses all of its memory and half as much again."""
    info = (await link.execute("INFO", "memory")).decode()
    used = int(info.partition("used_memory:")[2].split("\r")[0])
    await link.execute("CONFIG", "SET", "maxmemory", used * 2 // 3)
    yield
    await link.execute("CONFIG", "SET", "maxmemory", 0)


@pytest.mark.usefixtures("full")
async def test_a_server_without_memory_takes_no_more_whoever_notices(
    client: httpx.AsyncClient, app: FastAPI, link: RedisLink
) -> None:
    """First we, before anything is made; then, where that is off, Redis itself."""
    for share in (0.85, 0.0):
        app.state.services = replace(app.state.services, admission=Admission(link, share))
        before = await dump(link)

        answer = await client.post("/generate", json=ALONE)

        assert (answer.status_code, answer.json()["code"]) == (429, "overloaded")
        assert answer.headers["retry-after"] == "5"
        assert await dump(link) == before


async def test_memory_is_looked_at_once_a_second_and_never_without_a_limit(link: RedisLink) -> None:
    admission = Admission(link, 0.85)
    await link.execute("CONFIG", "RESETSTAT")
    for _ in range(50):
        await admission.check()  # maxmemory is 0

    stats = (await link.execute("INFO", "commandstats")).decode()
    assert "cmdstat_info:calls=1," in stats
