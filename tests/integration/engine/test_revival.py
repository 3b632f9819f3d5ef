"""Redrive and retry: what failed runs again with what it took along, and what succeeded never does."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.materializer import Materializer
from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import Cause, NewScenario, ScenarioRecord
from orchestrator.store.revival import Revival
from orchestrator.store.store import Policy, Store
from tests.support.engines import Running, materialized, running_engine
from tests.support.graphs import chain, diamond, graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry, TaskEvent

Rule = dict[str, Any]


@dataclass
class Play:
    """Works off one scenario; each name fails as often as `failures` says."""

    engine: Running
    worker: PlainWorker
    scenario: NewScenario
    failures: dict[str, int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    succeeded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = {task.id: task.name for task in self.scenario.tasks}
        self.ids = {names[task_id]: task_id for task_id in self.scenario.task_ids}
        self.letters = DeadLetters(self.engine.store)
        self.revival = Revival(self.engine.store)

    async def step(self) -> bool:
        """Do what is ready; whether the scenario has ended."""
        for entry in await self.worker.take():
            self.seen.append(entry.name)
            if self.failures.get(entry.name, 0) > 0:
                self.failures[entry.name] -= 1
                await self.worker.report(entry, EventKind.FAILED, error='{"type":"Boom","message":"no 7"}')
            else:
                self.succeeded.append(entry.name)
                await self.worker.succeed(entry)
        return (await self.record()).status.is_final

    async def end(self) -> Status:
        await wait_until(self.step, what="the scenario to end")
        return (await self.record()).status

    async def record(self) -> ScenarioRecord:
        record = await self.engine.store.scenario(self.scenario.scenario_id)
        assert record
        return record

    async def statuses(self) -> dict[str, str]:
        tasks = await self.engine.store.tasks(list(self.ids.values()))
        return {task.name: task.status.value for task in tasks if task}

    async def dead(self) -> list[str]:
        """Names of the dead letters."""
        page = await self.letters.letters(None, cursor=None, limit=100)
        return sorted(task.name for task in page.items)


async def play(
    engine: Running,
    worker: PlainWorker,
    needs: Mapping[str, Sequence[str]],
    failures: dict[str, int],
    rules: dict[str, Rule] | None = None,
) -> Play:
    scenario = graph(needs, rules=rules)
    await engine.store.submit(scenario)
    return Play(engine, worker, scenario, dict(failures))


async def test_a_redriven_task_takes_back_what_it_skipped_and_nothing_else(
    engine: Running, worker: PlainWorker
) -> None:
    needs = {"a": [], "b": ["a"], "c": ["b"], "x": [], "y": ["x"], "both": ["c", "y"]}
    game = await play(engine, worker, needs, {"a": 1, "x": 1})
    assert await game.end() is Status.FAILED
    assert await game.dead() == ["a", "x"]

    assert await game.letters.redrive_one(game.ids["a"]) == "OK"
    assert await game.end() is Status.FAILED
    assert await game.statuses() == {
        "a": "success", "b": "success", "c": "success", "x": "failed", "y": "skipped", "both": "skipped",
    }  # fmt: skip
    record = await game.record()
    assert record.error["type"] == "task_failed"
    assert record.error.get("task_id") in (None, game.ids["x"])

    assert await game.letters.redrive_one(game.ids["x"]) == "OK"
    assert await game.end() is Status.SUCCESS
    assert sorted(game.succeeded) == sorted(needs)
    assert sorted(game.seen) == sorted([*needs, "a", "x"])
    assert (await game.record()).error is None
    assert await game.dead() == []


async def test_attempts_are_numbered_on_and_the_history_stays(engine: Running, worker: PlainWorker) -> None:
    game = await play(engine, worker, chain(2), {"c0": 2})
    await game.end()
    await game.letters.redrive_one(game.ids["c0"])
    await game.end()
    await game.letters.redrive_one(game.ids["c0"])
    assert await game.end() is Status.SUCCESS

    task = await engine.store.task(game.ids["c0"])
    assert task and (task.attempt, task.error, task.fingerprint) == (3, None, "")
    assert [one.attempt for one in await engine.store.attempts(task.id)] == [1, 2]


async def test_what_is_no_dead_letter_is_not_redriven(engine: Running, worker: PlainWorker) -> None:
    game = await play(engine, worker, chain(3), {"c1": 1})
    await game.end()

    assert await game.letters.redrive_one(game.ids["c0"]) == "NOT_DEAD"
    assert await game.letters.redrive_one(game.ids["c2"]) == "NOT_DEAD"
    assert await game.letters.redrive_one("0" * 16) == "UNKNOWN"
    assert (await game.revival.redrive(game.scenario.scenario_id, [game.ids["c0"]])).ids == []
    assert (await game.record()).status is Status.FAILED


async def test_a_scenario_that_failed_is_retried_from_its_failed_tasks(
    engine: Running, worker: PlainWorker
) -> None:
    game = await play(engine, worker, diamond(4), {"m1": 1, "m2": 2})
    assert await game.end() is Status.FAILED

    revived = await game.revival.retry(game.scenario.scenario_id)
    assert sorted(revived.ids) == sorted([game.ids[name] for name in ("m1", "m2", "last")])
    assert await game.end() is Status.FAILED
    await game.revival.retry(game.scenario.scenario_id)

    assert await game.end() is Status.SUCCESS
    assert sorted(game.succeeded) == sorted(diamond(4))
    assert (await game.revival.retry(game.scenario.scenario_id)).ids == []
    assert (await game.record()).status is Status.SUCCESS


async def test_a_cancelled_scenario_is_retried(engine: Running, worker: PlainWorker) -> None:
    game = await play(engine, worker, diamond(3), {})
    (first,) = await wait_until(worker.take, what="the first task")
    await worker.succeed(first)
    await wait_until(worker.take, what="those in the middle")
    while await engine.store.cancel(game.scenario.scenario_id, Cause()) == "MORE":
        pass
    assert (await game.record()).status is Status.CANCELLED

    revived = await game.revival.retry(game.scenario.scenario_id)
    assert len(revived.ids) == 4
    assert await game.end() is Status.SUCCESS
    record = await game.record()
    assert (record.error, record.cancel) == (None, None)


async def test_a_branch_is_redriven_while_another_runs(engine: Running, worker: PlainWorker) -> None:
    game = await play(engine, worker, {"bad": [], "slow": [], "end": ["bad", "slow"]}, {})
    entries = {entry.name: entry for entry in await wait_until(worker.take, what="both")}
    while len(entries) < 2:
        entries |= {entry.name: entry for entry in await worker.take()}
    await worker.report(entries["bad"], EventKind.FAILED, error='{"type":"Boom"}')
    await wait_until(game.dead, what="the dead letter")

    assert await game.letters.redrive_one(game.ids["bad"]) == "OK"
    task = await engine.store.task(game.ids["end"])
    assert task and (task.status, task.queue) == (Status.PENDING, 2)
    await worker.succeed(entries["slow"])
    assert await game.end() is Status.SUCCESS
    assert game.succeeded == ["bad", "end"]


async def test_nothing_is_revived_while_the_scenario_is_being_cancelled(link: RedisLink) -> None:
    store = await Store.open(link, policy=Policy(chunk=5), unsafe_volatile=True)
    scenario = graph({f"t{i}": [] for i in range(20)})
    await materialized(store, scenario)
    assert await store.cancel(scenario.scenario_id, Cause()) == "MORE"

    assert (await Revival(store).retry(scenario.scenario_id)).word == "CANCELLING"
    while await store.cancel(scenario.scenario_id) == "MORE":
        pass
    assert (await Revival(store).retry(scenario.scenario_id)).word == "OK"


async def test_a_scenario_whose_tasks_were_never_written_cannot_be_retried(link: RedisLink) -> None:
    store = await Store.open(link, unsafe_volatile=True)
    scenario = graph(chain(3))
    await store.submit(scenario)
    assert (await Revival(store).retry(scenario.scenario_id)).word == "UNWRITTEN"
    await store.cancel(scenario.scenario_id, Cause())
    assert (await Revival(store).retry(scenario.scenario_id)).word == "UNWRITTEN"
    assert (await Revival(store).retry("0" * 16)).word == "UNWRITTEN"


@pytest.mark.parametrize("whole", [True, False])
async def test_a_caller_that_dies_between_two_chunks_leaves_a_scenario_that_goes_on(
    redis_url: str, whole: bool
) -> None:
    """It must not end in between: all that lives may be done, while the rest is still to be brought back."""
    async with running_engine(redis_url, Policy(lease_ms=300, chunk=3)) as engine:
        worker = PlainWorker(engine.store.link)
        game = await play(engine, worker, diamond(9), {"first": 1})
        await game.end()
        dying = Dying(engine.store, after=2)
        with pytest.raises(Killed):
            if whole:
                await Revival(dying).retry(game.scenario.scenario_id)
            else:
                await Revival(dying).redrive(game.scenario.scenario_id, [game.ids["first"]])
        await wait_until(lambda: _succeeded(game, 6), what="all that was brought back")
        assert (await game.record()).status is Status.PROCESSING

        at = engine.store.partitions.of(game.scenario.scenario_id)
        await engine.store.link.execute("ZADD", at.timers, 1, f"revive:{game.scenario.scenario_id}")
        assert await game.end() is Status.SUCCESS
        assert sorted(game.succeeded) == sorted(diamond(9))
        assert (
            await engine.store.link.execute("HEXISTS", at.scenario(game.scenario.scenario_id), "revive") == 0
        )


async def _succeeded(game: Play, count: int) -> bool:
    await game.step()
    return len(game.succeeded) == count


class Killed(Exception):
    """The process is gone."""


class Dying(Store):
    """A store whose process dies after some calls of `revive`."""

    def __init__(self, store: Store, *, after: int) -> None:
        super().__init__(store.link, store.partitions, store.policy)
        self._left = after

    async def call(self, name, values, rest=()):  # type: ignore[no-untyped-def]
        if name == "revive":
            if not self._left:
                raise Killed
            self._left -= 1
        return await super().call(name, values, rest)


async def test_a_cancel_between_two_chunks_wins(redis_url: str) -> None:
    async with running_engine(redis_url, Policy(lease_ms=300, chunk=3)) as engine:
        worker = PlainWorker(engine.store.link)
        game = await play(engine, worker, diamond(9), {"first": 1})
        await game.end()
        with pytest.raises(Killed):
            await Revival(Dying(engine.store, after=1)).retry(game.scenario.scenario_id)
        while await engine.store.cancel(game.scenario.scenario_id, Cause()) == "MORE":
            pass
        assert (await game.record()).status is Status.CANCELLED

        revived = await game.revival.carry_on(game.scenario.scenario_id)
        assert (revived.word, revived.ids) == ("ENDED", [])
        assert (await game.record()).status is Status.CANCELLED


async def test_an_end_that_was_counted_is_not_counted_twice(engine: Running, worker: PlainWorker) -> None:
    """`join` has heard of the failure of `maybe`; redriven, it waits for it anew, and for `slow` as before."""
    needs = {"maybe": [], "slow": [], "join": ["maybe", "slow"]}
    game = await play(engine, worker, needs, {}, {"maybe": {"optional": True}})
    entries: dict[str, TaskEntry] = {}
    while len(entries) < 2:
        entries |= {entry.name: entry for entry in await worker.take()}
    await worker.report(entries["maybe"], EventKind.FAILED, error='{"type":"Boom"}')
    await wait_until(game.dead, what="the dead letter")
    assert await game.letters.redrive_one(game.ids["maybe"]) == "OK"
    await wait_until(lambda: _succeeded(game, 1), what="the redriven one")
    await wait_until(lambda: _queue_is(game, "join", 1), what="its end to be counted")

    assert await game.statuses() == {"maybe": "success", "slow": "pending", "join": "pending"}
    await worker.succeed(entries["slow"])
    assert await game.end() is Status.SUCCESS


async def test_a_success_that_is_still_being_told_is_waited_for(link: RedisLink) -> None:
    """`wide` has succeeded, but `late` is further down its list: it will count that when the list gets there."""
    store = await Store.open(link, policy=Policy(chunk=1), unsafe_volatile=True, sets_lease=True)
    scenario = graph({"wide": [], "bad": [], "first": ["wide"], "second": ["wide"], "late": ["wide", "bad"]})
    await store.submit(scenario)
    at = store.partitions.of(scenario.scenario_id)
    materializer = Materializer(store, Seams(link), at, "m1")
    advancer = Advancer(store, Seams(link), at, "a1")
    await materializer.step()
    await materializer.step()
    wide, bad, first, second, late = scenario.task_ids
    await advancer.step()

    await store.report(TaskEvent(bad, EventKind.FAILED, fields={"error": '{"type":"Boom"}'}))
    await store.report(TaskEvent(wide, EventKind.SUCCESS))
    assert await DeadLetters(store).redrive_one(bad) == "OK"
    task = await store.task(late)
    assert task and (task.status, task.queue) == (Status.PENDING, 2)

    while await link.execute("XLEN", at.task_events):
        await advancer.step()
    task = await store.task(late)
    assert task and (task.status, task.queue, task.token) == (Status.PENDING, 1, "")
    for task_id in (bad, first, second, late):
        assert await store.report(TaskEvent(task_id, EventKind.SUCCESS)) is Outcome.APPLIED
    record = await store.scenario(scenario.scenario_id)
    assert record and record.status is Status.SUCCESS


def for_each(count: int) -> NewScenario:
    """each item -> join; the children have the name of what they were made for."""
    on_ready = {"each": {"foreach": {"items": list(range(count))}}}
    return graph({"each": [], "join": ["each"]}, rules={"each": {"ask": True}}, on_ready=on_ready)


async def test_a_child_that_is_redriven_brings_back_what_waited_for_all_of_them(
    engine: Running, worker: PlainWorker
) -> None:
    scenario = for_each(4)
    await engine.store.submit(scenario)
    game = Play(engine, worker, scenario, {"each": 2})
    assert await game.end() is Status.FAILED
    statuses = await tasks_by_status(game)
    assert {status: len(ids) for status, ids in statuses.items()} == {"failed": 3, "success": 2, "skipped": 1}

    letters = (await game.letters.letters(None, cursor=None, limit=10)).items
    assert len(letters) == 2  # the task itself did nothing wrong
    await game.letters.redrive_one(letters[0].id)
    assert await game.end() is Status.FAILED
    await game.letters.redrive_one(letters[1].id)
    assert await game.end() is Status.SUCCESS
    assert game.succeeded == ["each"] * 4 + ["join"]


async def test_a_child_is_redriven_while_another_runs(engine: Running, worker: PlainWorker) -> None:
    scenario = for_each(2)
    await engine.store.submit(scenario)
    game = Play(engine, worker, scenario)
    entries: list[TaskEntry] = []
    while len(entries) < 2:
        entries += await worker.take()
    await worker.report(entries[0], EventKind.FAILED, error='{"type":"Boom"}')
    await wait_until(game.dead, what="the dead letter")
    await wait_until(lambda: _queue_is(game, "each", 1), what="it to be counted")

    assert await game.letters.redrive_one(entries[0].task_id) == "OK"
    assert await _queue_is(game, "each", 2)
    await wait_until(lambda: _succeeded(game, 1), what="the redriven one")
    await wait_until(lambda: _queue_is(game, "each", 1), what="it to be counted again")
    await worker.succeed(entries[1])
    assert await game.end() is Status.SUCCESS


async def test_a_cancelled_foreach_goes_on_with_the_children_that_it_has(
    engine: Running, worker: PlainWorker
) -> None:
    scenario = for_each(3)
    await engine.store.submit(scenario)
    game = Play(engine, worker, scenario)
    (one, *_) = await wait_until(worker.take, what="a child")
    await worker.succeed(one)
    await wait_until(lambda: _count_is(game, Status.SUCCESS, 1), what="its end")
    while await engine.store.cancel(scenario.scenario_id, Cause()) == "MORE":
        pass

    assert len((await game.revival.retry(scenario.scenario_id)).ids) == 4
    assert await game.end() is Status.SUCCESS
    assert (await game.record()).total == 5


async def _count_is(game: Play, status: Status, count: int) -> bool:
    return (await game.record()).counts[status] == count


async def tasks_by_status(game: Play) -> dict[str, list[str]]:
    """Ids of all tasks, also those that were added."""
    found: dict[str, list[str]] = {}
    for task in await game.engine.store.tasks((await game.record()).task_ids):
        if task:
            found.setdefault(task.status.value, []).append(task.id)
    return found


async def _queue_is(game: Play, name: str, queue: int) -> bool:
    task = await game.engine.store.task(game.ids[name])
    return task is not None and task.queue == queue


@pytest_asyncio.fixture(params=[50, 1])
async def chunked(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """An engine that does much at a time, or as little as it can: then all that takes several steps is seen half done."""
    async with running_engine(redis_url, Policy(lease_ms=60_000, chunk=request.param)) as running:
        yield running


JOINS: st.SearchStrategy[Rule] = st.sampled_from([{}, {}, {"need": 1}, {"all_done": True}])
KINDS: st.SearchStrategy[Rule] = st.sampled_from([{}, {}, {"optional": True}])


@st.composite
def stories(draw: st.DrawFn, *, plain: bool) -> tuple[dict[str, list[str]], dict[str, int], dict[str, Rule]]:
    """A graph, how often each task fails, and its rules."""
    size = draw(st.integers(1, 8))
    names = [f"t{i}" for i in range(size)]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:i]), unique=True, max_size=4)) if i else []
        for i, name in enumerate(names)
    }
    failures = {name: draw(st.integers(0, 2)) for name in names}
    rules: dict[str, Rule] = {}
    for name in names if not plain else []:
        rule = {**draw(KINDS), **(draw(JOINS) if needs[name] else {})}
        if rule:
            rules[name] = rule
    return needs, failures, rules


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(plain=True), seed=st.integers(0, 2**32), whole=st.booleans())
async def test_whatever_fails_and_whenever_it_is_redriven_all_succeed_once(
    chunked: Running,
    worker: PlainWorker,
    story: tuple[dict[str, list[str]], dict[str, int], dict[str, Rule]],
    seed: int,
    whole: bool,
) -> None:
    needs, failures, _ = story
    game, chance = await play(chunked, worker, needs, failures), random.Random(seed)
    scenario_id = game.scenario.scenario_id

    async def step() -> bool:
        ended = await game.step()
        if chance.random() < 0.3 or ended:
            failed = [
                n for n, s in (await game.statuses()).items() if s == "failed" and chance.random() < 0.5
            ]
            both = [game.revival.retry(scenario_id)] if whole and chance.random() < 0.5 else []
            await asyncio.gather(*[game.letters.redrive_one(game.ids[name]) for name in failed], *both)
        record = await game.record()
        return record.status is Status.SUCCESS

    await wait_until(step, what="success of the scenario")
    record = await game.record()

    assert sorted(game.succeeded) == sorted(needs)
    assert record.counts[Status.SUCCESS] == len(needs) == sum(record.counts.values())
    assert all(set(needs[name]) <= set(game.succeeded[:at]) for at, name in enumerate(game.succeeded))
    assert await game.dead() == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(plain=False), seed=st.integers(0, 2**32))
async def test_joins_of_all_kinds_hold_under_redrives(
    chunked: Running,
    worker: PlainWorker,
    story: tuple[dict[str, list[str]], dict[str, int], dict[str, Rule]],
    seed: int,
) -> None:
    """Nothing hangs, nothing succeeds twice, and what needs all of its parents never starts before their ends."""
    needs, failures, rules = story
    game, chance = await play(chunked, worker, needs, failures, rules), random.Random(seed)

    async def step() -> bool:
        ended = await game.step()
        failed = [n for n, s in (await game.statuses()).items() if s == "failed"]
        chosen = [name for name in failed if ended or chance.random() < 0.2]
        await asyncio.gather(*[game.letters.redrive_one(game.ids[name]) for name in chosen])
        if ended and chance.random() < 0.3:
            await game.revival.retry(game.scenario.scenario_id)
        record = await game.record()
        return record.status is Status.SUCCESS and record.counts[Status.SUCCESS] == len(needs)

    await wait_until(step, what="success of all tasks")

    assert ((await game.record()).tolerated, await game.dead()) == (0, [])
    assert sorted(game.succeeded) == sorted(needs)
    plain = [name for name in needs if not {"need", "all_done"} & set(rules.get(name, {}))]
    for at, name in enumerate(game.succeeded):
        sure = {p for p in needs[name] if not rules.get(p, {}).get("optional")}
        assert name not in plain or sure <= set(game.succeeded[:at])
