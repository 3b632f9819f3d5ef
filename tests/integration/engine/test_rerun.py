"""Rerun: a new scenario that does a part of another one anew and copies the rest."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.store.edits import Edits
from orchestrator.store.records import NewScenario, RetryPolicy, TaskRecord
from orchestrator.store.rerun import CannotRerun, Rerun
from tests.support.engines import Running
from tests.support.graphs import diamond, graph
from tests.support.plain_worker import PlainWorker
from tests.support.play import Play
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status, TaskEntry


async def ended(engine: Running, worker: PlainWorker, scenario: NewScenario, **failures: int) -> Play:
    """A scenario that was worked off."""
    await engine.store.submit(scenario)
    game = Play(engine, worker, scenario, failures)
    await game.end()
    return game


async def rerun(game: Play, start: str, edits: Edits | None = None) -> Play:
    """Begin a rerun."""
    new_id = scenario_id_from(secrets.token_bytes(16))
    new = await Rerun(game.engine.store).of(await game.record(), start, new_id, edits or Edits())
    await game.engine.store.submit(new)
    return Play(game.engine, game.worker, new)


async def tasks_of(game: Play) -> dict[str, TaskRecord]:
    tasks = await game.engine.store.tasks((await game.record()).task_ids)
    return {task.name: task for task in tasks if task}


async def test_what_depends_on_the_task_runs_anew_and_the_rest_is_copied(
    engine: Running, worker: PlainWorker
) -> None:
    needs = {"text": [], "voice": ["text"], "slide": ["text"], "video": ["voice", "slide"]}
    old = await ended(engine, worker, graph(needs))
    before = await tasks_of(old)
    new = await rerun(old, "voice", Edits(params={"voice": "ben"}))

    assert await new.end() is Status.SUCCESS
    assert new.seen == ["voice", "video"]
    tasks = await tasks_of(new)
    assert tasks["voice"].fields == {"prompt": "voice", "params": {"voice": "ben"}}
    assert [tasks[name].attempt for name in needs] == [0, 1, 0, 1]
    assert tasks["text"].finished_at == before["text"].finished_at
    assert await tasks_of(old) == before
    record = await new.record()
    assert record.origin == {"scenario_id": old.scenario.scenario_id, "task_id": old.ids["voice"]}
    assert record.counts[Status.SUCCESS] == record.total == 4
    assert (await old.record()).reruns == [record.scenario_id]


async def test_what_had_failed_elsewhere_runs_too(engine: Running, worker: PlainWorker) -> None:
    old = await ended(engine, worker, graph({"a": [], "b": ["a"], "x": [], "y": ["x"]}), x=1)
    new = await rerun(old, "b")

    assert await new.end() is Status.SUCCESS
    assert sorted(new.seen) == ["b", "x", "y"]


async def test_what_runs_elsewhere_forbids_it(engine: Running, worker: PlainWorker) -> None:
    scenario = graph({"a": [], "b": [], "c": ["b"]})
    await engine.store.submit(scenario)
    game = Play(engine, worker, scenario)
    entries: dict[str, TaskEntry] = {}
    while len(entries) < 2:
        entries |= {entry.name: entry for entry in await worker.take()}
    await worker.succeed(entries["b"])
    await wait_until(lambda: _is_done(game, "b"), what="its end")
    with pytest.raises(CannotRerun) as refused:
        await rerun(game, "c")
    assert refused.value.word == "not_final"
    assert (await game.record()).reruns == []


async def _is_done(game: Play, name: str) -> bool:
    return (await game.statuses()).get(name) == "success"


@pytest.mark.parametrize(("start", "word"), [("nobody", "unknown_task"), ("0" * 16, "unknown_task")])
async def test_a_start_that_is_not_there(engine: Running, worker: PlainWorker, start: str, word: str) -> None:
    old = await ended(engine, worker, graph({"a": []}))
    with pytest.raises(CannotRerun) as refused:
        await rerun(old, start)
    assert refused.value.word == word


async def test_references_and_results_name_the_copies(engine: Running, worker: PlainWorker) -> None:
    scenario = graph({"a": [], "b": ["a"]})
    first, second = scenario.task_ids
    fields: dict[str, Any] = {
        "text_task_id": first,
        "all": [first],
        "params": {"deep": {"id": first}},
        "prompt": f"x {first}",
    }
    tasks = [
        type(task)(
            task.id,
            task.service,
            task.name,
            task.queue,
            task.consumers,
            fields if task.id == second else task.fields,
        )
        for task in scenario.tasks
    ]
    old = await ended(
        engine, worker, type(scenario)(scenario.scenario_id, "G", "1", {}, "h", scenario.task_ids, tasks)
    )
    new = await rerun(old, "b")
    await new.end()

    found = await tasks_of(new)
    copy = found["a"].id
    assert found["b"].fields == {
        "text_task_id": copy, "all": [copy], "params": {"deep": {"id": copy}}, "prompt": f"x {first}",
    }  # fmt: skip


async def test_a_join_that_was_met_by_copies_starts_at_once(engine: Running, worker: PlainWorker) -> None:
    needs = {"a": [], "b": [], "c": [], "two": ["a", "b", "c"], "after": ["two"]}
    old = await ended(engine, worker, graph(needs, rules={"two": {"need": 2}}))
    new = await rerun(old, "c")
    assert await new.end() is Status.SUCCESS
    assert sorted(new.seen) == ["after", "c", "two"]

    strict = await ended(engine, worker, graph(needs, rules={"two": {"need": 3}}))
    new = await rerun(strict, "c")
    assert await new.end() is Status.SUCCESS
    assert new.seen == ["c", "two", "after"]


async def test_children_come_with_their_task_or_are_made_anew(engine: Running, worker: PlainWorker) -> None:
    on_ready = {"each": {"foreach": {"items": [{"n": n} for n in range(3)]}}}
    needs = {"list": [], "each": ["list"], "join": ["each"]}
    old = await ended(engine, worker, graph(needs, rules={"each": {"ask": True}}, on_ready=on_ready))
    assert (await old.record()).total == 6

    with_copies = await rerun(old, "join")
    assert await with_copies.end() is Status.SUCCESS
    assert with_copies.seen == ["join"]
    assert (await with_copies.record()).counts[Status.SUCCESS] == 6

    anew = await rerun(old, "list")
    assert await anew.end() is Status.SUCCESS
    assert anew.seen == ["list", "each", "each", "each", "join"]
    assert (await anew.record()).total == 6
    child = next(task for task in await engine.store.tasks((await old.record()).task_ids[3:]) if task)
    with pytest.raises(CannotRerun, match="added by another"):
        await rerun(old, child.id)


async def test_what_was_copied_runs_anew_in_a_rerun_of_the_rerun(
    engine: Running, worker: PlainWorker
) -> None:
    """The copy had forgotten how it is done, and its children no longer were its own."""
    on_ready = {"each": {"foreach": {"items": [{"n": n} for n in range(3)]}}}
    needs = {"list": [], "each": ["list"], "join": ["each"]}
    plain = graph(needs, rules={"each": {"ask": True}}, on_ready=on_ready)
    policy = RetryPolicy(max_attempts=2, delay_ms=0)
    scenario = replace(plain, tasks=[replace(task, policy=policy) for task in plain.tasks])
    first = await rerun(await ended(engine, worker, scenario), "join")
    assert await first.end() is Status.SUCCESS

    second = await rerun(first, "list")
    second.failures["list"] = 1
    assert await second.end() is Status.SUCCESS
    assert second.seen == ["list", "list", "each", "each", "each", "join"]
    assert (await second.record()).total == 6


async def test_what_was_undone_is_done_anew(engine: Running, worker: PlainWorker) -> None:
    """The booking was taken back when the trip failed: a copy of it would stand for nothing."""
    needs = {"book": [], "pay": ["book"], "unbook": ["pay", "book"]}
    rules = {"unbook": {"ask": True, "finally": True, "all_done": True}}
    scenario = graph(needs, rules=rules, on_ready={"unbook": {"compensates": "{book}"}})
    old = await ended(engine, worker, scenario, pay=1)
    assert (await old.statuses()) == {"book": "success", "pay": "failed", "unbook": "success"}
    assert (await old.revival.retry(old.scenario.scenario_id)).word == "UNDONE"
    assert await old.letters.redrive_one(old.ids["pay"]) == "UNDONE"

    new = await rerun(old, "pay")
    assert await new.end() is Status.SUCCESS
    assert new.seen == ["book", "pay"]


async def test_reruns_are_remembered_as_long_as_they_are_there(engine: Running, worker: PlainWorker) -> None:
    old = await ended(engine, worker, graph({"a": []}))
    record = await old.record()
    link = engine.store.link
    ids = [record.scenario_id[:2] + scenario_id_from(bytes([number] * 10))[2:] for number in range(101)]
    for new_id in ids[:100]:
        await Rerun(engine.store).of(record, "a", new_id, Edits())
        await link.execute("HSET", f"scenario:{new_id}", "status", "success")
    assert (await old.record()).reruns == ids[:100]
    with pytest.raises(CannotRerun, match="100 reruns"):
        await Rerun(engine.store).of(record, "a", ids[100], Edits())

    await link.execute("DEL", *[f"scenario:{new_id}" for new_id in ids[1:100]])
    await Rerun(engine.store).of(record, "a", ids[100], Edits())
    assert (await old.record()).reruns == [ids[0], ids[100]]
    await link.execute("DEL", f"scenario:{ids[0]}")
    await engine.store.link.execute("HSET", f"scenario:{record.scenario_id}", "purged", 1)
    with pytest.raises(CannotRerun, match="removed"):
        await Rerun(engine.store).of(record, "a", ids[0], Edits())


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, int], str]:
    size = draw(st.integers(1, 8))
    names = [f"t{i}" for i in range(size)]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:i]), unique=True, max_size=4)) if i else []
        for i, name in enumerate(names)
    }
    return needs, {name: draw(st.integers(0, 1)) for name in names}, draw(st.sampled_from(names))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=graphs())
async def test_of_any_graph_exactly_the_rest_runs_in_order(
    engine: Running, worker: PlainWorker, story: tuple[dict[str, list[str]], dict[str, int], str]
) -> None:
    needs, failures, start = story
    old = await ended(engine, worker, graph(needs), **failures)
    new = await rerun(old, start)

    assert await new.end() is Status.SUCCESS
    good = {name for name, status in (await old.statuses()).items() if status == "success"}
    rest = set(needs) - (good - downstream(needs, start))
    assert sorted(new.seen) == sorted(rest)
    assert all(set(needs[name]) & rest <= set(new.seen[:at]) for at, name in enumerate(new.seen))
    assert (await new.record()).counts[Status.SUCCESS] == len(needs)


def downstream(needs: Mapping[str, Sequence[str]], start: str) -> set[str]:
    """The task and all that depends on it."""
    found = {start}
    for name, parents in needs.items():
        if found & set(parents):
            found.add(name)
    return found


async def test_a_large_scenario_is_rerun_in_chunks(engine: Running, worker: PlainWorker) -> None:
    old = await ended(engine, worker, graph(diamond(200)))
    new = await rerun(old, "m7")
    assert await new.end() is Status.SUCCESS
    assert new.seen == ["m7", "last"]
