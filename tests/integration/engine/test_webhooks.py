"""Webhooks from the end of a scenario to a receiver: a real engine, a real HTTP server, an independent verification."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrator.egress import Egress
from orchestrator.engine import Sending
from orchestrator.engine.sender import Sender
from orchestrator.signing import new_secret
from orchestrator.store.deliveries import Deliveries, DeliveryRecord, Event
from orchestrator.store.endpoints import Endpoint, Endpoints, Secret
from orchestrator.store.records import Cause
from orchestrator.store.store import Store
from tests.support.engines import Running, running_engine
from tests.support.graphs import chain, graph
from tests.support.plain_worker import PlainWorker
from tests.support.receiver import Receiver, receiving
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import Partitions, scenario_id_from
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind

SENDING = Sending(egress=Egress(allow_http=True, allow_private=True), timeout_s=2.0)
SECRET = new_secret()


@asynccontextmanager
async def engine_of(
    redis_url: str, sending: Sending = SENDING, partitions: int = 1
) -> AsyncIterator[Running]:
    async with running_engine(redis_url, partitions=partitions, sending=sending) as running:
        yield running


async def told(store: Store, url: str, number: int = 1, **filters: Any) -> Endpoint:
    """A registered endpoint."""
    endpoint_id = scenario_id_from(f"endpoint {number}".encode())
    return await Endpoints(store).add(Endpoint(endpoint_id, url, [Secret(SECRET)], **filters))


async def ended(store: Store, worker: PlainWorker, *, failed: bool = False) -> str:
    """Submit a scenario of one task and end it."""
    scenario = graph(chain(1))
    await store.submit(scenario)
    await wait_until(
        lambda: store.link.execute("EXISTS", worker.at.queue(worker.service)), what="the task is ready"
    )
    [entry] = await wait_until(worker.take, what="the task is ready")
    if failed:
        await worker.report(entry, EventKind.FAILED, error='{"type":"Boom","message":"no"}')
    else:
        await worker.succeed(entry, result_ref="s3://bucket/a.mp4")
    return scenario.scenario_id


async def arrived(receiver: Receiver, count: int = 1) -> None:
    await wait_until(lambda: len(receiver.requests) >= count, what=f"{count} requests arrive")


async def settled(store: Store, endpoint: Endpoint, count: int = 1) -> list[DeliveryRecord]:
    """The deliveries of an endpoint, when all are done."""

    async def done() -> list[DeliveryRecord] | None:
        page = await Deliveries(store).page(endpoint.id, limit=200)
        return page.items if len(page.items) == count and all(one.finished_at for one in page.items) else None

    found: list[DeliveryRecord] = await wait_until(done, what="all deliveries are done")
    return found


async def test_the_end_of_a_scenario_arrives_signed(redis_url: str, worker: PlainWorker) -> None:
    async with receiving() as receiver, engine_of(redis_url) as engine:
        endpoint = await told(engine.store, receiver.url)
        scenario_id = await ended(engine.store, worker)
        await arrived(receiver)
        [delivery] = await settled(engine.store, endpoint)
        record = await engine.store.scenario(scenario_id)

    [request] = receiver.requests
    message = request.verified_by(SECRET)
    assert (request.method, request.path, request.id) == ("POST", "/hook", delivery.id)
    assert request.headers["content-type"] == "application/json"
    assert record and message["type"] == "scenario.success" and message["timestamp"] == record.finished_at
    assert message["data"] == {
        "scenario_id": scenario_id, "name": "Graph", "status": "success", "version": "1.0.0", "total": 1,
        "counts": {"pending": 0, "processing": 0, "success": 1, "failed": 0, "skipped": 0, "cancelled": 0},
        "created_at": record.created_at, "finished_at": record.finished_at, "result_ref": "s3://bucket/a.mp4",
        "error": None, "links": {"self": f"/scenarios/{scenario_id}"},
    }  # fmt: skip
    assert (delivery.status, delivery.attempts, delivery.history[0]["status"]) == ("success", 1, 204)
    assert delivery.payload == message


async def test_failures_and_cancellations_are_told_with_their_cause(
    redis_url: str, worker: PlainWorker
) -> None:
    async with receiving() as receiver, engine_of(redis_url) as engine:
        endpoint = await told(engine.store, receiver.url)
        await ended(engine.store, worker, failed=True)
        await arrived(receiver)
        waiting = graph(chain(1))
        await engine.store.submit(waiting)
        await engine.store.cancel(waiting.scenario_id, Cause("not needed", "ann"))
        await settled(engine.store, endpoint, 2)

    failed, cancelled = (request.message for request in receiver.requests)
    assert (failed["type"], failed["data"]["error"]["type"]) == ("scenario.failed", "task_failed")
    assert (cancelled["type"], cancelled["data"]["error"]["by"]) == ("scenario.cancelled", "ann")


async def test_a_scenario_that_cannot_begin_is_told_as_failed(redis_url: str) -> None:
    async with receiving() as receiver, engine_of(redis_url) as engine:
        endpoint = await told(engine.store, receiver.url)
        scenario = graph(chain(1))
        task_key = engine.store.partitions[0].task(scenario.task_ids[0])
        await engine.store.link.execute("HSET", task_key, "scenario_id", "another", "status", "success")
        await engine.store.submit(scenario)
        await settled(engine.store, endpoint)
        await engine.store.link.execute("DEL", task_key)

    assert receiver.requests[0].message["data"]["error"]["type"] == "conflict"


async def test_each_endpoint_is_told_of_what_it_asked_for(redis_url: str, worker: PlainWorker) -> None:
    wishes: list[dict[str, list[str]]] = [
        {"events": ["scenario.success"], "names": ["Graph"]},
        {"names": ["ScenarioGraph"]},
        {"events": ["scenario.failed"]},
        {"names": ["Other"]},
        {"tenants": ["somebody"]},
        {},
    ]
    async with receiving() as receiver, engine_of(redis_url) as engine:
        endpoints = [await told(engine.store, receiver.url, n, **wish) for n, wish in enumerate(wishes)]
        await Endpoints(engine.store).disable(endpoints[5].id, "a test")
        await ended(engine.store, worker)
        for endpoint in endpoints[:2]:
            await settled(engine.store, endpoint)
        rest = [(await Deliveries(engine.store).page(one.id)).items for one in endpoints[2:]]

    assert rest == [[], [], [], []]
    assert len({request.id for request in receiver.requests}) == len(receiver.requests) == 2


async def test_a_slow_endpoint_delays_no_other_and_gets_few_at_a_time(
    redis_url: str, worker: PlainWorker
) -> None:
    sending = Sending(egress=SENDING.egress, timeout_s=60.0, per_endpoint=2)
    async with receiving() as slow, receiving() as quick, engine_of(redis_url, sending) as engine:
        slow.holds = True
        patient = await told(engine.store, slow.url, 1)
        other = await told(engine.store, quick.url, 2)
        for _ in range(5):
            await ended(engine.store, worker)
        await settled(engine.store, other, 5)
        await arrived(slow, 2)
        held = len(slow.requests)
        slow.let_go()
        await settled(engine.store, patient, 5)

    assert held == 2
    assert len(slow.requests) == len(quick.requests) == 5


async def test_the_room_for_an_endpoint_is_counted_over_all_partitions(redis_url: str) -> None:
    sending = Sending(egress=SENDING.egress, timeout_s=60.0, per_endpoint=2)
    async with receiving() as slow, receiving() as quick, engine_of(redis_url, sending, 8) as engine:
        slow.holds = True
        patient = await told(engine.store, slow.url, 1)
        other = await told(engine.store, quick.url, 2)
        events = [Event("webhook.test", scenario_id_from(bytes([i]) * 16), b"{}") for i in range(24)]
        both = [patient.id, other.id]
        await asyncio.gather(
            *(Deliveries(engine.store).announce(engine.store.partitions.of(e.id), e, both) for e in events)
        )
        await settled(engine.store, other, 24)
        await arrived(slow, 2)
        held = len(slow.requests)
        slow.let_go()
        await settled(engine.store, patient, 24)

    assert held == 2


async def test_an_attempt_that_nobody_noted_is_made_again_under_the_same_id(
    redis_url: str, worker: PlainWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is gone between the request and its record: here the attempt is cancelled after the receiver had it."""
    sending = Sending(egress=SENDING.egress, timeout_s=0.5)
    crashed: list[str] = []
    real = Sender._recorded

    async def crash_once(self: Sender, *args: object) -> int | None:
        if not crashed:
            crashed.append("here")
            raise asyncio.CancelledError
        return await real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Sender, "_recorded", crash_once)
    async with receiving() as receiver, engine_of(redis_url, sending) as engine:
        endpoint = await told(engine.store, receiver.url)
        await ended(engine.store, worker)
        [delivery] = await settled(engine.store, endpoint)

    assert [request.id for request in receiver.requests] == [delivery.id, delivery.id]
    assert receiver.requests[0].body == receiver.requests[1].body
    assert (delivery.status, delivery.attempts) == ("success", 1)


async def test_endpoints_are_known_in_every_partition(redis_url: str) -> None:
    async with receiving() as receiver, engine_of(redis_url, partitions=3) as engine:
        endpoint = await told(engine.store, receiver.url)
        scenarios = [graph(chain(1), scenario_id=slot + "a" * 14) for slot in ("00", "gg", "zz")]
        for scenario in scenarios:
            await engine.store.submit(scenario)
            await engine.store.cancel(scenario.scenario_id, Cause())
        found = await settled(engine.store, endpoint, 3)
        pages: list[list[str]] = []
        cursor = None
        while not pages or cursor:
            page = await Deliveries(engine.store).page(endpoint.id, cursor=cursor, limit=1)
            pages.append([one.id for one in page.items])
            cursor = page.next_cursor

    told_of = {request.message["data"]["scenario_id"] for request in receiver.requests}
    assert told_of == {scenario.scenario_id for scenario in scenarios}
    assert [one for page in pages for one in page] == [one.id for one in found]


async def test_an_engine_restores_copies_that_are_missing(redis_url: str, link: RedisLink) -> None:
    store = Store(link, Partitions(2))
    await store.agree(sets_lease=False)
    endpoint = await told(store, "http://127.0.0.1:1/")
    other = store.partitions[1]
    await link.execute("DEL", other.webhooks)  # as if the API had died between its two writes
    async with engine_of(redis_url, partitions=2):
        await wait_until(lambda: link.execute("EXISTS", other.webhooks), what="the copy is there again")
    assert await Endpoints(store).all(other) == [endpoint]


async def test_without_endpoints_no_outbox_is_written(
    redis_url: str, link: RedisLink, worker: PlainWorker
) -> None:
    async with engine_of(redis_url) as engine:
        await engine.finished(await ended(engine.store, worker))
    assert await link.execute("EXISTS", "outbox", "webhooks") == 0


async def test_an_entry_of_the_outbox_that_says_nothing_is_set_aside(
    redis_url: str, link: RedisLink, worker: PlainWorker
) -> None:
    async with receiving() as receiver, engine_of(redis_url) as engine:
        endpoint = await told(engine.store, receiver.url)
        await link.execute("XADD", "outbox", "*", "type", b"\xff")
        await ended(engine.store, worker)
        await settled(engine.store, endpoint)
        assert await link.execute("XLEN", "quarantine") == 1
        assert await link.execute("XLEN", "outbox") == 0
