"""Webhooks over HTTP: endpoints, secrets, deliveries."""

import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from orchestrator.api.app import create_app
from orchestrator.api.services import Services
from orchestrator.config import Settings
from orchestrator.egress import Egress
from orchestrator.engine import Sending
from orchestrator.store.store import Policy, Store
from tests.support.engines import running_engine
from tests.support.receiver import Receiver, receiving
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import Partitions

from .test_bad_input import checked
from .test_reports import report, started

SECRET = "whsec_" + "A" * 43 + "="


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhooks_allow_http": True, "webhooks_allow_private": True})


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest_asyncio.fixture
async def sending(redis_url: str) -> AsyncIterator[None]:
    """An engine that sends to this machine."""
    rules = Sending(egress=Egress(allow_http=True, allow_private=True), timeout_s=2.0)
    async with running_engine(redis_url, sending=rules):
        yield


async def registered(client: httpx.AsyncClient, url: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/webhooks", json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == found["links"]["self"] == f"/webhooks/{found['id']}"
    return found


async def settled(client: httpx.AsyncClient, path: str, attempts: int = 1) -> dict[str, Any]:
    """A delivery when so many attempts of it were noted."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = (await client.get(path)).json()
        return found if len(found["history"]) == attempts else None

    seen: dict[str, Any] = await wait_until(look, what="an attempt is noted")
    return seen


async def test_an_endpoint_is_registered_seen_changed_and_removed(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    added = await registered(
        client, receiver.url, events=["scenario.failed"], names=["Pair"], description="mine"
    )
    path = f"/webhooks/{added['id']}"
    seen = (await client.get(path)).json()
    changed = (await client.patch(path, json={"enabled": False, "names": []})).json()
    listed = (await client.get("/webhooks")).json()["items"]
    removed = await client.delete(path)

    assert added["secret"].startswith("whsec_")
    assert seen == {name: value for name, value in added.items() if name not in ("secret", "previous_until")}
    assert (changed["enabled"], changed["names"], changed["events"]) == (False, [], ["scenario.failed"])
    assert listed == [changed]
    assert (removed.status_code, removed.json()) == (200, {"id": added["id"], "removed": True})
    for answer in (await client.get(path), await client.delete(path), await client.patch(path, json={})):
        checked(answer, 404)


async def test_a_secret_is_shown_once_and_may_be_given(client: httpx.AsyncClient, receiver: Receiver) -> None:
    added = await registered(client, receiver.url, secret=SECRET)
    path = f"/webhooks/{added['id']}"
    rotated = (await client.post(f"{path}/rotate", json={"grace_s": 3_600})).json()
    again = (await client.post(f"{path}/rotate", json={"secret": SECRET, "grace_s": 0})).json()

    assert added["secret"] == SECRET != rotated["secret"]
    assert rotated["previous_until"] > rotated["updated_at"]
    assert (again["secret"], again["previous_until"]) == (SECRET, None)
    for address in (path, "/webhooks"):
        text = (await client.get(address)).text
        assert "whsec_" not in text and rotated["secret"] not in text


@pytest.mark.usefixtures("sending")
async def test_the_end_of_a_scenario_is_delivered_and_listed(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    added = await registered(client, receiver.url)
    scenario_id, first, _ = await started(client)
    await report(client, first, status="failed", error={"type": "Boom", "message": "no"})
    await wait_until(lambda: receiver.requests, what="the message arrives")
    path = f"/webhooks/{added['id']}/deliveries/{receiver.requests[0].id}"
    delivery = await settled(client, path)
    page = (await client.get(f"/webhooks/{added['id']}/deliveries", params={"status": "success"})).json()
    none = (await client.get(f"/webhooks/{added['id']}/deliveries", params={"status": "failed"})).json()

    assert receiver.requests[0].verified_by(added["secret"]) == delivery["payload"]
    assert delivery["scenario_id"] == scenario_id == delivery["payload"]["data"]["scenario_id"]
    assert "PROMPT" not in receiver.requests[0].body.decode()
    [listed] = page["items"]
    assert listed == {name: value for name, value in delivery.items() if name != "payload"}
    assert none == {"items": [], "next_cursor": None}


@pytest.mark.usefixtures("sending")
async def test_what_failed_is_redriven_one_or_all(client: httpx.AsyncClient, receiver: Receiver) -> None:
    added = await registered(client, receiver.url)
    path = f"/webhooks/{added['id']}"
    receiver.answers = ["500 Broken\r\nretry-after: 3600"] * 2
    sent = [(await client.post(f"{path}/test")).json() for _ in range(2)]
    for one in sent:
        await settled(client, one["links"]["self"])

    again = await client.post(f"{sent[0]['links']['self']}/redrive")
    assert (await settled(client, sent[0]["links"]["self"], 2))["status"] == "success"
    all_of_them = (await client.post(f"{path}/redrive", json={})).json()
    last = await settled(client, sent[1]["links"]["self"], 2)

    assert again.status_code == 200
    assert all_of_them == {"redriven": 1, "next_cursor": None}
    assert [one["status"] for one in last["history"]] == [500, 204]
    assert (last["type"], last["scenario_id"], last["payload"]["data"]) == (
        "webhook.test", None, {"endpoint_id": added["id"]},
    )  # fmt: skip


async def test_what_waits_and_what_was_dropped_is_told(
    client: httpx.AsyncClient, receiver: Receiver, app: FastAPI
) -> None:
    services: Services = app.state.services
    store = Store(services.link, Partitions(1), Policy(max_deliveries=1))
    app.state.services = dataclasses.replace(services, store=store)
    added = await registered(client, receiver.url)
    path = f"/webhooks/{added['id']}"
    assert (added["waiting"], added["dropped"], added["dropped_at"]) == (0, 0, None)

    answers = [await client.post(f"{path}/test"), await client.post(f"{path}/test")]

    assert [one.status_code for one in answers] == [202, 409]
    assert answers[1].json()["code"] == "webhook_full"
    for shown in ((await client.get(path)).json(), (await client.get("/webhooks")).json()["items"][0]):
        assert (shown["waiting"], shown["dropped"]) == (1, 1) and shown["dropped_at"]


async def test_nothing_is_sent_to_a_disabled_endpoint(client: httpx.AsyncClient, receiver: Receiver) -> None:
    added = await registered(client, receiver.url)
    path = f"/webhooks/{added['id']}"
    waiting = (await client.post(f"{path}/test")).json()
    await client.patch(path, json={"enabled": False})

    for address in (f"{path}/test", f"{path}/redrive", f"{waiting['links']['self']}/redrive"):
        assert checked(await client.post(address, json={}), 409)["code"] == "webhook_disabled"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"url": ""}, {"url": 5}, {"url": "file:///etc/passwd"}, {"url": "http://u:p@127.0.0.1/"}, {"url": "x" * 2_001},
        {"url": "http://name.invalid/"}, {"url": "http://127.0.0.1/", "events": ["scenario.*"]},
        {"url": "http://127.0.0.1/", "secret": "short"}, {"url": "http://127.0.0.1/", "secret": "whsec_!"},
        {"url": "http://127.0.0.1/", "names": ["../x"]}, {"url": "http://127.0.0.1/", "evil": 1},
        {"url": "http://127.0.0.1/", "description": "x" * 501},
    ],
)  # fmt: skip
async def test_a_bad_registration_is_refused_without_repeating_it(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    problem = checked(await client.post("/webhooks", json=body), 422)
    assert problem["errors"][0]["pointer"].startswith("/")
    assert "u:p" not in json.dumps(problem)
    assert (await client.get("/webhooks")).json() == {"items": []}


@pytest.mark.parametrize(
    "word", ["", "/test", "/redrive", "/rotate", "/deliveries", f"/deliveries/{'0' * 16}"]
)
@pytest.mark.parametrize("endpoint_id", ["0" * 16, "no-id", "{p0}:webhooks"])
async def test_an_unknown_endpoint_is_not_found(
    client: httpx.AsyncClient, endpoint_id: str, word: str
) -> None:
    method = "POST" if word in ("/test", "/redrive", "/rotate") else "GET"
    checked(await client.request(method, f"/webhooks/{endpoint_id}{word}", **_body(method)), 404)


def _body(method: str) -> dict[str, Any]:
    return {"json": {}} if method == "POST" else {}


async def test_a_delivery_belongs_to_its_endpoint(client: httpx.AsyncClient, receiver: Receiver) -> None:
    one, other = await registered(client, receiver.url), await registered(client, receiver.url)
    sent = (await client.post(f"/webhooks/{one['id']}/test")).json()

    checked(await client.get(f"/webhooks/{other['id']}/deliveries/{sent['id']}"), 404)
    checked(await client.post(f"/webhooks/{other['id']}/deliveries/{sent['id']}/redrive"), 404)
    bad = await client.get(f"/webhooks/{one['id']}/deliveries", params={"cursor": "nonsense"})
    assert checked(bad, 422)["code"] == "invalid_cursor"


async def test_private_addresses_are_refused_unless_they_are_allowed(
    redis_url: str, settings: Settings
) -> None:
    strict = settings.model_copy(update={"webhooks_allow_http": False, "webhooks_allow_private": False})
    from_outside = await _first_answer(strict, {"url": "https://169.254.169.254/latest"})
    assert from_outside["errors"][0] == {
        "pointer": "/url", "detail": "The host of the URL has an address that is not public.",
    }  # fmt: skip


async def _first_answer(settings: Settings, body: dict[str, Any]) -> dict[str, Any]:
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        return checked(await client.post("/webhooks", json=body), 422)
