"""Accidents that a review found, each told by its test."""

import asyncio

import pytest

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.sweeper import Sweeper
from orchestrator.store.arguments import ScenarioTooLarge
from orchestrator.store.outcomes import Outcome
from orchestrator.store.server import ServerUnfit
from orchestrator.store.store import Policy, Store
from tests.support.engines import QUICK, Running, materialized, running_engine
from tests.support.graphs import chain, diamond, graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import META
from workers_sdk.protocol.link import Link, RedisLink, Refused
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry, TaskEvent

SHORT = Policy(lease_ms=120, http_lease_ms=120, chunk=50)
HTTP = Policy(lease_ms=2_000, http_lease_ms=500)


class ManualClock:
    """Time that passes when told."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def open_store(link: Link, policy: Policy = QUICK) -> Store:
    return await Store.open(link, policy=policy, sets_lease=True, unsafe_volatile=True)


async def one(worker: PlainWorker) -> TaskEntry:
    (entry,) = await wait_until(worker.take, what="one entry")
    return entry  # type: ignore[no-any-return]


async def _idle_for(link: Link, ms: int) -> bool:
    command = ("XPENDING", "queue:test-service", "workers", "IDLE", ms, "-", "+", 1)
    return bool(await link.execute(*command))


async def test_after_an_outage_live_workers_get_a_lease_to_show_themselves(link: RedisLink) -> None:
    """Redis was away for 17 s, the lease was 15 s: five of six tasks of live workers were handed out again."""
    store, worker, clock = await open_store(link, SHORT), PlainWorker(link), ManualClock()
    await materialized(store, graph(chain(1)))
    await one(worker)
    await wait_until(lambda: _idle_for(link, SHORT.lease_ms), what="an entry idle for a lease")
    sweeper = Sweeper(store, Seams(link, clock=clock), store.partitions[0], asyncio.Event())

    await sweeper.step()
    assert await worker.take() == []
    clock.now += 1
    await sweeper.step()

    assert [again.attempt for again in await worker.take()] == [2]


async def test_a_scenario_that_cannot_be_materialized_does_not_stop_those_behind_it(
    redis_url: str, link: RedisLink
) -> None:
    """One bad entry at the head of the stream kept every replica from all others."""
    store = await open_store(link)
    bad, refused, good = graph(chain(1)), graph(chain(1), service="broken-service"), graph(chain(1))
    await store.submit(bad)
    await store.submit(refused)
    await store.submit(good)
    (entry, *_) = await link.execute("XRANGE", "scenarios", "-", "+", "COUNT", 1)
    await link.execute("XDEL", "scenarios", entry[0])
    forged = [text.replace(b'"0"', b'"x"', 1) for text in entry[1]]
    await link.execute("XADD", "scenarios", "*", *forged)
    await link.execute("SET", "queue:broken-service", "no stream")
    async with running_engine(redis_url, QUICK) as engine:
        await PlainWorker(link).succeed(await one(PlainWorker(link)))
        ended = await engine.finished(good.scenario_id)
        rejected = await engine.finished(bad.scenario_id)
        waiting = await store.scenario(refused.scenario_id)
        await link.execute("DEL", "queue:broken-service")
        await one(PlainWorker(link, service="broken-service"))

    assert ended.status is Status.SUCCESS
    assert (rejected.status, rejected.error["type"]) == (Status.FAILED, "malformed")
    assert waiting is not None and waiting.status is Status.PENDING


@pytest.mark.parametrize("kind", [EventKind.PROCESSING, EventKind.PROGRESS])
async def test_a_worker_that_comes_late_does_not_strand_a_task_taken_over_http(
    redis_url: str, link: RedisLink, kind: EventKind
) -> None:
    """Its report overwrote `worker`, so the timer was taken for a leftover and nobody looked after the task."""
    async with running_engine(redis_url, HTTP) as engine:
        worker = PlainWorker(link)
        scenario = graph(chain(1))
        await engine.store.submit(scenario)
        entry = await one(worker)
        assert await engine.store.report(TaskEvent(entry.task_id, EventKind.PROCESSING)) is Outcome.APPLIED
        await worker.report(entry, kind, worker="late")

        again = await one(worker)
        await worker.succeed(again)
        record = await engine.finished(scenario.scenario_id)

    assert again.attempt == 2
    assert record.status is Status.SUCCESS


async def test_a_report_that_redis_refuses_for_a_while_is_applied_in_the_end(
    redis_url: str, link: RedisLink
) -> None:
    """It was set aside; its queue entry was gone already, so the task hung for ever."""
    async with running_engine(redis_url, Policy(lease_ms=3_000)) as engine:
        worker = PlainWorker(link)
        scenario = graph(chain(2))
        await engine.store.submit(scenario)
        first = await one(worker)
        await link.execute("RENAME", f"task:{scenario.task_ids[1]}", "elsewhere")
        await link.execute("SET", f"task:{scenario.task_ids[1]}", "no hash")
        await worker.succeed(first)
        await wait_until(lambda: _pending_events(link), what="the report to be refused")
        await link.execute("RENAME", "elsewhere", f"task:{scenario.task_ids[1]}")

        async def ended() -> bool:
            # The report is taken up again after as long as the lease of its task, which may be handed out again before.
            for entry in await worker.take():
                await worker.succeed(entry)
            record = await engine.store.scenario(scenario.scenario_id)
            return record is not None and record.status is Status.SUCCESS

        await wait_until(ended, what="success")


async def _pending_events(link: Link) -> bool:
    return bool((await link.execute("XPENDING", "task-events", "orchestrator"))[0])


async def test_progress_keeps_the_lease_of_a_plain_worker(redis_url: str, link: RedisLink) -> None:
    """The protocol page promised it; the task was handed out three times and failed."""
    async with running_engine(redis_url, Policy(lease_ms=700)) as engine:
        worker = PlainWorker(link)
        scenario = graph(chain(1))
        await engine.store.submit(scenario)
        entry = await one(worker)
        await worker.report(entry, EventKind.PROCESSING, worker="plain-1")
        started = await link.execute("TIME")

        async def four_leases_later() -> bool:
            await worker.report(entry, EventKind.PROGRESS, progress="10")
            now = await link.execute("TIME")
            return int(now[0]) - int(started[0]) >= 4

        await wait_until(four_leases_later, what="progress for longer than four leases", every_s=0.05)
        await worker.succeed(entry)
        record = await engine.finished(scenario.scenario_id)
        (task,) = await engine.store.tasks(record.task_ids)

    assert task is not None and (task.status, task.attempt) == (Status.SUCCESS, 1)


async def test_one_bad_key_does_not_keep_other_services_from_being_swept(
    quick_engine: Running, link: RedisLink
) -> None:
    await link.execute("SET", "queue:aaa", "no stream")
    await link.execute("SADD", "services", "aaa")
    scenario = graph(chain(1))
    await quick_engine.store.submit(scenario)
    await one(PlainWorker(link))

    assert (await one(PlainWorker(link))).attempt == 2
    await link.execute("DEL", "queue:aaa")


async def test_bytes_that_are_no_text_end_no_replica(quick_engine: Running, link: RedisLink) -> None:
    """A consumer named with a byte that is not UTF-8 ended the sweeper, and with it the process, again and again."""
    scenario = graph(chain(1))
    await quick_engine.store.submit(scenario)
    await one(PlainWorker(link))
    await link.execute("XADD", "queue:test-service", "*", "id", b"\xff", "token", b"\xff")
    await link.execute("XREADGROUP", "GROUP", "workers", b"w\xff", "STREAMS", "queue:test-service", ">")

    assert (await one(PlainWorker(link))).attempt == 2
    await wait_until(lambda: _length_is(link, "queue:test-service", 1), what="the odd entry to be removed")


async def _length_is(link: Link, stream: str, length: int) -> bool:
    return bool(await link.execute("XLEN", stream) == length)


async def test_timers_that_nobody_knows_hide_none(redis_url: str, link: RedisLink) -> None:
    """As many as one call returns, and purges behind them never came, in a hot loop."""
    for n in range(20):
        await link.execute("ZADD", "timers", 1, f"newer-kind:{n}")
    async with running_engine(redis_url, Policy(retention_ms=1, chunk=5)) as engine:
        worker = PlainWorker(link)
        scenario = graph(chain(1))
        await engine.store.submit(scenario)
        await worker.succeed(await one(worker))
        await wait_until(lambda: _is_gone(engine.store, scenario.scenario_id), what="the purge")

    assert await link.execute("ZCARD", "timers") == 20
    await link.execute("DEL", "timers")


async def _is_gone(store: Store, scenario_id: str) -> bool:
    return await store.scenario(scenario_id) is None


async def test_a_doubled_release_event_counts_once(link: RedisLink) -> None:
    """Two equal events in one batch: a task started before its second parent had ended."""
    store = await open_store(link, Policy(lease_ms=60_000, chunk=2))
    needs = {"a": [], "b": [], **{f"x{i}": ["a"] for i in range(3)}, "y": ["a", "b"]}
    scenario = graph(needs)
    ids = dict(zip(needs, scenario.task_ids, strict=True))
    await materialized(store, scenario)
    assert await store.report(TaskEvent(ids["a"], EventKind.SUCCESS)) is Outcome.APPLIED
    (release,) = await link.execute("XRANGE", "task-events", "-", "+")
    await link.execute("XADD", "task-events", "*", *release[1])
    advancer = Advancer(store, Seams(link), store.partitions[0], "o1")

    async def settled() -> bool:
        await advancer.step()
        return await _length_is(link, "task-events", 0)

    await wait_until(settled, what="all events to be applied")
    task = await store.task(ids["y"])

    assert task is not None and task.queue == 1


async def test_a_call_with_more_reports_than_one_task_can_take_changes_nothing(link: RedisLink) -> None:
    """It failed after the first writes: more values than one Lua call can hold."""
    store = await open_store(link)
    scenario = graph(chain(1))
    await materialized(store, scenario)
    entry = await one(PlainWorker(link))
    fields = {name: "1" for name in ("progress", "message", "worker", "error", "result_ref")}
    event = TaskEvent(entry.task_id, EventKind.PROCESSING, entry.token, fields)

    with pytest.raises(Refused, match="BADARG"):
        await store.advance(store.partitions[0], [event] * 601)
    task = await store.task(entry.task_id)

    assert task is not None and task.status is Status.PENDING


async def test_a_full_server_still_opens_reads_and_applies(link: RedisLink) -> None:
    """After `maxmemory` was reached a restarted engine could not start, so nothing could ever free memory."""
    store = await open_store(link)
    scenario = graph(chain(1))
    await materialized(store, scenario)
    worker = PlainWorker(link)
    entry = await one(worker)
    await link.execute("XGROUP", "CREATE", "task-events", "orchestrator", "0", "MKSTREAM")
    await worker.succeed(entry)
    await link.execute("CONFIG", "SET", "maxmemory", "1")
    try:
        again = await open_store(link)
        await Advancer(again, Seams(link), again.partitions[0], "fresh").step()
        record = await again.scenario(scenario.scenario_id)
    finally:
        await link.execute("CONFIG", "SET", "maxmemory", "0")

    assert record is not None and record.status is Status.SUCCESS


async def test_what_was_read_in_a_step_that_failed_is_read_again_at_once(link: RedisLink) -> None:
    """It waited a whole lease to be taken over from ourselves."""
    store = await open_store(link, Policy(lease_ms=60_000))
    scenario = graph(chain(1))
    await materialized(store, scenario)
    worker = PlainWorker(link)
    advancer = Advancer(store, Seams(link), store.partitions[0], "o1")
    await advancer.step()
    await worker.succeed(await one(worker))
    await link.execute("XREADGROUP", "GROUP", "orchestrator", "o1", "STREAMS", "task-events", ">")
    advancer._reader._in_hand = True  # as after a step whose reply was lost

    await advancer.step()
    record = await store.scenario(scenario.scenario_id)

    assert record is not None and record.status is Status.SUCCESS


async def test_the_agreement_comes_back_after_a_flush(engine: Running, link: RedisLink) -> None:
    """Without it a process with another number of partitions was let in."""
    await link.execute("DEL", META)
    await wait_until(lambda: _exists(link, META), what="the agreement")

    with pytest.raises(ServerUnfit):
        await Store.open(link, partitions=3, unsafe_volatile=True)


async def _exists(link: Link, key: str) -> bool:
    return bool(await link.execute("EXISTS", key))


async def test_a_scenario_too_large_for_one_entry_is_refused(link: RedisLink) -> None:
    store = await open_store(link)
    scenario = graph(diamond(40))
    for task in scenario.tasks:
        task.fields["prompt"] = "x" * 1_000_000

    with pytest.raises(ScenarioTooLarge):
        await store.submit(scenario)
    assert await store.scenario(scenario.scenario_id) is None
