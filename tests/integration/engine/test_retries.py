"""Attempts: a failed one is followed by another as the policy says, under a virtual clock."""

from typing import Any

import pytest

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import NewScenario, NewTask, RetryPolicy
from orchestrator.store.store import Policy, Store
from tests.support.engines import materialized
from tests.support.graphs import chain, graph
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent, dumps

DAY_MS = 24 * 3_600_000


class Desk:
    """A scenario of one task (and one that waits for it) whose policy is under test."""

    def __init__(self, link: RedisLink, policy: RetryPolicy) -> None:
        self.link = link
        self.store = Store(link, Partitions(1), Policy(), scripts=virtual_scripts())
        self.at = self.store.partitions[0]
        self.worker = PlainWorker(link)
        self.now = START_MS
        plain = graph(chain(2))
        tasks = [
            NewTask(t.id, t.service, t.name, t.queue, t.consumers, t.fields, policy) for t in plain.tasks
        ]
        self.scenario = NewScenario(plain.scenario_id, "Graph", "1", {}, "hash", plain.task_ids, tasks)
        self.task_id = plain.task_ids[0]
        self.advancer = Advancer(self.store, Seams(link), self.at, "a1")

    async def open(self) -> "Desk":
        await self.store.agree(sets_lease=True)
        await materialized(self.store, self.scenario)
        await self.advancer.step()  # makes the group
        return self

    async def fail(self, **error: Any) -> int | None:
        """Take the entry, fail it; returns the delay until the next attempt, None when there is none."""
        (entry,) = await self.worker.take()
        await self.worker.report(entry, EventKind.FAILED, error=dumps({"type": "Boom", **error}).decode())
        await self.advancer.step()
        due = await self.link.execute("ZSCORE", self.at.timers, f"start:{entry.task_id}")
        return None if due is None else int(float(due)) - self.now

    async def passed(self, ms: int) -> str:
        """Let time pass, and wake the task if it is due."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)
        return await self.store.wake(self.at, self.task_id)

    async def status(self) -> tuple[Status, int]:
        task = await self.store.task(self.task_id)
        assert task
        return task.status, task.attempt


EXACT = RetryPolicy(max_attempts=4, delay_ms=1_000, factor=3, max_delay_ms=5_000, jitter=False)


async def test_delays_grow_up_to_their_bound_and_the_last_failure_counts(link: RedisLink) -> None:
    desk = await Desk(link, EXACT).open()

    for attempt, delay_ms in ((1, 1_000), (2, 3_000), (3, 5_000)):
        assert await desk.fail() == delay_ms
        assert await desk.status() == (Status.PENDING, attempt)
        assert await desk.passed(delay_ms - 1) == "NOT_DUE"
        assert await desk.passed(1) == "AGAIN"
        assert await desk.passed(0) == "NOT_DUE"
    assert await desk.fail() is None

    history = await desk.store.attempts(desk.task_id)
    record = await desk.store.scenario(desk.scenario.scenario_id)
    assert await desk.status() == (Status.FAILED, 4)
    assert [(one.attempt, one.error["type"]) for one in history] == [(n, "Boom") for n in (1, 2, 3, 4)]
    assert [one.finished_at for one in history] == sorted({one.finished_at for one in history})
    assert record and record.counts == {
        Status.PENDING: 0, Status.PROCESSING: 0, Status.SUCCESS: 0, Status.FAILED: 1, Status.SKIPPED: 1, Status.CANCELLED: 0,
    }  # fmt: skip


async def test_a_later_attempt_may_succeed_and_nothing_of_the_failure_remains_on_the_task(
    link: RedisLink,
) -> None:
    desk = await Desk(link, EXACT).open()
    await desk.fail()
    await desk.passed(1_000)

    (entry,) = await desk.worker.take()
    await desk.worker.succeed(entry, result="1")
    await desk.advancer.step()
    task = await desk.store.task(desk.task_id)

    assert task and (task.status, task.attempt, task.result, task.error) == (Status.SUCCESS, 2, 1, None)
    assert len(await desk.worker.take()) == 1  # what waited for it


async def test_a_report_under_the_token_of_an_earlier_attempt_changes_nothing(link: RedisLink) -> None:
    desk = await Desk(link, EXACT).open()
    (entry,) = await desk.worker.take()
    for _ in range(3):
        await desk.worker.report(entry, EventKind.FAILED, error='{"type":"Boom"}')
    await desk.advancer.step()
    assert len(await desk.store.attempts(desk.task_id)) == 1

    await desk.passed(1_000)
    await desk.worker.succeed(entry, result="1")
    await desk.advancer.step()

    assert await desk.status() == (Status.PENDING, 2)


async def test_while_it_waits_nobody_without_a_token_can_report_it(link: RedisLink) -> None:
    """No token is not the token of a task that has none."""
    desk = await Desk(link, EXACT).open()
    await desk.fail()

    for kind in (EventKind.PROCESSING, EventKind.SUCCESS, EventKind.FAILED):
        await link.execute("XADD", desk.at.task_events, "*", "task_id", desk.task_id, "status", kind.value)
        assert await desk.store.report(TaskEvent(desk.task_id, kind)) is Outcome.NOT_READY
    await desk.advancer.step()

    assert await desk.status() == (Status.PENDING, 1)
    assert len(await desk.store.attempts(desk.task_id)) == 1
    assert await desk.passed(1_000) == "AGAIN"


async def test_an_error_nested_too_deep_to_be_shown_is_told_as_one(link: RedisLink) -> None:
    """It could be read but not written again, and ended one replica after the other."""
    desk = await Desk(link, EXACT).open()
    (entry,) = await desk.worker.take()
    await desk.worker.report(entry, EventKind.FAILED, error='{"a":' * 400 + "1" + "}" * 400)
    await desk.advancer.step()

    [attempt] = await desk.store.attempts(desk.task_id)
    assert attempt.error == {"type": "failed", "message": "the error is nested too deep"}


async def test_a_task_handed_back_keeps_its_attempts(link: RedisLink) -> None:
    """A worker that drains raises the number of the attempt; nothing has failed by that."""
    desk = await Desk(link, EXACT).open()
    await link.execute("HSET", desk.at.task(desk.task_id), "attempt", 7)

    assert await desk.fail() == 1_000


async def test_jitter_falls_anywhere_below_the_bound(link: RedisLink) -> None:
    policy = RetryPolicy(max_attempts=1_000, delay_ms=DAY_MS, factor=1, max_delay_ms=DAY_MS)
    desk = await Desk(link, policy).open()
    delays = []
    for _ in range(30):
        delay_ms = await desk.fail()
        assert delay_ms is not None
        delays.append(delay_ms)
        await desk.passed(delay_ms)

    assert all(0 <= delay_ms < DAY_MS for delay_ms in delays)
    assert min(delays) < DAY_MS / 2 < max(delays)


@pytest.mark.parametrize(
    ("error", "delay_ms"),
    [
        ({}, 1_000),
        ({"retry": False}, None),
        ({"retry_after_ms": 7 * DAY_MS}, 7 * DAY_MS),
        ({"retry_after_ms": -1}, 1_000),
        ({"retry_after_ms": "soon"}, 1_000),
        ({"type": "BadVoice"}, None),
        ({"type": 7}, 1_000),
    ],
)
async def test_what_the_handler_says_of_its_error_is_heard(
    link: RedisLink, error: dict[str, Any], delay_ms: int | None
) -> None:
    policy = RetryPolicy(max_attempts=4, delay_ms=1_000, jitter=False, never=["BadVoice"])
    assert await (await Desk(link, policy).open()).fail(**error) == delay_ms


async def test_only_the_listed_errors_are_tried_again(link: RedisLink) -> None:
    desk = await Desk(link, RetryPolicy(max_attempts=4, jitter=False, only=["Timeout"])).open()

    assert await desk.fail(type="Timeout") == 1_000
    await desk.passed(1_000)
    assert await desk.fail(type="Boom") is None
