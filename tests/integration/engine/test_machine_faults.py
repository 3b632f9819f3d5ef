"""Scenarios with states when replicas die and race, events come at any moment, and at the end of everything."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.engine.machines import Machines
from orchestrator.engine.visits import ids_of
from orchestrator.store import machines
from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Pause
from orchestrator.store.machine_records import Refusal, state_of
from orchestrator.store.records import Cause
from orchestrator.store.revival import Revival
from orchestrator.store.store import Store
from tests.support.leaks import leaked_keys
from tests.support.machines import Desk
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

WIDE = """
states:
  idle: {on: {go: works}}
  works:
    tasks:
      - {name: A, service: shop, count: 7}
      - {name: B, service: shop, needs: [A]}
    then: done
    on: {again: works, stop: done}
  done: {end: success}
"""


class Dead(Exception):
    """The process is gone."""


class DyingStore(Store):
    """Dies at its call number `left`: before it reaches the server, or after, when the answer is lost."""

    left = 0
    after = False

    async def call(self, name: str, values: dict[str, Any], rest: Sequence[str | bytes | int] = ()) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Dead
        answer = await super().call(name, values, rest)
        if self.left == 0:
            raise Dead
        return answer


async def machine_task(desk: Desk) -> Any:
    task = await desk.store.task(desk.machine_id)
    assert task
    return task


async def dies(desk: Desk, left: int, *, after: bool) -> bool:
    """Let a replica die at a call of its engine; False when it had fewer to make."""
    store = DyingStore(desk.link, Partitions(1), desk.store.policy, scripts=virtual_scripts())
    store.left, store.after = left, after
    try:
        events = await Machines(store).look(desk.at, await machine_task(desk))
        await store.advance(desk.at, events)
    except Dead:
        return True
    return False


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("event", ["go", "again", "stop"])
async def test_a_replica_may_die_at_any_call_and_another_goes_on(
    link: RedisLink, event: str, after: bool
) -> None:
    points = 0
    while True:
        await link.execute("FLUSHALL")
        desk = await Desk(link, WIDE, chunk=2).open()
        if event != "go":
            await desk.send("go")
        await desk.send(event, settle=False)
        if not await dies(desk, points + 1, after=after):
            break
        points += 1
        await desk.settle()

        await _ends_well(desk, event)
    assert points > 1


async def _ends_well(desk: Desk, event: str) -> None:
    """The tasks of the last state run once each, and all others have ended."""
    if event != "stop":
        ready = await desk.take()
        now = [task.id for task in await desk.tasks() if task.name == "A" and not task.status.is_final]
        assert sorted(entry.task_id for entry in ready) == sorted(now)
        assert len(now) == 7
        for entry in ready:
            await desk.succeed(entry)
        await desk.succeed(await desk.one())
    record = await desk.record()
    assert (record.status, record.state) == (Status.SUCCESS, "done")
    assert record.total == len(record.task_ids) == sum(record.counts.values())


@pytest.mark.parametrize("after", [False, True])
async def test_a_replica_may_die_at_any_call_when_the_tasks_of_a_state_have_ended(
    link: RedisLink, after: bool
) -> None:
    points, died = 0, True
    while died:
        await link.execute("FLUSHALL")
        desk = await Desk(link, lease_ms=1).open()
        await desk.send("pay")
        await desk.succeed(await desk.one())
        await PlainWorker(link).succeed(await desk.one())
        store = DyingStore(link, Partitions(1), desk.store.policy, scripts=virtual_scripts())
        store.left, store.after = points + 1, after
        dying = desk.replica("dying", store)
        died = False
        while not died and await link.execute("XLEN", desk.at.task_events):
            try:
                await dying.step()
            except Dead:
                died = True
        points += 1
        await desk.settle()

        assert await desk.way() == [("start", "new"), ("pay", "paid"), ("then", "shipped")]
        assert {status for _, status in await desk.statuses()} == {"success"}
    assert points > 3


async def test_replicas_that_look_at_the_same_time_do_all_once(link: RedisLink) -> None:
    desk = await Desk(link, WIDE, chunk=2).open()
    await desk.send("go", settle=False)
    task = await machine_task(desk)

    await asyncio.gather(*(Machines(desk.store).look(desk.at, task) for _ in range(5)))
    await desk.settle()

    assert len(await desk.take()) == 7
    assert len((await desk.record()).task_ids) == 1 + 1 + 8


async def test_events_at_the_same_time_move_it_one_after_the_other(link: RedisLink) -> None:
    desk = await Desk(link, WIDE).open()

    sent = await asyncio.gather(*(desk.send(event, settle=False) for event in ("go", "go", "again", "stop")))
    await desk.settle()

    taken = [one for one in sent if one.refusal is None]
    refused = {one.refusal for one in sent if one.refusal}
    assert len(await desk.way()) == 1 + len(taken)
    assert refused <= {Refusal.NOT_ALLOWED, Refusal.ENDED}
    live = [task for task in await desk.tasks() if not task.status.is_final]
    assert len(live) in (0, 9)


async def test_a_state_that_is_left_while_it_begins_leaves_nothing_that_runs(link: RedisLink) -> None:
    """The tasks that it had made by then are ended, and the rest is never made."""
    for made in range(1, 5):
        await link.execute("FLUSHALL")
        desk = await Desk(link, WIDE, chunk=2).open()
        await desk.send("go", settle=False)
        await dies(desk, made, after=True)
        await desk.send("stop")

        record = await desk.record()
        assert record.status is Status.SUCCESS
        assert record.counts[Status.CANCELLED] == len(record.task_ids) - 1 == 2 * made


async def test_a_report_that_comes_with_an_event_decides_nothing_twice(link: RedisLink) -> None:
    """The last task ends, and at the same moment an event leads elsewhere: one of the two is first."""
    desk = await Desk(link, WIDE.replace("count: 7", "count: 1")).open()
    await desk.send("go")
    await desk.succeed(await desk.one())
    last = await desk.one()
    await desk.send("again", settle=False)
    await desk.succeed(last)

    assert await desk.way() == [("start", "idle"), ("go", "works"), ("again", "works")]
    again = await desk.one()
    assert again.name == "A"
    await desk.succeed(again)
    await desk.succeed(await desk.one())
    assert (await desk.record()).status is Status.SUCCESS


async def test_many_tasks_of_a_state(link: RedisLink) -> None:
    desk = await Desk(link, WIDE.replace("count: 7", "count: 300")).open()
    await desk.send("go")
    assert len(await desk.take(count=1_000)) == 300
    await desk.send("again")
    second = await desk.take(count=1_000)
    assert len(second) == 300

    await desk.send("stop")

    record = await desk.record()
    assert record.status is Status.SUCCESS
    assert (record.total, record.counts[Status.CANCELLED]) == (1 + 2 * 302, 2 * 302)


async def test_too_many_tasks_fail_the_scenario(link: RedisLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "MAX_TASKS", 12)
    desk = await Desk(link, WIDE).open()
    await desk.send("go")
    await desk.send("again")

    record = await desk.record()
    assert record.status is Status.FAILED
    task = await machine_task(desk)
    assert task.error["type"] == "too_many"
    assert {status for _, status in await desk.statuses()} == {"cancelled"}


async def test_tasks_that_cannot_all_be_made_are_not_left_running(link: RedisLink) -> None:
    desk = await Desk(link, WIDE, chunk=2).open()
    await desk.send("go", settle=False)
    await dies(desk, 3, after=True)
    task = await machine_task(desk)
    *_, taken = ids_of(task, 2, state_of(task, "works")).values()
    await link.execute("HSET", desk.at.task(taken), "scenario_id", "z" * 16)
    await desk.settle()
    await link.execute("DEL", desk.at.task(taken))

    record = await desk.record()
    assert record.status is Status.FAILED
    assert (await machine_task(desk)).error["type"] == "conflict"


async def test_a_cancelled_scenario_takes_no_events_and_its_clock_stops(link: RedisLink) -> None:
    desk = await Desk(link).open()
    await desk.send("pay")
    await desk.succeed(await desk.one())
    await desk.succeed(await desk.one())
    assert (await desk.record()).state == "shipped"

    await desk.store.cancel(desk.id, Cause("enough", "ann"))

    assert (await desk.record()).status is Status.CANCELLED
    assert (await desk.send("return")).refusal is Refusal.ENDED
    await desk.passed(8 * 86_400_000)
    assert (await desk.record()).state == "shipped"
    assert await link.execute("ZSCORE", desk.at.timers, f"state:{desk.id}") is None


async def test_a_paused_scenario_takes_events_and_holds_the_tasks_of_the_next_state(link: RedisLink) -> None:
    desk = await Desk(link).open()
    await Flow(desk.store).pause_scenario(desk.id, Pause("wait", "ann"))

    await desk.send("pay")

    assert (await desk.record()).state == "paid"
    assert await desk.take() == []
    while await Flow(desk.store).resume_scenario(desk.id, begin=True) == "MORE":
        continue
    await desk.passed(0)
    assert [entry.name for entry in await desk.take()] == ["Pack"]


@pytest.mark.parametrize("ends", [True, False])
async def test_nothing_is_left_after_the_purge(link: RedisLink, ends: bool) -> None:
    desk = await Desk(link).open()
    await desk.send("pay", id="e1")
    await desk.send("cancel")
    if ends:
        await desk.succeed(await desk.one("bank"))
    else:
        await desk.store.cancel(desk.id, Cause())
    assert await link.execute("EXISTS", desk.at.machine(desk.id), desk.at.history(desk.id)) == 2

    desk.now += 30 * 86_400_000
    await link.execute("SET", "test:now_ms", desk.now)
    assert await desk.store.begin_purge(desk.at, desk.id) == "BEGUN"
    while await desk.store.purge(desk.at, desk.id) == "MORE":
        continue

    left = [name.decode() for name in await link.execute("KEYS", "*")]
    assert not [
        name for name in left if re.search(desk.id, name) or name.startswith(("machine", "history", "task:"))
    ]
    assert await link.execute("ZCARD", desk.at.timers) == 0
    assert await leaked_keys(link) == []


async def test_the_clock_of_a_scenario_that_is_gone_is_forgotten(link: RedisLink) -> None:
    desk = await Desk(link, WIDE).open()
    await link.execute("ZADD", desk.at.timers, 1, f"state:{'0' * 16}")

    await desk.passed(0)

    assert await link.execute("ZCARD", desk.at.timers) == 0


async def test_a_failed_task_runs_again_while_its_state_goes_on(link: RedisLink) -> None:
    desk = await Desk(link, FRAGILE).open()
    good, bad = await desk.take()
    await desk.fail(bad)

    assert (await Revival(desk.store).redrive(desk.id, [bad.task_id])).ids == [bad.task_id]
    again = await desk.one()
    assert (again.task_id, again.attempt) == (bad.task_id, 2)
    await desk.succeed(again)
    await desk.succeed(good)

    assert (await desk.record()).status is Status.SUCCESS


async def test_what_belongs_to_a_state_that_was_left_stays_dead(link: RedisLink) -> None:
    desk = await Desk(link, FRAGILE).open()
    good, bad = await desk.take()
    await desk.fail(bad)
    await desk.succeed(good)
    assert (await desk.record()).state == "waits"

    assert (await Revival(desk.store).redrive(desk.id, [bad.task_id])).word == "LEFT"
    assert (await Revival(desk.store).retry(desk.id)).word == "LEFT"
    await desk.send("go")
    assert (await desk.record()).status is Status.FAILED
    assert (await Revival(desk.store).retry(desk.id)).word == "LEFT"
    assert await desk.take() == []


FRAGILE = """
states:
  tries:
    tasks:
      - {name: A, service: shop}
      - {name: B, service: shop}
    then: done
    otherwise: waits
  waits: {on: {go: lost}}
  done: {end: success}
  lost: {end: failed}
"""
