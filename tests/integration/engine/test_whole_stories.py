"""Accidents that the model of the whole engine found, each told by its test."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.edits import Edits
from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import Cause
from orchestrator.store.rerun import Rerun
from orchestrator.store.revival import Revival
from orchestrator.store.store import Policy
from tests.support.estate import END, TOP, ours, watched
from tests.support.graphs import graph
from tests.support.machines import Desk
from tests.support.whole_replica import Dead, age, store_of
from tests.support.works import Works
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent, dumps


async def test_what_a_rerun_begins_with_finds_the_copies_that_it_takes_results_from(link: RedisLink) -> None:
    """Between two chunks of a rerun a task was looked at whose copied parent was not written yet: it failed with `no_result`."""
    works = await Works(link, Policy(chunk=1)).open()
    takes = {"set": [{"path": ["fields", "text"], "value": {"of": "result", "word": "a", "ids": ["{a}"]}}]}
    scenario = graph({"a": [], "b": ["a"]}, rules={"b": {"ask": True}}, on_ready={"b": takes})
    await works.submit(scenario)
    await works.work()
    record = await works.record(scenario.scenario_id)
    assert record is not None
    new = await Rerun(works.store).of(record, "b", scenario_id_from(secrets.token_bytes(16)), Edits())
    await works.store.submit(new)
    ((entry_id, flat),) = await link.execute("XRANGE", works.at.scenarios, "-", "+")
    chunks = [value for name, value in zip(flat[::2], flat[1::2], strict=True) if name == b"tasks"]

    for offset, chunk in enumerate(chunks):
        await works.store.materialize(works.at, new.scenario_id, entry_id.decode(), chunk, offset)
        await works.settle()
    await works.work()

    again = await works.record(new.scenario_id)
    assert again is not None and again.status is Status.SUCCESS


async def test_what_runs_at_the_end_cannot_be_cancelled_before_its_turn(link: RedisLink) -> None:
    """A compensation was cancelled while the work went on: the one behind it began at once, found nothing to undo, and what
    failed later was never undone."""
    works = await Works(link).open()
    end = {"ask": True, "all_done": True, "finally": 0}
    needs = {"book": [], "pay": ["book"], "unpay": ["book", "pay"], "unbook": ["unpay"]}
    rules = {"unpay": end, "unbook": {**end, "finally": 1}}
    scenario = graph(
        needs, rules=rules, on_ready={"unpay": {"compensates": "{pay}"}, "unbook": {"compensates": "{book}"}}
    )
    book, pay, unpay, unbook = scenario.task_ids
    await works.submit(scenario)

    assert await works.store.cancel_task(unpay, Cause()) is Outcome.NOT_READY
    await works.settle()
    for task_id, kind in ((book, EventKind.SUCCESS), (pay, EventKind.FAILED)):
        assert await works.store.report(TaskEvent(task_id, kind)) is Outcome.APPLIED
        await works.settle()
    await works.work()

    ends = [task.status if task else None for task in await works.store.tasks([unpay, unbook])]
    assert ends == [Status.SKIPPED, Status.SUCCESS]


async def test_what_runs_at_the_end_ends_too_after_a_second_cancellation(link: RedisLink) -> None:
    """Cancelled, redriven and cancelled again: a `finally` task waited for the one before it twice, and hung."""
    works = await Works(link).open()
    rules: dict[str, dict[str, Any]] = {"tell": {"finally": 0, "all_done": True}, "close": {"finally": 1}}
    scenario = graph({"work": [], "tell": ["work"], "close": ["tell"]}, rules=rules)
    scenario_id = await works.submit(scenario)
    assert await works.store.cancel(scenario_id, Cause()) == "DONE"
    await works.settle()
    await works.work(scenario_id)
    assert await DeadLetters(works.store).redrive_one(scenario.task_ids[1]) == "OK"

    assert await works.store.cancel(scenario_id, Cause()) == "DONE"
    await works.settle()
    await works.work()

    record = await works.record(scenario_id)
    assert record is not None and record.status is Status.CANCELLED


async def test_a_task_with_children_waits_for_no_parent_that_a_retry_brings_back(link: RedisLink) -> None:
    """It needed one of two, which succeeded, and made children; the other one failed and was retried: it hung for ever."""
    works = await Works(link).open()
    rules: dict[str, dict[str, Any]] = {"bad": {"tolerated": True}, "each": {"need": 1, "ask": True}}
    needs: dict[str, list[str]] = {"good": [], "bad": [], "each": ["good", "bad"]}
    scenario = graph(needs, rules=rules, on_ready={"each": {"foreach": {"items": [1, 2]}}})
    good, bad, _ = scenario.task_ids
    scenario_id = await works.submit(scenario)
    for task_id, kind in ((good, EventKind.SUCCESS), (bad, EventKind.FAILED)):
        assert await works.store.report(TaskEvent(task_id, kind)) is Outcome.APPLIED
        await works.settle()

    assert (await Revival(works.store).retry(scenario_id)).ids == [bad]
    await works.work()

    record = await works.record(scenario_id)
    assert record is not None and record.status is Status.SUCCESS


async def test_what_was_done_after_a_redrive_is_undone_when_the_rest_fails(link: RedisLink) -> None:
    """The booking had failed, so nothing was there to undo; it was redriven and succeeded, the payment failed, and the booking
    stood for ever."""
    works = await Works(link).open()
    rules = {"unbook": {"ask": True, "all_done": True, "finally": 0}}
    needs: dict[str, list[str]] = {"book": [], "pay": ["book"], "unbook": ["book", "pay"]}
    scenario = graph(needs, rules=rules, on_ready={"unbook": {"compensates": "{book}"}})
    book, pay, unbook = scenario.task_ids
    scenario_id = await works.submit(scenario)
    await works.work(scenario_id)
    assert await DeadLetters(works.store).redrive_one(book) == "OK"
    await works.settle()

    for task_id, kind in ((book, EventKind.SUCCESS), (pay, EventKind.FAILED)):
        assert await works.store.report(TaskEvent(task_id, kind)) is Outcome.APPLIED
        await works.settle()
    await works.work()

    undone = await works.store.task(unbook)
    assert undone is not None and undone.status is Status.SUCCESS


async def test_what_runs_at_the_end_waits_again_when_a_retry_comes_before_the_engine_has_looked(
    link: RedisLink,
) -> None:
    """All had ended, a compensation was about to be looked at, a retry brought the work back: it was skipped, the one behind it
    began while the work went on."""
    works = await Works(link).open()
    end = {"ask": True, "all_done": True, "finally": 0}
    needs: dict[str, list[str]] = {"book": [], "pay": ["book"], "unpay": ["book", "pay"], "unbook": ["unpay"]}
    undo = {"unpay": {"compensates": "{pay}"}, "unbook": {"compensates": "{book}"}}
    scenario = graph(needs, rules={"unpay": end, "unbook": {**end, "finally": 1}}, on_ready=undo)
    book, pay, unpay, unbook = scenario.task_ids
    scenario_id = await works.submit(scenario)
    assert await works.store.report(TaskEvent(book, EventKind.FAILED)) is Outcome.APPLIED

    assert (await Revival(works.store).retry(scenario_id)).ids == [book, pay]
    await works.settle()

    waiting = await works.store.tasks([pay, unpay, unbook])
    assert [task.status if task else None for task in waiting] == [Status.PENDING] * 3
    await works.work()
    ended = await works.record(scenario_id)
    assert ended is not None and ended.status is Status.SUCCESS


async def test_what_runs_at_the_end_with_children_waits_for_no_work_that_a_retry_brings_back(
    link: RedisLink,
) -> None:
    """It had its children, the work was retried, then cancelled: it waited for that for ever."""
    works = await Works(link).open()
    rules = {"each": {"ask": True, "all_done": True, "finally": 0}}
    needs: dict[str, list[str]] = {"work": [], "each": ["work"]}
    scenario = graph(needs, rules=rules, on_ready={"each": {"foreach": {"items": [1, 2]}}})
    scenario_id = await works.submit(scenario)
    assert await works.store.report(TaskEvent(scenario.task_ids[0], EventKind.FAILED)) is Outcome.APPLIED
    await works.settle()
    assert (await Revival(works.store).retry(scenario_id)).ids == [scenario.task_ids[0]]

    assert await works.store.cancel(scenario_id, Cause()) == "DONE"
    await works.settle()
    await works.work()

    record = await works.record(scenario_id)
    assert record is not None and record.status is Status.CANCELLED


async def test_a_child_of_what_runs_at_the_end_is_cancelled_though_what_it_waits_for_was_never_made(
    link: RedisLink,
) -> None:
    """A replica died between two chunks of children, their parent was cancelled: the child that was there could not be, as if
    it had a turn at the end of its own, and hung for ever."""
    works = await Works(link, Policy(chunk=1)).open()
    rules: dict[str, dict[str, Any]] = {"tell": {"finally": 0, "all_done": True}}
    scenario = graph({"work": [], "tell": ["work"]}, rules=rules)
    scenario_id = await works.submit(scenario)
    assert await works.store.report(TaskEvent(scenario.task_ids[0], EventKind.SUCCESS)) is Outcome.APPLIED
    await works.settle()
    (tell,) = await works.worker.take()
    child = {"service": "test-service", "name": "child", "fields": {}}
    both = [{**child, "key": "first", "needs": []}, {**child, "key": "second", "needs": ["first"]}]
    await works.worker.succeed(tell, spawn=dumps(both).decode())
    dying = store_of(link, "dying", chunk=1, partitions=1)
    dying.left = 2
    with pytest.raises(Dead):
        await Advancer(dying, Seams(link), works.at, "dying").step()
    await age(link, works.at.task_events, "orchestrator", "dying")

    assert await works.store.cancel_task(tell.task_id, Cause()) is Outcome.APPLIED
    await works.settle()

    record = await works.record(scenario_id)
    assert record is not None and record.total == 3
    assert record.status is Status.CANCELLED


async def test_two_scenarios_within_whose_ends_come_in_one_call_are_counted_once(
    link: RedisLink, tmp_path: Path
) -> None:
    """There was room to tell of one of them only; when the other one's turn came, it was counted again, and of two tasks at the
    end the later one began first."""
    needs: dict[str, list[str]] = {
        "one": [],
        "two": [],
        "tell": ["one", "two"],
        "close": ["one", "two", "tell"],
    }
    rules = {"one": {"ask": True}, "two": {"ask": True}, "tell": END, "close": {**END, "finally": 1}}
    within = {"scenario": {"name": "Deep"}}
    made = graph(needs, scenario_id=TOP, rules=rules, on_ready={"one": within, "two": within})
    estate = watched(link, ours(made, "one", "two"), tmp_path, chunk=1)
    await estate.enter()
    for scenario_id in (TOP, *await estate.below(TOP)):
        while await estate.store.cancel(scenario_id, Cause()) == "MORE":
            continue

    both = [TaskEvent(estate.ids[name], EventKind.RELEASE) for name in ("one", "two")]
    await estate.store.advance(estate.at, both)
    await estate.settle()

    assert await link.execute("HGET", estate.at.scenario(TOP), "late") == b"0"
    await estate.work()
    assert await estate.status() is Status.CANCELLED


async def test_a_state_goes_on_when_its_task_is_redriven_before_the_engine_has_looked(
    link: RedisLink,
) -> None:
    """Its only task had failed and lived again: nothing failed any more, so the scenario went on as if all had succeeded, and the
    task was cancelled."""
    desk = await Desk(
        link,
        """
states:
  works: {tasks: [{name: A, service: shop}], then: good, otherwise: bad}
  good: {end: success}
  bad: {end: failed}
""",
    ).open()
    first = await desk.one()
    assert await desk.store.report(TaskEvent(first.task_id, EventKind.FAILED)) is Outcome.APPLIED

    assert await DeadLetters(desk.store).redrive_one(first.task_id) == "OK"
    await desk.settle()

    assert (await desk.current()).state == "works"
    await desk.succeed(await desk.one())
    assert ((await desk.current()).state, (await desk.record()).status) == ("good", Status.SUCCESS)
