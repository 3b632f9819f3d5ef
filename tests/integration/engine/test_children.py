"""Tasks that bring further tasks: one per item, those of a handler, scenarios within scenarios."""

from pathlib import Path
from typing import Any

from orchestrator.engine.decider import Decider
from orchestrator.store.records import Cause, NewScenario, TaskRecord
from orchestrator.store.store import Policy
from orchestrator.templates import Registry
from tests.integration.engine.test_joins import BAD, Story
from tests.support.engines import Running, running_engine
from tests.support.graphs import graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, dumps


async def named(engine: Running, scenario_id: str, name: str) -> list[TaskRecord]:
    """The tasks of a name."""
    record = await engine.store.scenario(scenario_id)
    assert record is not None
    return [task for task in await engine.store.tasks(record.task_ids) if task and task.name == name]


def for_each(count: int) -> NewScenario:
    """each item -> join."""
    on_ready = {"each": {"foreach": {"items": [{"n": n} for n in range(count)]}}}
    return graph({"each": [], "join": ["each"]}, rules={"each": {"ask": True}}, on_ready=on_ready)


async def test_one_child_per_item_and_the_join_waits_for_all(engine: Running, worker: PlainWorker) -> None:
    story = Story(engine, worker, for_each(130))  # more than two chunks

    assert await story.end({}) is Status.SUCCESS
    assert story.ran == ["each"] * 130 + ["join"]
    each = await named(engine, story.scenario.scenario_id, "each")
    assert [task.result for task in each] == [[1] * 130, *[1] * 130]
    assert sorted(task.fields["index"] for task in each[1:]) == list(range(1, 131))
    record = await engine.store.scenario(story.scenario.scenario_id)
    assert record and record.total == record.counts[Status.SUCCESS] == 132 == len(record.task_ids)


async def test_an_empty_list_is_done_at_once(engine: Running, worker: PlainWorker) -> None:
    story = Story(engine, worker, for_each(0))

    assert await story.end({}) is Status.SUCCESS
    assert story.ran == ["join"]


async def test_a_child_that_fails_fails_the_whole_when_all_have_ended(
    engine: Running, worker: PlainWorker
) -> None:
    story = Story(engine, worker, for_each(3))

    assert await story.end({"each": BAD}) is Status.FAILED
    assert story.ran == ["each"] * 3
    group = (await named(engine, story.scenario.scenario_id, "each"))[0]
    assert (group.status, group.error["type"]) == (Status.FAILED, "child_failed")
    assert await story.status("join") == (Status.SKIPPED, "upstream_failed")


async def test_looking_twice_and_after_a_crash_between_chunks_makes_no_child_twice(
    link: RedisLink, redis_url: str, worker: PlainWorker
) -> None:
    async with running_engine(redis_url, Policy(lease_ms=3_000, chunk=10)) as engine:
        scenario = for_each(25)
        await engine.store.submit(scenario)

        async def made() -> bool:
            record = await engine.store.scenario(scenario.scenario_id)
            return record is not None and record.total == 27

        await wait_until(made, what="the children")
        decider = Decider(engine.store)
        for _ in range(2):
            assert await decider.look(engine.store.partitions[0], scenario.tasks[-1].id) == []
        assert await made()
        assert await link.execute("XLEN", "queue:test-service") == 25
        for entry in await worker.take():
            await worker.succeed(entry)


async def test_a_handler_brings_further_tasks(engine: Running, worker: PlainWorker) -> None:
    scenario = graph({"first": [], "last": ["first"]})
    await engine.store.submit(scenario)
    more = [
        {"key": "x", "service": "test-service", "name": "x", "needs": [], "fields": {"prompt": "p", "n": 1}},
        {"key": "y", "service": "test-service", "name": "y", "needs": ["x"], "fields": {}},
    ]
    ran: list[str] = []

    async def step() -> bool:
        for entry in await worker.take():
            ran.append(entry.name)
            extra = {"spawn": dumps(more).decode()} if entry.name == "first" else {}
            await worker.report(entry, EventKind.SUCCESS, result='"own"', **extra)
        record = await engine.store.scenario(scenario.scenario_id)
        return record is not None and record.status.is_final

    await wait_until(step, what="the end")

    assert ran == ["first", "x", "y", "last"]
    (first,) = await named(engine, scenario.scenario_id, "first")
    assert (first.status, first.result) == (Status.SUCCESS, "own")
    assert (await named(engine, scenario.scenario_id, "x"))[0].fields == {"prompt": "p", "n": 1}


OUTER: dict[str, Any] = {
    "rules": {"sub": {"ask": True}},
    "on_ready": {"sub": {"scenario": {"name": "Inner", "variables": {"N": 3}}}},
}


def inner(folder: Path) -> Registry:
    (folder / "Inner.yml").write_text(
        "variables: {N: 1}\ntasks:\n  - name: Work\n    service: test-service\n    count: {{ N }}\n"
        "  - name: Sum\n    service: test-service\n    needs: [Work]\n"
    )
    return Registry([folder])


async def test_a_scenario_within_a_scenario(tmp_path: Path, redis_url: str, worker: PlainWorker) -> None:
    async with running_engine(redis_url, templates=inner(tmp_path)) as engine:
        story = Story(engine, worker, graph({"sub": [], "after": ["sub"]}, **OUTER))

        assert await story.end({}) is Status.SUCCESS
        assert story.ran == ["Work", "Work", "Work", "Sum", "after"]
        (sub,) = await named(engine, story.scenario.scenario_id, "sub")
        assert sub.result == {"scenario_id": sub.child_scenario_id, "results": {"Sum": 1}}


async def test_a_failed_scenario_within_fails_its_task(
    tmp_path: Path, redis_url: str, worker: PlainWorker
) -> None:
    async with running_engine(redis_url, templates=inner(tmp_path)) as engine:
        story = Story(engine, worker, graph({"sub": [], "after": ["sub"]}, **OUTER))

        assert await story.end({"Sum": BAD}) is Status.FAILED
        assert await story.status("sub") == (Status.FAILED, "scenario_failed")


async def test_a_cancelled_scenario_takes_those_within_with_it(
    tmp_path: Path, redis_url: str, worker: PlainWorker
) -> None:
    async with running_engine(redis_url, templates=inner(tmp_path)) as engine:
        scenario = graph({"sub": []}, **OUTER)
        await engine.store.submit(scenario)

        async def begun() -> bool:
            return len(await worker.take()) == 3

        await wait_until(begun, what="the work within")
        await engine.store.cancel_task(scenario.tasks[0].id, Cause())
        (sub,) = await named(engine, scenario.scenario_id, "sub")

        assert (await engine.finished(sub.child_scenario_id)).status is Status.CANCELLED
        assert (await engine.finished(scenario.scenario_id)).status is Status.CANCELLED


async def test_a_template_that_starts_itself_comes_to_an_end(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "Inner.yml").write_text("tasks:\n  - name: Again\n    scenario: Inner\n")
    async with running_engine(redis_url, templates=Registry([tmp_path])) as engine:
        scenario = graph({"sub": []}, **OUTER)
        await engine.store.submit(scenario)

        assert (await engine.finished(scenario.scenario_id)).status is Status.FAILED
