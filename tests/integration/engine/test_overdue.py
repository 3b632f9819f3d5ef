"""The four times of a task, under a virtual clock: seven days pass in milliseconds."""

import math

import pytest

from orchestrator.engine.overdue import Overdue
from orchestrator.store.records import NewScenario, NewTask, RetryPolicy
from orchestrator.store.store import Policy, Store
from tests.support.engines import materialized
from tests.support.graphs import graph
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent

DAY_MS = 24 * 3_600_000
AGAIN = RetryPolicy(max_attempts=2, delay_ms=0)


class Desk:
    """One task with times, and a clock to turn."""

    def __init__(self, link: RedisLink, timeouts: dict[str, int], policy: RetryPolicy | None = None) -> None:
        self.link = link
        self.store = Store(link, Partitions(1), Policy(), scripts=virtual_scripts())
        self.at = self.store.partitions[0]
        self.now = START_MS
        self.answering_s = math.inf
        plain = graph({"only": []}, rules={"only": {"timeouts": timeouts}})
        (one,) = plain.tasks
        task = NewTask(one.id, one.service, one.name, 0, [], one.fields, policy, one.rules)
        self.scenario = NewScenario(plain.scenario_id, "Graph", "1", {}, "hash", plain.task_ids, [task])
        self.task_id = one.id

    async def open(self) -> "Desk":
        await self.store.agree(sets_lease=True)
        await materialized(self.store, self.scenario)
        return self

    async def passes(self, ms: int) -> None:
        """Time goes on, and all that is due then is done."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)
        for kind, subject in (await self.store.due(self.at)).timers:
            if kind == "overdue":
                await Overdue(self.store, lambda: self.answering_s).fire(self.at, subject)
            elif kind == "start":
                await self.store.wake(self.at, subject)

    async def begins(self) -> None:
        """A worker takes it and says so."""
        (entry,) = await PlainWorker(self.link).take()
        event = TaskEvent(entry.task_id, EventKind.PROCESSING, entry.token, {"worker": "w1"})
        await self.store.advance(self.at, [event])

    async def shows_life(self) -> None:
        task = await self.store.task(self.task_id)
        assert task
        event = TaskEvent(self.task_id, EventKind.PROGRESS, task.token, {"progress": "1"})
        await self.store.advance(self.at, [event])

    async def state(self) -> tuple[Status, int, str]:
        task = await self.store.task(self.task_id)
        assert task
        return task.status, task.attempt, (task.error or {}).get("type", "")


async def test_a_deadline_of_seven_days(link: RedisLink) -> None:
    desk = await Desk(link, {"total_ms": 7 * DAY_MS}, RetryPolicy(max_attempts=100)).open()
    await desk.begins()

    await desk.passes(7 * DAY_MS - 1)
    assert await desk.state() == (Status.PROCESSING, 1, "")
    await desk.passes(1)

    assert await desk.state() == (Status.FAILED, 1, "total_timeout")
    record = await desk.store.scenario(desk.scenario.scenario_id)
    assert record and record.status is Status.FAILED
    assert await link.execute("XLEN", "queue:test-service") == 0


async def test_nobody_begins_it(link: RedisLink) -> None:
    desk = await Desk(link, {"queue_ms": 1_000}, AGAIN).open()

    await desk.passes(999)
    assert (await desk.state())[0] is Status.PENDING
    await desk.passes(1)

    assert await desk.state() == (Status.FAILED, 1, "queue_timeout")
    assert await PlainWorker(link).take() == []


async def test_the_time_in_the_queue_ends_when_it_begins(link: RedisLink) -> None:
    desk = await Desk(link, {"queue_ms": 1_000}).open()
    await desk.passes(900)
    await desk.begins()

    await desk.passes(DAY_MS)

    assert await desk.state() == (Status.PROCESSING, 1, "")


@pytest.mark.parametrize("word", ["queue", "run", "heartbeat"])
async def test_after_an_outage_a_worker_has_time_to_say_what_it_did_meanwhile(
    link: RedisLink, word: str
) -> None:
    desk = await Desk(link, {f"{word}_ms": 20_000}).open()
    if word != "queue":
        await desk.begins()

    desk.answering_s = 0
    await desk.passes(30_000)
    assert (await desk.state())[2] == ""
    desk.answering_s = 14.9  # a lease is 15 s
    await desk.passes(14_900)
    assert (await desk.state())[2] == ""
    desk.answering_s = 15
    await desk.passes(100)

    assert (await desk.state())[2] == f"{word}_timeout"


async def test_a_sign_of_life_after_an_outage_counts(link: RedisLink) -> None:
    desk = await Desk(link, {"heartbeat_ms": 20_000}).open()
    await desk.begins()
    desk.answering_s = 0
    await desk.passes(30_000)

    await desk.shows_life()
    desk.answering_s = math.inf
    await desk.passes(19_000)

    assert await desk.state() == (Status.PROCESSING, 1, "")


async def test_a_deadline_does_not_wait_for_an_outage(link: RedisLink) -> None:
    desk = await Desk(link, {"total_ms": 20_000}).open()
    desk.answering_s = 0

    await desk.passes(20_000)

    assert (await desk.state())[2] == "total_timeout"


async def test_one_run_takes_too_long_and_the_next_gets_its_own_time(link: RedisLink) -> None:
    desk = await Desk(link, {"run_ms": 5_000}, AGAIN).open()
    await desk.passes(60_000)  # in the queue: no run yet
    await desk.begins()
    await desk.passes(4_999)
    assert (await desk.state())[0] is Status.PROCESSING
    await desk.passes(1)
    assert await desk.state() == (Status.PENDING, 1, "")

    await desk.passes(0)
    await desk.begins()
    await desk.passes(4_999)
    assert (await desk.state())[:2] == (Status.PROCESSING, 2)
    await desk.passes(1)

    assert await desk.state() == (Status.FAILED, 2, "run_timeout")
    assert [one.error["type"] for one in await desk.store.attempts(desk.task_id)] == ["run_timeout"] * 2


async def test_workers_are_told_to_stop_an_attempt_that_is_overdue(link: RedisLink) -> None:
    desk = await Desk(link, {"run_ms": 5_000}).open()
    await desk.begins()
    task = await desk.store.task(desk.task_id)
    await desk.passes(5_000)

    ((_, told),) = await link.execute("XRANGE", "cancellations", "-", "+")
    assert task and told == [
        b"tasks",
        desk.task_id.encode(),
        b"tokens",
        task.token.encode(),
        b"causes",
        b"run_timeout",
    ]


async def test_signs_of_life_put_the_heartbeat_off(link: RedisLink) -> None:
    desk = await Desk(link, {"heartbeat_ms": 1_000}).open()
    await desk.begins()
    for _ in range(5):
        await desk.passes(999)
        await desk.shows_life()
    assert (await desk.state())[0] is Status.PROCESSING

    await desk.passes(1_000)

    assert await desk.state() == (Status.FAILED, 1, "heartbeat_timeout")


@pytest.mark.parametrize("name", ["queue_ms", "run_ms", "total_ms", "heartbeat_ms"])
async def test_nothing_of_it_is_left_when_the_task_ends(link: RedisLink, name: str) -> None:
    desk = await Desk(link, {name: 5_000}).open()
    await desk.begins()
    task = await desk.store.task(desk.task_id)
    assert task
    await desk.store.advance(desk.at, [TaskEvent(task.id, EventKind.SUCCESS, task.token)])

    assert await link.execute("ZSCORE", "timers", f"overdue:{task.id}") is None
