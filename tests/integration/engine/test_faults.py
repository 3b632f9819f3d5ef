"""Lost workers, dead replicas, late and forged reports."""

import pytest

from orchestrator.engine.loop import Seams
from orchestrator.engine.materializer import Materializer
from orchestrator.store.outcomes import IdempotencyConflict, Outcome
from orchestrator.store.records import Idempotency
from orchestrator.store.store import Policy, Store
from tests.support.engines import QUICK, Running, running_engine
from tests.support.graphs import chain, diamond, graph
from tests.support.leaks import leaked_keys
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.link import Argument, Link, RedisLink, Unavailable
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry, TaskEvent


async def one(worker: PlainWorker) -> TaskEntry:
    """The next entry."""
    (entry,) = await wait_until(worker.take, what="one entry")
    return entry  # type: ignore[no-any-return]


async def test_an_entry_left_by_a_dead_worker_is_handed_out_again_as_attempt_2(
    quick_engine: Running, worker: PlainWorker
) -> None:
    scenario = graph(chain(1))
    await quick_engine.store.submit(scenario)
    lost = await one(worker)
    await worker.report(lost, EventKind.PROCESSING, worker="plain-1")

    again = await one(PlainWorker(worker.link, "plain-2"))

    assert (lost.attempt, again.attempt) == (1, 2)
    assert lost.token != again.token
    assert again.fields == lost.fields


async def test_a_late_result_of_a_lost_attempt_changes_nothing(
    quick_engine: Running, worker: PlainWorker
) -> None:
    scenario = graph(chain(2))
    await quick_engine.store.submit(scenario)
    lost = await one(worker)
    again = await one(PlainWorker(worker.link, "plain-2"))

    assert (
        await quick_engine.store.report(TaskEvent(lost.task_id, EventKind.SUCCESS, lost.token))
        is Outcome.STALE
    )
    await worker.report(lost, EventKind.FAILED)
    await worker.succeed(again, result='{"from":2}')

    task = await quick_engine.store.task(again.task_id)
    await wait_until(
        lambda: _status_is(quick_engine, again.task_id, Status.SUCCESS), what="success of the second attempt"
    )
    task = await quick_engine.store.task(again.task_id)
    assert task is not None
    assert (task.status, task.attempt, task.result) == (Status.SUCCESS, 2, {"from": 2})


async def _status_is(engine: Running, task_id: str, status: Status) -> bool:
    task = await engine.store.task(task_id)
    return task is not None and task.status is status


async def test_a_task_whose_workers_die_again_and_again_fails_with_the_cause(redis_url: str) -> None:
    async with running_engine(redis_url, Policy(lease_ms=60, max_lost=3)) as engine:
        worker = PlainWorker(engine.store.link)
        scenario = graph(chain(2))
        await engine.store.submit(scenario)
        for attempt in (1, 2, 3):
            assert (await one(worker)).attempt == attempt
        record = await engine.finished(scenario.scenario_id)
        first, second = await engine.store.tasks(record.task_ids)

    assert first is not None and second is not None
    assert (record.status, first.status, second.status) == (Status.FAILED, Status.FAILED, Status.SKIPPED)
    assert first.error["type"] == "worker_lost"


async def test_what_a_dead_replica_had_read_is_applied_by_another(redis_url: str, link: RedisLink) -> None:
    """The entries stand in the pending list of a consumer that never comes back."""
    scenario = graph(chain(2))
    store = await Store.open(link, policy=QUICK, unsafe_volatile=True)
    await store.submit(scenario)
    await link.execute("XGROUP", "CREATE", "scenarios", "orchestrator", "0", "MKSTREAM")
    await link.execute("XREADGROUP", "GROUP", "orchestrator", "dead", "STREAMS", "scenarios", ">")

    async with running_engine(redis_url, QUICK) as engine:
        worker = PlainWorker(link)
        entry = await one(worker)
        await worker.succeed(entry)
        await worker.succeed(await one(worker))
        record = await engine.finished(scenario.scenario_id)

    assert record.status is Status.SUCCESS


async def test_a_half_materialized_scenario_is_carried_on_from_its_offset(
    redis_url: str, link: RedisLink
) -> None:
    scenario = graph(diamond(30))
    store = await Store.open(link, policy=Policy(lease_ms=300, chunk=7), unsafe_volatile=True)
    await store.submit(scenario)
    await link.execute("XGROUP", "CREATE", "scenarios", "orchestrator", "0", "MKSTREAM")
    await link.execute("XREADGROUP", "GROUP", "orchestrator", "dead", "STREAMS", "scenarios", ">")
    (entry,) = await link.execute("XRANGE", "scenarios", "-", "+")
    chunk = entry[1][entry[1].index(b"tasks") + 1]
    written = await store.materialize(store.partitions[0], scenario.scenario_id, entry[0].decode(), chunk, 0)
    assert (written.written, written.total) == (7, 32)

    async with running_engine(redis_url, Policy(lease_ms=300, chunk=7)) as engine:
        entry_of_first = await one(PlainWorker(link))
        record = await engine.store.scenario(scenario.scenario_id)
        created = await engine.store.tasks(scenario.task_ids)

    assert entry_of_first.fields["prompt"] == "first"
    assert record is not None and record.status is Status.PROCESSING
    assert all(created)


async def test_malformed_entries_are_set_aside_and_block_nothing(
    engine: Running, worker: PlainWorker, link: RedisLink
) -> None:
    scenario = graph(chain(1))
    await link.execute("XADD", "scenarios", "*", "scenario_id", b"\xff", "tasks", "[")
    await link.execute("XADD", "task-events", "*", b"\xff\xfe", "x")
    await link.execute(
        "XADD", "task-events", "*", "task_id", "0" * 16, "status", "success", "token", "t", "progress", "nan"
    )
    await link.execute("XADD", "task-events", "*", "task_id", "0" * 16, "status", "success", "token", "t")
    await engine.store.submit(scenario)

    await worker.succeed(await one(worker))
    record = await engine.finished(scenario.scenario_id)

    assert record.status is Status.SUCCESS
    assert await link.execute("XLEN", "quarantine") == 3
    assert await link.execute("XLEN", "task-events") == 0


async def test_a_report_that_redis_refuses_does_not_stop_the_others(
    engine: Running, worker: PlainWorker, link: RedisLink
) -> None:
    scenario = graph({"a": [], "b": []})
    await engine.store.submit(scenario)
    await link.execute("SET", "task:" + "0" * 16, "not a hash")
    await link.execute("XADD", "task-events", "*", "task_id", "0" * 16, "status", "success", "token", "t")
    entries: list[TaskEntry] = []

    async def both() -> bool:
        entries.extend(await worker.take())
        return len(entries) == 2

    await wait_until(both, what="two entries")
    for entry in entries:
        await worker.succeed(entry)

    assert (await engine.finished(scenario.scenario_id)).status is Status.SUCCESS
    await link.execute("DEL", "task:" + "0" * 16)


async def test_losing_groups_and_scripts_under_way_is_survived(
    engine: Running, worker: PlainWorker, link: RedisLink
) -> None:
    scenario = graph(chain(3))
    await engine.store.submit(scenario)
    entry = await one(worker)
    await link.execute("SCRIPT", "FLUSH")
    await link.execute("XGROUP", "DESTROY", "task-events", "orchestrator")
    await link.execute("XGROUP", "DESTROY", "scenarios", "orchestrator")
    await worker.succeed(entry)
    await worker.succeed(await one(worker))
    await worker.succeed(await one(worker))

    assert (await engine.finished(scenario.scenario_id)).status is Status.SUCCESS


class LosesReplies:
    """A link whose first `lost` replies to scripts are lost after the script has run."""

    def __init__(self, link: Link, lost: int) -> None:
        self._link = link
        self._lost = lost
        self.execute_many = link.execute_many
        self.unblock = link.unblock
        self.close = link.close

    async def execute(self, *command: Argument) -> object:
        reply = await self._link.execute(*command)
        if str(command[0]).startswith("EVAL") and self._lost:
            self._lost -= 1
            raise Unavailable("the reply was lost")
        return reply


async def test_a_lost_reply_to_a_submission_makes_one_scenario(link: RedisLink) -> None:
    scenario = graph(chain(1))
    store = Store(LosesReplies(link, 1), (await Store.open(link, unsafe_volatile=True)).partitions)

    submitted = await store.submit(scenario)

    assert (submitted.scenario_id, submitted.replayed) == (scenario.scenario_id, False)
    assert await link.execute("XLEN", "scenarios") == 1


async def test_a_lost_reply_to_materialize_writes_every_task_once(link: RedisLink) -> None:
    scenario = graph({"a": [], "b": [], "c": []})
    plain = await Store.open(link, policy=QUICK, unsafe_volatile=True)
    await plain.submit(scenario)
    losing = Store(LosesReplies(link, 1), plain.partitions, Policy(lease_ms=1))
    duty = Materializer(losing, Seams(link), plain.partitions[0], "o1")

    await duty.step()  # makes the group
    with pytest.raises(Unavailable):
        await duty.step()
    await wait_until(lambda: _materialized(duty, link), what="the entry to be taken over")

    assert await link.execute("XLEN", "queue:test-service") == 3


async def _materialized(duty: Materializer, link: RedisLink) -> bool:
    await duty.step()
    return bool(await link.execute("XLEN", "scenarios") == 0)


async def test_an_idempotency_key_makes_one_scenario_and_refuses_another_body(link: RedisLink) -> None:
    store = await Store.open(link, unsafe_volatile=True)
    scenario, again = graph(chain(1)), graph(chain(1))

    first = await store.submit(scenario, Idempotency("key", "body"))
    second = await store.submit(again, Idempotency("key", "body"))

    assert (first.replayed, second.replayed) == (False, True)
    assert second.scenario_id == scenario.scenario_id
    with pytest.raises(IdempotencyConflict):
        await store.submit(again, Idempotency("key", "other body"))


async def test_a_task_worked_on_over_http_is_handed_out_again_when_nothing_is_heard(
    quick_engine: Running, worker: PlainWorker
) -> None:
    scenario = graph(chain(1))
    await quick_engine.store.submit(scenario)
    (task_id,) = scenario.task_ids
    await wait_until(lambda: _status_is(quick_engine, task_id, Status.PENDING), what="the task to exist")

    assert await quick_engine.store.report(TaskEvent(task_id, EventKind.PROCESSING)) is Outcome.APPLIED
    assert await worker.take() == []
    again = await one(worker)

    assert again.attempt == 2
    await worker.succeed(again)
    assert (await quick_engine.finished(scenario.scenario_id)).status is Status.SUCCESS


async def test_reports_over_http_follow_the_rules(engine: Running, worker: PlainWorker) -> None:
    scenario = graph(chain(2))
    await engine.store.submit(scenario)
    first, second = scenario.task_ids
    entry = await one(worker)
    await worker.report(entry, EventKind.PROCESSING, worker="plain-1")
    await wait_until(lambda: _status_is(engine, first, Status.PROCESSING), what="the worker's report")
    report = engine.store.report

    assert await report(TaskEvent("0" * 16, EventKind.SUCCESS)) is Outcome.UNKNOWN
    assert await report(TaskEvent(second, EventKind.SUCCESS)) is Outcome.NOT_READY
    assert await report(TaskEvent(first, EventKind.SUCCESS)) is Outcome.HELD
    assert await report(TaskEvent(first, EventKind.SUCCESS, "1.forged.1")) is Outcome.STALE
    assert await report(TaskEvent(first, EventKind.SUCCESS, entry.token)) is Outcome.APPLIED
    assert await report(TaskEvent(first, EventKind.SUCCESS, entry.token)) is Outcome.DUPLICATE
    assert await report(TaskEvent(first, EventKind.FAILED, entry.token)) is Outcome.FINISHED
    assert (
        await worker.link.execute("XLEN", "queue:test-service") == 1
    )  # the entry went with the report; the next stands there
    assert await report(TaskEvent(second, EventKind.SUCCESS)) is Outcome.APPLIED
    assert (await engine.finished(scenario.scenario_id)).status is Status.SUCCESS
    assert await worker.link.execute("XLEN", "queue:test-service") == 0


async def test_nothing_remains_of_a_scenario_after_its_retention(redis_url: str, link: RedisLink) -> None:
    async with running_engine(redis_url, Policy(lease_ms=60, retention_ms=1, chunk=3)) as engine:
        worker = PlainWorker(link)
        scenario = graph(diamond(7))
        await engine.store.submit(scenario)

        async def gone() -> bool:
            for entry in await worker.take():
                await worker.succeed(entry)
            return await engine.store.scenario(scenario.scenario_id) is None

        await wait_until(gone, what="the purge")
    leaks = await leaked_keys(link)
    keys = sorted(key.decode() for key in await link.execute("KEYS", "*"))

    assert leaks == []
    assert keys == ["queue:test-service", "scenarios", "scenarist:meta", "services", "task-events"]
