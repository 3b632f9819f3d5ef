"""Revivals in several steps: what is half done, half told, cancelled in between, or still counted by others."""

import pytest

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.materializer import Materializer
from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import Cause, NewScenario
from orchestrator.store.revival import Revival
from orchestrator.store.store import Policy, Store
from tests.support.bench import Bench
from tests.support.engines import Running, materialized, running_engine
from tests.support.graphs import chain, diamond, graph
from tests.support.plain_worker import PlainWorker
from tests.support.play import Play, play
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry, TaskEvent


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


@pytest.mark.parametrize("whole", [True, False])
async def test_a_caller_that_dies_between_two_chunks_leaves_a_scenario_that_goes_on(
    redis_url: str, whole: bool
) -> None:
    """It must not end in between: all that lives may be done, while the rest is still to be brought back."""
    async with running_engine(redis_url, Policy(chunk=3)) as engine:
        worker = PlainWorker(engine.store.link)
        game = await play(engine, worker, diamond(9), {"first": 1})
        await game.end()
        dying = Dying(engine.store, after=2)
        with pytest.raises(Killed):
            if whole:
                await Revival(dying).retry(game.scenario.scenario_id)
            else:
                await Revival(dying).redrive(game.scenario.scenario_id, [game.ids["first"]])
        await wait_until(lambda: game.has_succeeded(6), what="all that was brought back")
        assert (await game.record()).status is Status.PROCESSING

        at = engine.store.partitions.of(game.scenario.scenario_id)
        await engine.store.link.execute("ZADD", at.timers, 1, f"revive:{game.scenario.scenario_id}")
        assert await game.end() is Status.SUCCESS
        assert sorted(game.succeeded) == sorted(diamond(9))
        assert (
            await engine.store.link.execute("HEXISTS", at.scenario(game.scenario.scenario_id), "revive") == 0
        )


async def test_a_cancel_between_two_chunks_wins(redis_url: str) -> None:
    async with running_engine(redis_url, Policy(chunk=3)) as engine:
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
    await wait_until(lambda: game.has_succeeded(1), what="the redriven one")
    await wait_until(lambda: game.waits_for("join", 1), what="its end to be counted")

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
    await wait_until(lambda: game.waits_for("each", 1), what="it to be counted")

    assert await game.letters.redrive_one(entries[0].task_id) == "OK"
    assert await game.waits_for("each", 2)
    await wait_until(lambda: game.has_succeeded(1), what="the redriven one")
    await wait_until(lambda: game.waits_for("each", 1), what="it to be counted again")
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


@pytest.mark.parametrize("whole", [True, False])
async def test_what_hears_of_an_end_just_before_that_lives_again_is_brought_back_too(
    link: RedisLink, whole: bool
) -> None:
    """The end of a dead letter is still being told while it is redriven: it comes by between the look and the script."""
    bench = await Bench(link, graph(chain(4)), chunk=1).open()
    await bench.worker.report((await bench.takes())["c0"], EventKind.FAILED, error="{}", fingerprint="ab")
    await bench.advancer.step()
    assert [(await bench.task(name)).status for name in ("c1", "c2")] == [Status.SKIPPED, Status.PENDING]
    bench.between("revive", 1, bench.settle)

    revival = Revival(bench.store)
    if whole:
        revived = await revival.retry(bench.scenario.scenario_id)
    else:
        revived = await revival.redrive(bench.scenario.scenario_id, [bench.ids["c0"]])

    assert {*revived.ids} == {*bench.ids.values()}
    await bench.settle()
    assert await bench.works() is Status.SUCCESS
    assert {(await bench.task(name)).status for name in bench.ids} == {Status.SUCCESS}
