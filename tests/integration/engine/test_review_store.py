"""Defects that a review of the scripts found: each was there before its test."""

import pytest

from orchestrator.engine.overdue import Overdue
from orchestrator.store.flow_records import Limits, Pause, Rate
from orchestrator.store.records import Cause
from orchestrator.store.revival import Revival
from orchestrator.store.store import Policy, Store
from tests.integration.engine.test_accounts import BATCH, add, counted
from tests.support.gates import Desk
from tests.support.graphs import chain, graph
from tests.support.lanes import SERVICE, Lanes
from tests.support.scripts import virtual_scripts
from tests.support.works import Works
from workers_sdk.protocol.keys import GROUP_WORKERS, Partitions, short_uuid
from workers_sdk.protocol.link import RedisLink, Refused
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry


async def finish(lanes: Lanes, entry: TaskEntry) -> None:
    """The worker of the SDK ends a short task: its entry goes, its report waits for the engine."""
    report = ["task_id", entry.task_id, "status", "success", "token", entry.token, "acked", "1"]
    values = {"events": lanes.at.task_events, "prefix": lanes.at.prefix, "group": GROUP_WORKERS, "items": 1}
    item = [SERVICE, entry.entry_id, str(len(report)), *report]
    assert await lanes.store.call("finish", values, item) == [b"OK"]


async def test_a_pause_does_not_undo_what_was_just_done(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    scenario = graph(chain(2))
    await lanes.submit(scenario)
    [entry] = await lanes.take()
    await finish(lanes, entry)
    assert await link.execute("XLEN", lanes.at.queue(SERVICE)) == 0

    assert await lanes.flow.pause_scenario(scenario.scenario_id, Pause("repair", "ann")) == "DONE"
    while await link.execute("XLEN", lanes.at.task_events):
        await lanes.advancer.step()

    task = await lanes.store.task(entry.task_id)
    assert task and task.status is Status.SUCCESS
    assert await lanes.take() == []


async def test_a_batch_is_cancelled_again_with_what_was_brought_back(link: RedisLink) -> None:
    works = await Works(link).open()
    ids = [await add(works, number) for number in (1, 2)]
    assert await works.batches.cancel(BATCH, Cause("enough")) == "DONE"
    await works.pass_by(0)
    assert await counted(works) == (2, 0, 0, 0, 2)
    assert (await Revival(works.store).retry(ids[0])).word == "OK"
    assert await counted(works) == (2, 1, 0, 0, 1)

    assert await works.batches.cancel(BATCH, Cause("still enough")) == "DONE"
    await works.pass_by(0)

    assert await counted(works) == (2, 0, 0, 0, 2)
    record = await works.record(ids[0])
    assert record and record.status is Status.CANCELLED and record.cancel["message"] == "still enough"
    batch = await works.batches.get(BATCH)
    assert batch and batch.cancel["message"] == "enough"


QUEUE_MS = {"b": {"timeouts": {"queue_ms": 60_000}}}


async def fire_overdue(lanes: Lanes) -> str:
    """What the engine does about timeouts that are due; gives the type of the error of the task `b`."""
    for kind, subject in (await lanes.store.due(lanes.at)).timers:
        if kind == "overdue":
            await Overdue(lanes.store).fire(lanes.at, subject)
            task = await lanes.store.task(subject)
            return str(task.error["type"]) if task and task.error else ""
    return "not due"


async def test_the_time_in_the_queue_begins_in_the_lane(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1))
    await lanes.submit(graph({"b": [], "a": []}, rules=QUEUE_MS))
    entries = await lanes.take()
    assert [entry.name for entry in entries] == ["a"]
    await lanes.passed(40_000)
    await lanes.end(entries)
    await lanes.due()
    assert await link.execute("XLEN", lanes.at.queue(SERVICE)) == 1

    await lanes.passed(19_999)
    assert await fire_overdue(lanes) == "not due"
    await lanes.passed(1)
    assert await fire_overdue(lanes) == "queue_timeout"


async def test_the_time_in_the_queue_runs_on_in_a_pause(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    scenario = graph({"b": []}, rules=QUEUE_MS)
    await lanes.submit(scenario)
    await lanes.passed(20_000)
    await lanes.flow.pause_scenario(scenario.scenario_id, Pause())
    await lanes.passed(20_000)
    await lanes.flow.resume_scenario(scenario.scenario_id, begin=True)
    await lanes.flow.pause(SERVICE, Pause())
    await lanes.passed(19_999)
    assert await fire_overdue(lanes) == "not due"
    await lanes.flow.resume(SERVICE)

    await lanes.passed(1)

    assert await fire_overdue(lanes) == "queue_timeout"


async def test_a_gate_that_opens_anew_forgets_that_it_was_to_be_closed(link: RedisLink) -> None:
    desk = await Desk(link).open()
    scenario_id = desk.scenario.scenario_id
    assert await desk.store.cancel(scenario_id, Cause("enough")) == "DONE"
    assert (await Revival(desk.store).retry(scenario_id)).word == "OK"

    await desk.advancer.step()

    assert (await desk.gate()).is_open
    assert (await desk.store.due(desk.at)).timers == []


@pytest.mark.parametrize(
    ("percent", "read"), [("40", 40), ("1e-05", 1e-05), ("0x10", None), ("0x1p4", None), ("nan", None)]
)
async def test_progress_is_a_number_for_all_readers_or_refused(
    link: RedisLink, percent: str, read: float | None
) -> None:
    lanes = await Lanes(link).open()
    await lanes.submit(graph(chain(1)))
    [entry] = await lanes.take()
    home = {"home": lanes.at.task_events, "prefix": lanes.at.prefix}
    claim = {**home, "group": GROUP_WORKERS, "worker": "plain-1"}
    item = [SERVICE, entry.entry_id, entry.task_id, entry.token]
    assert await lanes.store.call("claim", claim, item) == [b"GO"]
    report = [entry.task_id, entry.token, percent, ""]

    if read is None:
        with pytest.raises(Refused, match="BADARG percent"):
            await lanes.store.call("progress", home, report)
    else:
        assert await lanes.store.call("progress", home, report) == [b"OK"]

    task = await lanes.store.task(entry.task_id)
    assert task and task.progress == read


@pytest.mark.parametrize("limit", ["total_ms", "queue_ms"])
async def test_what_was_done_in_time_counts_when_the_engine_hears_of_it_late(
    link: RedisLink, limit: str
) -> None:
    lanes = await Lanes(link).open()
    scenario = graph({"b": []}, rules={"b": {"timeouts": {limit: 60_000}}})
    await lanes.submit(scenario)
    [entry] = await lanes.take()
    await finish(lanes, entry)

    await lanes.passed(70_000)  # no engine is there
    assert await fire_overdue(lanes) == ""
    await lanes.advancer.step()

    task = await lanes.store.task(entry.task_id)
    assert task and task.status is Status.SUCCESS
    assert (await lanes.store.due(lanes.at)).timers == []


async def test_a_handler_may_say_that_it_lives_when_redis_is_full(link: RedisLink) -> None:
    """Refused, it would be ended by its heartbeat timeout, and nothing would ever make room."""
    lanes = await Lanes(link).open()
    await lanes.submit(graph(chain(1)))
    [entry] = await lanes.take()
    home = {"home": lanes.at.task_events, "prefix": lanes.at.prefix}
    claim = {**home, "group": GROUP_WORKERS, "worker": "plain-1"}
    await lanes.store.call("claim", claim, [SERVICE, entry.entry_id, entry.task_id, entry.token])

    await link.execute("CONFIG", "SET", "maxmemory", "1")
    try:
        answer = await lanes.store.call("progress", home, [entry.task_id, entry.token, "", ""])
    finally:
        await link.execute("CONFIG", "SET", "maxmemory", "0")

    assert answer == [b"OK"]


async def test_a_scenario_that_is_being_cancelled_hands_out_nothing_that_was_held(link: RedisLink) -> None:
    lanes = await Lanes(link, chunk=2).open()
    scenario = graph({name: [] for name in ("a", "b", "c", "d", "e")})
    await lanes.submit(scenario)
    scenario_id = scenario.scenario_id
    word = await lanes.flow.pause_scenario(scenario_id, Pause())
    while word == "MORE":
        word = await lanes.flow.pause_scenario(scenario_id)
    assert await lanes.store.cancel(scenario_id, Cause("enough")) == "MORE"

    while await lanes.flow.resume_scenario(scenario_id, begin=False) == "MORE":
        continue
    assert await lanes.take() == []
    while await lanes.store.cancel(scenario_id) == "MORE":
        continue

    statuses = [task.status for task in await lanes.store.tasks(scenario.task_ids) if task]
    assert statuses == [Status.CANCELLED] * 5
    assert await link.execute("EXISTS", lanes.at.held(scenario_id)) == 0


async def test_what_is_brought_back_is_not_to_be_cancelled_any_more(link: RedisLink) -> None:
    """A batch is cancelled, and before the engine comes to this scenario the end of its last task ends it."""
    works = await Works(link).open()
    scenario_id = await add(works, 1)
    [entry] = await works.worker.take()
    assert await works.batches.cancel(BATCH, Cause("enough")) == "DONE"
    await works.worker.report(entry, EventKind.FAILED, error='{"type":"Boom"}')
    await works.settle()
    await works.store.cancel_task(short_uuid(scenario_id, "c1"), Cause("enough"))
    record = await works.record(scenario_id)
    assert record and record.status is Status.CANCELLED
    assert (await Revival(works.store).retry(scenario_id)).word == "OK"

    assert ("cancel", scenario_id) not in (await works.store.due(works.at)).timers


async def test_there_is_nothing_to_go_on_with_where_nobody_cancelled(link: RedisLink) -> None:
    works = await Works(link).open()
    scenario_id = await add(works, 1)
    await link.execute("ZADD", works.at.timers, 1, f"cancel:{scenario_id}")

    assert await works.store.cancel(scenario_id) == "FINAL"

    record = await works.record(scenario_id)
    assert record and record.status is Status.PROCESSING
    assert ("cancel", scenario_id) not in (await works.store.due(works.at)).timers


DAY_MS = 86_400_000


async def test_a_new_rate_is_not_held_up_by_what_the_one_before_owed(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(rate=Rate(1, DAY_MS)))
    await lanes.add(["a", "b", "c"])
    entries = await lanes.take()
    assert len(entries) == 1
    await lanes.end(entries)
    assert await lanes.take() == []

    await lanes.flow.limit(SERVICE, Limits(rate=Rate(10, 1_000)))

    assert len(await lanes.take()) == 0
    await lanes.passed(101)
    entries = await lanes.take()
    assert len(entries) == 1
    await lanes.end(entries)
    await lanes.passed(99)
    assert await lanes.take() == []
    await lanes.passed(1)
    assert len(await lanes.take()) == 1


async def test_a_rate_forgets_a_future_that_the_clock_took_back(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(rate=Rate(1, 1_000, 2)))
    await lanes.add(["a", "b", "c", "d"])
    entries = await lanes.take()
    assert len(entries) == 2
    await lanes.end(entries)

    await lanes.passed(-3_600_000)
    await lanes.flow.fill(lanes.at, SERVICE)
    await lanes.passed(1_001)

    assert len(await lanes.take()) == 1


async def test_a_tenant_of_no_weight_does_not_undo_the_turns_of_others(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1, weights={"x": 1e-18}))
    order = ""
    for tenant, number in (("x", 2), ("a", 3), ("b", 3)):
        await lanes.add([f"{tenant}{i}" for i in range(number)], {"tenant": tenant})
        if tenant == "x":
            entries = await lanes.take()
            order += entries[0].name[0]

    while entries:
        await lanes.end(entries)
        entries = await lanes.take()
        order += "".join(entry.name[0] for entry in entries)

    assert order == "xabxabab"


async def test_a_worker_whose_name_is_no_text_stands_in_the_history(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    await lanes.submit(graph(chain(1)))
    await link.execute(
        "XREADGROUP", "GROUP", GROUP_WORKERS, b"w\xff", "STREAMS", lanes.at.queue(SERVICE), ">"
    )
    store = Store(link, Partitions(1), Policy(lease_ms=0), scripts=virtual_scripts())

    [(word, task_id, _)] = await store.sweep(lanes.at, SERVICE)

    assert word == "AGAIN"
    [attempt] = await store.attempts(task_id)
    assert attempt.worker == "w\ufffd"
