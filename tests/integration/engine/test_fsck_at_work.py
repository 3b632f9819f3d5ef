"""A check finds nothing while the system works, however much goes on, and nothing after it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Limits, Pause, Rate
from orchestrator.store.fsck import Fsck
from orchestrator.store.records import Cause, NewScenario, Owner, RetryPolicy
from orchestrator.store.store import Policy, Store
from tests.support.engines import running_engine
from tests.support.graphs import chain, diamond, graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind

POLICY = Policy(lease_ms=150, http_lease_ms=150, max_lost=1_000, chunk=20)
KEYED = {"flow": {"tenant": "gold", "key": "user 7", "max": 2}}
ASK = {"ask": True}
KINDS: list[dict[str, Any]] = [
    {"needs": chain(6)},
    {"needs": diamond(60)},
    {"needs": {"a": [], "b": [], "c": [], "any": ["a", "b", "c"], "two": ["a", "b", "c"]}, "rules": {
        "a": {"tolerated": True}, "b": {"optional": True}, "any": {"need": 1}, "two": {"need": 2}}},
    {"needs": {"each": [], "last": ["each"]}, "rules": {"each": ASK}, "on_ready": {
        "each": {"foreach": {"items": [{"n": n} for n in range(45)]}}}},
    {"needs": {"late": [], "tidy": ["late"]}, "rules": {"late": ASK, "tidy": {"finally": 0, "all_done": True, "ask": True}},
     "on_ready": {"late": {"delay_ms": 50}}},
    {"needs": {"ok": [], "after": ["ok"]}, "rules": {"ok": ASK}, "on_ready": {
        "ok": {"gate": {"deadline_ms": 30, "default": {"decision": "approve"}}}}},
    {"needs": {f"k{n}": [] for n in range(8)}, "rules": {f"k{n}": KEYED for n in range(8)}},
    {"needs": {f"t{n}": [] for n in range(6)}, "rules": {
        f"t{n}": {"timeouts": {"queue_ms": 5_000, "run_ms": 5_000, "total_ms": 9_000}} for n in range(6)}},
]  # fmt: skip


def scenario(n: int) -> NewScenario:
    """One of several kinds, whose failed tasks are tried again."""
    plain = graph(**KINDS[n % len(KINDS)])
    policy = RetryPolicy(max_attempts=3, delay_ms=20)
    tasks = [replace(task, policy=policy) for task in plain.tasks]
    return replace(plain, tasks=tasks, owner=Owner(tenant=f"tenant {n % 3}"))


async def _at_work(link: RedisLink, name: str, chance: random.Random, stop: asyncio.Event) -> None:
    """A worker that succeeds mostly, fails at times, and sometimes dies."""
    worker = PlainWorker(link, name)
    while not stop.is_set():
        for entry in await worker.take(chance.randrange(1, 20)):
            luck = chance.random()
            if luck < 0.2:
                await worker.report(entry, EventKind.PROCESSING)
            if luck < 0.85:
                await worker.succeed(entry)
            elif luck < 0.95:
                await worker.report(entry, EventKind.FAILED, error='{"type":"Boom"}')
        await asyncio.sleep(0)


async def _disturbed(store: Store, ids: list[str], chance: random.Random, stop: asyncio.Event) -> None:
    """People who pause, resume, limit and cancel."""
    flow = Flow(store)
    while not stop.is_set():
        one = chance.choice(ids) if ids else None
        act = chance.randrange(8)
        if one and act == 0:
            await flow.pause_scenario(one, Pause())
        elif one and act < 3:
            await flow.resume_scenario(one, begin=True)
        elif one and act == 3 and chance.random() < 0.1:
            await store.cancel(one, Cause())
        elif act == 4:
            await flow.limit("test-service", Limits(chance.randrange(5, 30), Rate(5_000, 1_000, 50)))
        elif act == 5:
            await flow.forget("test-service")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def working(redis_url: str, link: RedisLink, seed: int) -> AsyncIterator[tuple[Store, list[str]]]:
    """Two engines, three workers, and people who disturb them."""
    stop, ids, chance = asyncio.Event(), list[str](), random.Random(seed)
    async with running_engine(redis_url, POLICY) as engine, running_engine(redis_url, POLICY):
        work = [_at_work(link, f"w{n}", random.Random(f"{seed} {n}"), stop) for n in range(3)]
        async with asyncio.TaskGroup() as group:
            for one in [*work, _disturbed(engine.store, ids, chance, stop)]:
                group.create_task(one)
            try:
                yield engine.store, ids
            finally:
                stop.set()


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_found_while_work_goes_on(redis_url: str, link: RedisLink, seed: int) -> None:
    async with working(redis_url, link, seed) as (store, ids):
        fsck, looked = Fsck(store, settle_s=0.02), 0
        for n in range(24):
            one = scenario(n)
            await store.submit(one)
            ids.append(one.scenario_id)
            report = await fsck.run()
            assert report.findings == []
            looked += report.tasks
        flow = Flow(store)

        async def over() -> bool:
            report = await fsck.run()
            assert report.findings == []
            for one in ids:
                await flow.resume_scenario(one, begin=True)
            records = [await store.scenario(one) for one in ids]
            return all(record and record.status.is_final for record in records)

        await wait_until(over, what="the end of all scenarios", timeout_s=60)
        assert looked > 1_000

    report = await Fsck(Store(link, Partitions(1), POLICY), settle_s=0).run()
    assert (report.findings, report.undecided, report.changing) == ([], 0, 0)


async def test_nothing_is_repaired_while_work_goes_on(redis_url: str, link: RedisLink) -> None:
    """To repair what is in order would be worse than not to."""
    async with working(redis_url, link, 7) as (store, ids):
        for n in range(16):
            one = scenario(n)
            await store.submit(one)
            ids.append(one.scenario_id)
            report = await Fsck(store, settle_s=0).run(repair=True)
            assert report.findings == []


async def test_a_paused_scenario_that_gets_children_is_paused_wholly(redis_url: str, link: RedisLink) -> None:
    children = scenario(3)
    async with running_engine(redis_url, POLICY) as engine:
        flow = Flow(engine.store)
        await engine.store.submit(children)
        assert await flow.pause_scenario(children.scenario_id, Pause()) == "DONE"

        async def grown() -> bool:
            found = await engine.store.scenario(children.scenario_id)
            return bool(found and found.total == 47)

        await wait_until(grown, what="the children")
        assert (await Fsck(engine.store, settle_s=0.02).run()).findings == []
        assert await PlainWorker(link).take(50) == []
        await engine.store.cancel(children.scenario_id, Cause())
        await engine.finished(children.scenario_id)


async def test_a_scenario_half_of_whose_tasks_are_made_is_left_alone(redis_url: str, link: RedisLink) -> None:
    """Consumers are made first: they wait for what is not there yet, and were started."""
    store = await Store.open(link, policy=POLICY, unsafe_volatile=True)
    wide = graph(diamond(60))
    await store.submit(wide)
    [entry] = await link.execute("XRANGE", "scenarios", "-", "+")
    chunk = entry[1][entry[1].index(b"tasks") + 1]
    written = await store.materialize(store.partitions[0], wide.scenario_id, entry[0].decode(), chunk, 0)
    assert (written.written, written.total) == (20, 62)

    assert (await Fsck(store, settle_s=0).run(repair=True)).findings == []
    async with running_engine(redis_url, replace(POLICY, lease_ms=15_000)):
        worker = PlainWorker(link)
        [first] = await wait_until(worker.take, what="the first task")
        assert first.name == "first"
