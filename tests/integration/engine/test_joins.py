"""What waits for what, beside "all have succeeded": joins, optional tasks, tasks that run in the end, compensation."""

from typing import Any

import pytest

from orchestrator.store.records import Cause, NewScenario
from tests.support.engines import Running
from tests.support.graphs import graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.messages import EventKind, Status

A, B, C = "a", "b", "c"
GOOD, BAD = EventKind.SUCCESS, EventKind.FAILED


class Story:
    """A scenario whose tasks end as they are told to."""

    def __init__(self, engine: Running, worker: PlainWorker, scenario: NewScenario) -> None:
        self.engine = engine
        self.worker = worker
        self.scenario = scenario
        self.ran: list[str] = []

    async def end(self, ends: dict[str, EventKind]) -> Status:
        """Report each task as `ends` says (success when it says nothing) until the scenario is final: its status."""
        await self.engine.store.submit(self.scenario)

        async def step() -> bool:
            for entry in await self.worker.take():
                self.ran.append(entry.name)
                kind = ends.get(entry.name, GOOD)
                more = {"error": '{"type":"Boom"}'} if kind is BAD else {"result": "1"}
                await self.worker.report(entry, kind, **more)
            record = await self.engine.store.scenario(self.scenario.scenario_id)
            return record is not None and record.status.is_final

        await wait_until(step, what="the end")
        record = await self.engine.store.scenario(self.scenario.scenario_id)
        assert record is not None
        assert record.counts[Status.PENDING] == record.counts[Status.PROCESSING] == 0
        return record.status

    async def status(self, name: str) -> tuple[Status, str]:
        """Status of a task, and the type of its error."""
        ids = {task.name: task.id for task in self.scenario.tasks}
        task = await self.engine.store.task(ids[name])
        assert task is not None
        return task.status, (task.error or {}).get("type", "")


@pytest.mark.parametrize(
    ("need", "ends", "status", "join"),
    [
        (1, {A: BAD, B: BAD}, Status.SUCCESS, (Status.SUCCESS, "")),
        (2, {A: BAD}, Status.SUCCESS, (Status.SUCCESS, "")),
        (2, {A: BAD, B: BAD}, Status.FAILED, (Status.FAILED, "join_not_met")),
        (3, {}, Status.SUCCESS, (Status.SUCCESS, "")),
    ],
)
async def test_a_join_that_needs_some(
    engine: Running,
    worker: PlainWorker,
    need: int,
    ends: dict[str, EventKind],
    status: Status,
    join: tuple[Status, str],
) -> None:
    rules: dict[str, Any] = {"join": {"need": need}, **{name: {"tolerated": True} for name in (A, B, C)}}
    story = Story(engine, worker, graph({A: [], B: [], C: [], "join": [A, B, C]}, rules=rules))

    assert await story.end(ends) is status
    assert await story.status("join") == join


async def test_a_join_of_chains_that_all_failed_fails(engine: Running, worker: PlainWorker) -> None:
    rules: dict[str, Any] = {"join": {"need": 1}, **{name: {"tolerated": True} for name in (A, B, C)}}
    story = Story(engine, worker, graph({A: [], B: [A], C: [], "join": [B, C]}, rules=rules))

    assert await story.end({A: BAD, C: BAD}) is Status.FAILED
    assert await story.status("join") == (Status.FAILED, "join_not_met")


async def test_a_join_that_needs_one_does_not_wait_for_the_others(
    engine: Running, worker: PlainWorker
) -> None:
    scenario = graph({A: [], B: [], "join": [A, B]}, rules={"join": {"need": 1}})
    await engine.store.submit(scenario)
    taken = {}

    async def both() -> bool:
        taken.update({entry.name: entry for entry in await worker.take()})
        return len(taken) == 2

    await wait_until(both, what="both")
    await worker.succeed(taken[B])

    async def joined() -> bool:
        return [entry.name for entry in await worker.take()] == ["join"]

    await wait_until(joined, what="the join")
    await worker.succeed(taken[A])


async def test_all_done_runs_after_failures_and_skips(engine: Running, worker: PlainWorker) -> None:
    needs: dict[str, list[str]] = {A: [], B: [A], C: [B], "last": [A, C]}
    story = Story(engine, worker, graph(needs, rules={"last": {"all_done": True}}))

    assert await story.end({A: BAD}) is Status.FAILED
    assert await story.status("last") == (Status.SUCCESS, "")
    assert await story.status(C) == (Status.SKIPPED, "upstream_failed")


async def test_the_failure_of_an_optional_task_counts_as_done(engine: Running, worker: PlainWorker) -> None:
    story = Story(engine, worker, graph({A: [], B: [A], C: [B]}, rules={A: {"optional": True}}))

    assert await story.end({A: BAD}) is Status.SUCCESS
    assert story.ran == [A, B, C]


async def test_another_failure_beside_a_tolerated_one_fails_the_scenario(
    engine: Running, worker: PlainWorker
) -> None:
    story = Story(engine, worker, graph({A: [], B: []}, rules={A: {"optional": True}}))

    assert await story.end({A: BAD, B: BAD}) is Status.FAILED
    record = await engine.store.scenario(story.scenario.scenario_id)
    assert record and record.error["task_id"] == next(t.id for t in story.scenario.tasks if t.name == B)


LAST: dict[str, Any] = {"rules": {"last": {"finally": 0, "all_done": True}}}


async def test_a_last_task_runs_after_a_failure(engine: Running, worker: PlainWorker) -> None:
    story = Story(engine, worker, graph({A: [], B: [A], "last": [B]}, **LAST))

    assert await story.end({A: BAD}) is Status.FAILED
    assert story.ran == [A, "last"]


async def test_a_last_task_runs_when_the_scenario_was_cancelled(engine: Running, worker: PlainWorker) -> None:
    rules = {"last": {"finally": 0, "all_done": True}, "very last": {"finally": 1, "all_done": True}}
    scenario = graph({A: [], B: [A], "last": [B], "very last": [B, "last"]}, rules=rules)
    story = Story(engine, worker, scenario)
    await engine.store.submit(scenario)

    async def taken() -> bool:
        return [entry.name for entry in await worker.take()] == [A]

    await wait_until(taken, what="the first task")
    await engine.store.cancel(scenario.scenario_id, Cause())

    assert await story.end({}) is Status.CANCELLED
    assert story.ran == ["last", "very last"]
    assert await story.status(B) == (Status.CANCELLED, "cancelled")


def saga() -> NewScenario:
    """Book, then pay, then ship; what was done is undone in reverse order."""
    needs = {
        "book": [], "pay": ["book"], "ship": ["pay"],
        "unpay": ["ship"], "unbook": ["ship", "unpay"],
    }  # fmt: skip
    undo = {"finally": 0, "all_done": True, "ask": True}
    rules = {"unpay": undo, "unbook": {**undo, "finally": 1}}
    on_ready = {"unpay": {"compensates": "{pay}"}, "unbook": {"compensates": "{book}"}}
    return graph(needs, rules=rules, on_ready=on_ready)


async def test_what_was_done_is_undone_in_reverse_order(engine: Running, worker: PlainWorker) -> None:
    story = Story(engine, worker, saga())

    assert await story.end({"ship": BAD}) is Status.FAILED
    assert story.ran == ["book", "pay", "ship", "unpay", "unbook"]


async def test_what_was_not_done_is_not_undone(engine: Running, worker: PlainWorker) -> None:
    story = Story(engine, worker, saga())

    assert await story.end({"pay": BAD}) is Status.FAILED
    assert story.ran == ["book", "pay", "unbook"]
    assert await story.status("unpay") == (Status.SKIPPED, "nothing_to_undo")


async def test_nothing_is_undone_after_a_success(engine: Running, worker: PlainWorker) -> None:
    story = Story(engine, worker, saga())

    assert await story.end({}) is Status.SUCCESS
    assert story.ran == ["book", "pay", "ship"]
