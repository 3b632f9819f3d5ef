"""A task that has children waits for these only, also when a retry brings back what it waited for before it had any."""

from typing import Any

import pytest

from orchestrator.store.fsck import Fsck
from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import Cause, NewScenario, TaskRecord
from orchestrator.store.revival import Revival
from orchestrator.store.why import Why
from tests.support.graphs import graph
from tests.support.whole_replica import Leaping
from tests.support.works import Works
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry

JOINS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"tolerated": True}, {"all_done": True}),
    ({"optional": True}, {}),
    ({"optional": True}, {"need": 1}),
]
"""Rules of a task that fails, and of the one behind it, which begins nevertheless."""


def _scenario(before: dict[str, Any], each: dict[str, Any]) -> NewScenario:
    rules = {"before": before, "each": {**each, "ask": True}}
    needs: dict[str, list[str]] = {"before": [], "each": ["before"]}
    return graph(needs, rules=rules, on_ready={"each": {"foreach": {"items": [1, 2]}}})


async def _fail(works: Works, *entries: TaskEntry) -> None:
    for entry in entries:
        await works.worker.report(entry, EventKind.FAILED, error='{"type":"Boom"}')
    await works.settle()


async def _succeed(works: Works, *entries: TaskEntry) -> None:
    for entry in entries:
        await works.worker.succeed(entry)
    await works.settle()


async def _task(works: Works, task_id: str) -> TaskRecord:
    task = await works.store.task(task_id)
    assert task is not None
    return task


async def _has_no_faults(works: Works) -> bool:
    return (await Fsck(works.store, settle_s=0, clock=Leaping()).run()).findings == []


async def _waits_for(works: Works, task_id: str) -> list[str]:
    found = await Why(works.store).task(task_id)
    assert found is not None
    [reason] = found.reasons
    return sorted(one["id"] for one in reason.facts["tasks"])


@pytest.mark.parametrize(("before", "each"), JOINS)
async def test_a_parent_that_fails_again_is_no_failed_child(
    link: RedisLink, before: dict[str, Any], each: dict[str, Any]
) -> None:
    """Its children were there when the task before it was retried: the end of that was counted as the end of a child."""
    works = await Works(link).open()
    scenario = _scenario(before, each)
    first, parent = scenario.task_ids
    scenario_id = await works.submit(scenario)
    await _fail(works, *await works.worker.take())
    children = await works.worker.take()
    assert len(children) == 2

    assert (await Revival(works.store).retry(scenario_id)).ids == [first]
    await works.settle()
    assert await _has_no_faults(works)
    assert await _waits_for(works, parent) == sorted(entry.task_id for entry in children)
    await _fail(works, *await works.worker.take())
    assert await _has_no_faults(works)
    await _succeed(works, *children)

    ended = await _task(works, parent)
    assert (ended.status, ended.error) == (Status.SUCCESS, None)


@pytest.mark.parametrize(("before", "each"), JOINS)
async def test_the_end_of_a_parent_does_not_stand_for_a_child(
    link: RedisLink, before: dict[str, Any], each: dict[str, Any]
) -> None:
    """All came back: with the task before it and one of two children the parent was over."""
    works = await Works(link).open()
    scenario = _scenario(before, each)
    first, parent = scenario.task_ids
    scenario_id = await works.submit(scenario)
    await _fail(works, *await works.worker.take())
    await _fail(works, *await works.worker.take())
    assert (await _task(works, parent)).status is Status.FAILED

    await Revival(works.store).retry(scenario_id)
    await works.settle()
    again = await works.worker.take()
    children = [entry for entry in again if entry.task_id != first]
    assert (len(again), len(children)) == (3, 2)
    await _succeed(works, *(entry for entry in again if entry.task_id == first), children[0])
    assert (await _task(works, parent)).status is Status.PENDING
    assert await _has_no_faults(works)
    await _succeed(works, children[1])

    assert (await _task(works, parent)).status is Status.SUCCESS


async def test_who_is_cancelled_takes_only_its_children_along(link: RedisLink) -> None:
    """It needed one of two tasks; it had children when it was cancelled, and the other of the two was cancelled with them."""
    works = await Works(link).open()
    needs: dict[str, list[str]] = {"one": [], "other": [], "each": ["one", "other"]}
    each = {"each": {"need": 1, "ask": True}}
    scenario = graph(needs, rules=each, on_ready={"each": {"foreach": {"items": [1, 2]}}})
    one, other, parent = scenario.task_ids
    await works.submit(scenario)
    running = {entry.task_id: entry for entry in await works.worker.take()}
    await _succeed(works, running[one])
    children = [entry.task_id for entry in await works.worker.take()]
    assert len(children) == 2

    assert await works.store.cancel_task(parent, Cause()) is Outcome.APPLIED
    await works.settle()

    assert [(await _task(works, child)).status for child in children] == [Status.CANCELLED] * 2
    assert (await _task(works, other)).status is Status.PENDING
    await _succeed(works, running[other])
    assert (await _task(works, other)).status is Status.SUCCESS
