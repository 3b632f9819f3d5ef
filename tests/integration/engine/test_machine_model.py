"""Random walks: events, ends and failures of tasks, time, deaths of replicas, in any order. What holds is checked after each."""

import random
from collections import Counter

import pytest

from tests.support.machines import Desk
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status, TaskEntry

from .test_machine_faults import dies

WALK = """
states:
  idle: {on: {go: works, leap: checks}}
  works:
    tasks:
      - {name: A, service: shop, count: 3}
      - {name: B, service: shop, needs: [A], join: {at_least: 2}}
      - {name: C, service: shop, needs: [B], join: all_done, optional: true}
      - {name: Each, service: shop, foreach: [1, 2, 3]}
    then: checks
    otherwise: idle
    on: {again: works, stop: idle}
    after: {1h: idle}
  checks:
    tasks: [{name: Check, service: shop, retry: {max_attempts: 2, delay: 0s}}]
    then: idle
    otherwise: works
    on: {end: done, go: works}
    after: {30m: done}
  done: {end: success}
"""
EVENTS = ("go", "leap", "again", "stop", "end")


class Walk:
    """One scenario and a source of chance."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.chance = random.Random(seed)
        self.held: list[TaskEntry] = []

    async def step(self) -> None:
        kind = self.chance.choice(("event", "event", "ends", "ends", "ends", "time", "dies"))
        if kind == "event":
            await self.desk.send(self.chance.choice(EVENTS), settle=self.chance.random() < 0.7)
        elif kind == "time":
            await self.desk.passed(self.chance.choice((1_000, 1_000, 1_900_000)))
        elif kind == "dies":
            await dies(self.desk, self.chance.randrange(1, 5), after=self.chance.random() < 0.5)
        else:
            await self.end_some()
        if self.chance.random() < 0.8:
            await self.desk.settle()
            await self.check()

    async def end_some(self) -> None:
        self.held += await self.desk.take()
        self.chance.shuffle(self.held)
        for _ in range(self.chance.randrange(4)):
            if self.held:
                entry = self.held.pop()
                await (self.desk.fail(entry) if self.chance.random() < 0.25 else self.desk.succeed(entry))

    async def check(self) -> None:
        desk = self.desk
        record, machine, tasks = await desk.record(), await desk.current(), await desk.tasks()
        carrier = await desk.store.task(desk.machine_id)
        assert carrier is not None
        counted = Counter(task.status for task in (*tasks, carrier))
        assert {status: n for status, n in record.counts.items() if n} == dict(counted)
        assert record.total == len(record.task_ids) == len(tasks) + 1
        assert record.state == machine.state
        live = [task for task in tasks if not task.status.is_final]
        assert not live or {task.id for task in live} <= set(record.task_ids[machine.first :])
        if not carrier.status.is_final and machine.written:
            assert machine.entered == machine.visit
        history = await desk.machines.history(desk.id)
        assert [one["visit"] for one in history] == list(range(1, machine.visit + 1))
        assert [one["from"] for one in history[1:]] == [one["to"] for one in history[:-1]]
        assert history[-1]["to"] == machine.state


@pytest.mark.parametrize("seed", range(12))
async def test_a_random_walk_keeps_all_together_and_comes_to_its_end(link: RedisLink, seed: int) -> None:
    walk = Walk(await Desk(link, WALK, chunk=2).open(), seed)
    for _ in range(40):
        await walk.step()
    desk = walk.desk
    await desk.settle()
    await walk.check()

    for event in ("leap", "end", "stop", "leap", "end"):
        await desk.send(event)
    record = await desk.record()
    assert (record.status, record.state) == (Status.SUCCESS, "done")
    assert all(task.status.is_final for task in await desk.tasks())
    await walk.check()
