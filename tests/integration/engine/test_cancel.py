"""Cancel: what waits never starts, what runs is told at once, what depends on it ends as cancelled."""

import asyncio
import threading

import pytest

from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import Cause
from orchestrator.store.store import Policy, Store
from tests.support.engines import Running, materialized, running_engine
from tests.support.graphs import chain, diamond, graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk import Context, Worker
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry

LONG = Policy(lease_ms=600_000, chunk=100)
"""Nobody renews a lease within a test, so whoever is told has heard it from the stream."""
WHY = Cause("not needed any more", by="ann")


async def cancelled(store: Store, scenario_id: str) -> None:
    """Cancel to the end."""
    while await store.cancel(scenario_id, WHY) == "MORE":
        pass


async def statuses(store: Store, scenario_id: str) -> set[Status]:
    """Of the scenario and of its tasks."""
    record = await store.scenario(scenario_id)
    assert record
    return {record.status, *(task.status for task in await store.tasks(record.task_ids) if task)}


async def test_a_thousand_running_handlers_of_two_workers_are_told(redis_url: str) -> None:
    scenario = graph({f"t{i}": [] for i in range(1_000)} | {"after": ["t0"]})
    workers = [Worker("test-service", redis_url=redis_url, concurrency=500) for _ in range(2)]
    begun: list[str] = []
    told: list[str] = []

    async def wait(ctx: Context) -> None:
        begun.append(ctx.task_id)
        try:
            await ctx.cancelled.wait()
        finally:
            told.append(ctx.task_id)

    for worker in workers:
        for name in scenario_names(1_000):
            worker.task(name)(wait)
    async with running_engine(redis_url, LONG) as engine, workers[0].running(), workers[1].running():
        await engine.store.submit(scenario)
        await wait_until(lambda: len(begun) == 1_000, what="all to begin")
        await cancelled(engine.store, scenario.scenario_id)
        await wait_until(lambda: len(told) == 1_000, what="all to be told")
        record = await engine.finished(scenario.scenario_id)

    assert record.status is Status.CANCELLED
    assert record.error == {"type": "cancelled", "message": "not needed any more", "by": "ann"}
    assert record.counts[Status.CANCELLED] == 1_001
    assert await statuses_after(redis_url, scenario.scenario_id) == {Status.CANCELLED}


def scenario_names(count: int) -> list[str]:
    """Names of the tasks that begin at once."""
    return [f"t{i}" for i in range(count)]


async def statuses_after(url: str, scenario_id: str) -> set[Status]:
    """Asked by a store of its own."""
    link = RedisLink(url)
    try:
        return await statuses(await Store.open(link, unsafe_volatile=True), scenario_id)
    finally:
        await link.close()


async def test_a_thread_is_asked_to_stop(redis_url: str) -> None:
    worker = Worker("test-service", redis_url=redis_url)
    begun, stopped = threading.Event(), threading.Event()

    @worker.task("c0")
    def compute(ctx: Context) -> None:
        begun.set()
        while not ctx.cancelled.is_set():
            pass
        stopped.set()

    scenario = graph(chain(2))
    async with running_engine(redis_url, LONG) as engine, worker.running():
        await engine.store.submit(scenario)
        await wait_until(begun.is_set, what="the handler to begin")
        await cancelled(engine.store, scenario.scenario_id)
        await wait_until(stopped.is_set, what="the handler to stop")
        assert await statuses(engine.store, scenario.scenario_id) == {Status.CANCELLED}


async def test_what_is_queued_leaves_its_queue_and_a_late_report_changes_nothing(
    engine: Running, worker: PlainWorker, link: RedisLink
) -> None:
    scenario = graph(diamond(3))
    await engine.store.submit(scenario)
    (entry,) = await wait_until(worker.take, what="the first task")
    await cancelled(engine.store, scenario.scenario_id)
    await worker.succeed(entry)
    await wait_until(lambda: _empty(link, "task-events"), what="the report to be read")

    assert await statuses(engine.store, scenario.scenario_id) == {Status.CANCELLED}
    assert await _empty(link, "queue:test-service")
    assert await worker.take() == []
    assert await engine.store.cancel(scenario.scenario_id, WHY) == "FINAL"
    assert await engine.store.cancel("0" * 16, WHY) == "UNKNOWN"


async def test_what_was_done_keeps_its_result(engine: Running, worker: PlainWorker) -> None:
    scenario = graph(chain(3))
    await engine.store.submit(scenario)
    (entry,) = await wait_until(worker.take, what="the first task")
    await worker.succeed(entry, result="1")
    await wait_until(worker.take, what="the second task")
    await cancelled(engine.store, scenario.scenario_id)

    tasks = await engine.store.tasks(scenario.task_ids)
    assert [task and task.status for task in tasks] == [Status.SUCCESS, Status.CANCELLED, Status.CANCELLED]
    assert tasks[0] and tasks[0].result == 1


async def test_a_scenario_may_be_cancelled_before_its_tasks_are_written(link: RedisLink) -> None:
    store = await Store.open(link, policy=Policy(chunk=10), unsafe_volatile=True)
    scenario = graph(diamond(28))
    await store.submit(scenario)
    assert await store.cancel(scenario.scenario_id, WHY) == "MORE"
    await materialized(store, graph(chain(1)))  # an engine reads both

    while await store.cancel(scenario.scenario_id) == "MORE":
        pass

    record = await store.scenario(scenario.scenario_id)
    assert record and (record.status, record.counts[Status.CANCELLED]) == (Status.CANCELLED, 30)
    assert await store.tasks(scenario.task_ids) == [None] * 30
    assert await _empty(link, "scenarios")


async def test_the_engine_goes_on_with_a_cancel_whose_caller_died(redis_url: str) -> None:
    async with running_engine(redis_url, Policy(chunk=5)) as engine:
        scenario = graph(diamond(20))
        await engine.store.submit(scenario)
        assert await engine.store.cancel(scenario.scenario_id, WHY) == "MORE"
        record = await engine.finished(scenario.scenario_id)

    assert record.status is Status.CANCELLED


@pytest.mark.parametrize("tasks", [5, 10])
async def test_a_scenario_of_whole_chunks_leaves_no_timer(link: RedisLink, tasks: int) -> None:
    """It stayed for ever, and as many as one read returns kept all other timers from being seen."""
    store = await Store.open(link, policy=Policy(chunk=5), unsafe_volatile=True)
    scenario = graph({f"t{i}": [] for i in range(tasks)})
    await materialized(store, scenario)
    words: list[str] = []
    while not words or words[-1] == "MORE":
        words.append(await store.cancel(scenario.scenario_id, WHY))

    assert words[-1] == "DONE"
    members = await link.execute("ZRANGE", "timers", 0, -1)
    assert members == [f"purge:{scenario.scenario_id}".encode()]


@pytest.mark.parametrize("begin", [False, True])
async def test_a_task_is_cancelled_with_all_that_depends_on_it(
    engine: Running, worker: PlainWorker, link: RedisLink, begin: bool
) -> None:
    scenario = graph({"a": [], "b": ["a"], "c": ["b"], "other": []})
    names = dict(zip(("a", "b", "c", "other"), scenario.task_ids, strict=True))
    await engine.store.submit(scenario)
    entries = await wait_until(lambda: _both(worker), what="two tasks")
    if begin:
        await worker.report(entries["a"], EventKind.PROCESSING)
        await wait_until(lambda: _is(engine, names["a"], Status.PROCESSING), what="a to be processing")

    assert await engine.store.cancel_task(names["a"], WHY) is Outcome.APPLIED
    assert await engine.store.cancel_task(names["a"], WHY) is Outcome.DUPLICATE
    await worker.succeed(entries["other"])
    record = await engine.finished(scenario.scenario_id)
    tasks = await engine.store.tasks(scenario.task_ids)

    assert record.status is Status.CANCELLED
    assert [task and task.status for task in tasks] == [*[Status.CANCELLED] * 3, Status.SUCCESS]
    assert tasks[1] and tasks[1].error["type"] == "upstream_cancelled"
    assert await _empty(link, "queue:test-service")
    assert await engine.store.cancel_task(names["other"], WHY) is Outcome.FINISHED


async def test_a_cancellation_in_the_stream_of_reports_is_set_aside(
    engine: Running, worker: PlainWorker, link: RedisLink
) -> None:
    """Only the API cancels; a worker that tries has another protocol in mind."""
    scenario = graph(chain(1))
    await engine.store.submit(scenario)
    (entry,) = await wait_until(worker.take, what="the task")
    await worker.report(entry, EventKind.CANCELLED)
    await wait_until(lambda: link.execute("XLEN", "quarantine"), what="the report to be set aside")

    assert await statuses(engine.store, scenario.scenario_id) == {Status.PENDING, Status.PROCESSING}
    await worker.succeed(entry)
    await engine.finished(scenario.scenario_id)


async def _empty(link: RedisLink, stream: str) -> bool:
    return bool(await link.execute("XLEN", stream) == 0)


async def _both(worker: PlainWorker) -> dict[str, TaskEntry]:
    seen: dict[str, TaskEntry] = {}
    while len(seen) < 2:
        seen |= {entry.name: entry for entry in await worker.take()}
        await asyncio.sleep(0)
    return seen


async def _is(engine: Running, task_id: str, status: Status) -> bool:
    task = await engine.store.task(task_id)
    return task is not None and task.status is status
