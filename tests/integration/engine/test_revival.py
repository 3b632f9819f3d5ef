"""Redrive and retry: what failed runs again with what it took along, and what succeeded never does."""

from orchestrator.store.records import Cause
from tests.support.engines import Running
from tests.support.graphs import chain, diamond
from tests.support.plain_worker import PlainWorker
from tests.support.play import play
from tests.support.wait import wait_until
from workers_sdk.protocol.messages import EventKind, Status


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
