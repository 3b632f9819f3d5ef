"""What is asked twice, comes late, or is cut in the middle, driven step by step: no engine runs beside these tests."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator.engine.decider import Decider
from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import NewScenario
from tests.support.bench import Bench
from tests.support.graphs import graph
from tests.support.scripts import CLOCK, START_MS
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent, dumps

GOOD, BAD = EventKind.SUCCESS, EventKind.FAILED
LAST: Final = {"finally": 0, "all_done": True}
SUB: Final[dict[str, Any]] = {
    "rules": {"sub": {"ask": True}},
    "on_ready": {"sub": {"scenario": {"name": "Inner"}}},
    "service": "orchestrator",
}
DEEP = "[" * 254 + "]" * 254
"""The deepest result that a worker may report."""


def each(items: int, **rules: Any) -> dict[str, Any]:
    """Rules and `on_ready` of `each`, a task with children."""
    foreach = {"foreach": {"items": list(range(items))}}
    return {"rules": {"each": {"ask": True, **rules}}, "on_ready": {"each": foreach}}


def spawned(*needs: tuple[str, list[str]], service: str = "test-service", fields: int = 0) -> str:
    """The field `spawn` of a report."""
    given = {f"f{n}": "" for n in range(fields)}
    some = [{"key": k, "service": service, "name": k, "needs": n, "fields": given} for k, n in needs]
    return dumps(some).decode()


# --- children ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [GOOD, BAD])
async def test_parents_that_a_join_need_not_wait_for_are_no_children(
    link: RedisLink, first: EventKind
) -> None:
    terms = each(2, need=1)
    terms["rules"] |= {"a": {"tolerated": True}, "b": {"tolerated": True}, "c": {"tolerated": True}}
    bench = await Bench(link, graph({"a": [], "b": [], "c": [], "each": ["a", "b", "c"]}, **terms)).open()
    taken = await bench.takes()
    await bench.ends(taken["a"], first)
    await bench.ends(taken["b"])
    assert (await bench.task("each")).queue == 2

    await bench.ends(taken["c"], BAD)

    assert (await bench.task("each")).queue == 2
    await bench.works()
    assert (await bench.task("each")).status is Status.SUCCESS


async def test_children_are_made_while_the_scenario_is_still_being_written(link: RedisLink) -> None:
    bench = await Bench(link, graph({"x": [], "y": [], "each": []}, **each(2)), chunk=1).submitted()
    bench.between("materialize", 2, bench.settle)

    await bench.materializer.step()

    assert await bench.works() is Status.SUCCESS
    assert await link.execute("XLEN", "scenarios") == 0


async def test_a_replica_with_chunks_of_another_size_goes_on_with_children(link: RedisLink) -> None:
    bench = Bench(link, graph({"each": []}, **each(7)), chunk=4)

    async def other_size() -> None:
        bench.store.policy = replace(bench.store.policy, chunk=3)
        await Decider(bench.store).look(bench.at, bench.ids["each"])

    bench.between("spawn", 2, other_size)
    await bench.open()

    assert await link.execute("XLEN", "queue:test-service") == 7
    assert await bench.works() is Status.SUCCESS


async def test_results_that_are_too_deep_together_are_given_by_their_ids(link: RedisLink) -> None:
    bench = await Bench(link, graph({"each": []}, **each(1))).open()
    (entry,) = (await bench.takes()).values()

    await bench.ends(entry, result=DEEP)

    assert (await bench.task("each")).result == {"inline": False, "task_ids": [entry.task_id]}


@pytest.mark.parametrize("spawn", ["", "[]"])
async def test_an_empty_spawn_does_not_end_the_engine(link: RedisLink, spawn: str) -> None:
    bench = await Bench(link, graph({"a": []})).open()

    await bench.ends((await bench.takes())["a"], spawn=spawn)

    assert await bench.status() is (Status.FAILED if spawn else Status.SUCCESS)


async def test_a_task_that_spawns_what_cannot_be_stored_fails(link: RedisLink) -> None:
    bench = await Bench(link, graph({"a": []})).open()

    await bench.ends((await bench.takes())["a"], spawn=spawned(("x", []), fields=3_000))

    assert (await bench.task("a")).error["type"] == "too_large"


async def test_no_task_is_spawned_that_nobody_would_do(link: RedisLink) -> None:
    bench = await Bench(link, graph({"a": []})).open()

    await bench.ends((await bench.takes())["a"], spawn=spawned(("x", []), service="orchestrator"))

    assert await link.execute("EXISTS", "queue:orchestrator") == 0
    assert await link.execute("XLEN", "quarantine") == 1


async def test_when_redis_is_full_the_reports_that_make_room_are_still_applied(link: RedisLink) -> None:
    bench = await Bench(link, graph({"a": [], "b": []})).open()
    taken = await bench.takes()
    await bench.worker.report(taken["a"], GOOD, spawn=spawned(("x", [])))
    try:
        await link.execute("CONFIG", "SET", "maxmemory", 1)
        await bench.advancer.step()
        await link.execute("CONFIG", "SET", "maxmemory", 0)
        await bench.worker.succeed(taken["b"])
        await link.execute("CONFIG", "SET", "maxmemory", 1)
        await bench.advancer.step()
    finally:
        await link.execute("CONFIG", "SET", "maxmemory", 0)

    assert (await bench.task("b")).status is Status.SUCCESS


# --- `finally` and cancellation ---------------------------------------------------------------------------------------


def at_end(needs: dict[str, list[str]], *last: str, **more: Any) -> NewScenario:
    return graph(needs, rules={name: {**LAST, **more.get(name, {})} for name in last})


async def test_a_last_task_has_children_also_after_a_cancellation(link: RedisLink) -> None:
    bench = await Bench(link, graph({"a": [], "each": ["a"]}, **each(3, **LAST)), chunk=2).open()

    await bench.cancels()
    await bench.settle()

    assert await bench.works() is Status.CANCELLED
    assert (await bench.task("each")).result == [1, 1, 1]


async def test_a_last_task_spawns_also_after_a_cancellation(link: RedisLink) -> None:
    bench = await Bench(link, at_end({"a": [], "last": ["a"]}, "last")).open()
    await bench.cancels()
    await bench.settle()

    await bench.ends((await bench.takes())["last"], spawn=spawned(("x", []), ("y", ["x"])))

    assert await bench.works() is Status.CANCELLED
    assert (await bench.task("last")).status is Status.SUCCESS


@pytest.mark.parametrize("chunk", [2, 64])
async def test_a_cancellation_does_not_take_a_last_task_for_done_while_its_children_run(
    link: RedisLink, chunk: int
) -> None:
    bench = await Bench(link, graph({"a": [], "each": ["a"]}, **each(5, **LAST)), chunk=chunk).open()
    if chunk == 2:
        bench.between("spawn", 2, bench.cancels)
    await bench.ends((await bench.takes())["a"])
    await bench.cancels()
    await bench.settle()

    assert (await bench.task("each")).queue == 5
    await bench.works()
    assert (await bench.task("each")).result == [1] * 5


async def test_a_last_task_does_not_wait_for_one_that_was_never_written(link: RedisLink) -> None:
    scenario = at_end({"a": [], "f1": ["a"], "f2": ["f1"], "f3": ["f2"]}, "f1", "f2", "f3")
    bench = await Bench(link, scenario, chunk=2).submitted()
    bench.between("materialize", 2, bench.cancels)

    await bench.materializer.step()
    await bench.settle()

    assert await bench.works() is Status.CANCELLED


async def test_what_is_released_late_does_not_count_for_a_last_task_after_a_cancellation(
    link: RedisLink,
) -> None:
    """The end of `a` has come to `f1` but not to `f2` yet, which waits for `f1` too."""
    scenario = at_end({"a": [], "m": [], "f1": ["a"], "f2": ["a", "m", "f1"]}, "f1", "f2")
    bench = await Bench(link, scenario).open()
    taken = await bench.takes()
    bench.store.policy = replace(bench.store.policy, chunk=1)
    for name in ("a", "m"):
        await bench.store.advance(bench.at, [TaskEvent(bench.ids[name], GOOD, taken[name].token)])

    await bench.cancels()
    await bench.settle()

    assert (await bench.task("f2")).queue == 1
    assert await bench.works() is Status.CANCELLED


# --- scenarios within scenarios ---------------------------------------------------------------------------------------


async def test_a_scenario_whose_task_ended_while_it_was_started_does_not_begin(
    link: RedisLink, inner: Path
) -> None:
    bench = Bench(link, graph({"sub": []}, **SUB), templates=inner)
    bench.between("submit", 2, bench.cancels)

    await bench.open()

    assert await bench.child("sub") is None


async def test_a_scenario_within_is_cancelled_when_the_time_of_its_task_is_over(
    link: RedisLink, inner: Path
) -> None:
    terms: dict[str, Any] = {**SUB, "rules": {"sub": {"ask": True, "timeouts": {"run_ms": 5_000}}}}
    bench = await Bench(link, graph({"sub": []}, **terms), templates=inner).open()

    await bench.passes(5_000)
    await bench.passes(0)

    assert (await bench.task("sub")).error["type"] == "run_timeout"
    assert (await bench.child("sub")).status is Status.CANCELLED


async def test_a_scenario_within_stays_until_its_task_has_looked_at_its_end(
    link: RedisLink, inner: Path
) -> None:
    bench = await Bench(link, graph({"sub": []}, **SUB), templates=inner).open()
    await bench.materializer.step()
    child, work = await bench.child("sub"), (await bench.takes())["Work"]
    await bench.store.advance(bench.at, [TaskEvent(work.task_id, GOOD, work.token, {"result": DEEP})])
    await link.execute("SET", CLOCK, START_MS + 8 * 86_400_000)

    assert await bench.store.begin_purge(bench.at, child.scenario_id) == "NEEDED"
    await bench.settle()
    assert (await bench.task("sub")).result == {"scenario_id": child.scenario_id, "inline": False}


# --- asked twice, or too early ----------------------------------------------------------------------------------------


async def test_a_task_that_is_not_decided_yet_cannot_be_ended_over_http(link: RedisLink) -> None:
    terms: dict[str, Any] = {
        "rules": {"a": {"ask": True}},
        "on_ready": {"a": {"delay_ms": 60_000, "gate": {}}},
    }
    bench = await Bench(link, graph({"a": []}, service="orchestrator", **terms)).open()

    assert await bench.store.report(TaskEvent(bench.ids["a"], GOOD)) is Outcome.NOT_READY


@pytest.mark.parametrize("more", [{}, {"gate": {"title": "t"}}])
async def test_a_second_look_does_not_shorten_a_delay(link: RedisLink, more: dict[str, Any]) -> None:
    terms: dict[str, Any] = {"rules": {"a": {"ask": True}}, "on_ready": {"a": {"delay_ms": 60_000, **more}}}
    bench = await Bench(link, graph({"a": []}, **terms)).open()

    await link.execute("XADD", "task-events", "*", "task_id", bench.ids["a"], "status", "look")
    await bench.settle()

    assert (await bench.task("a")).attempt == 0
    await bench.passes(60_000)
    assert (await bench.task("a")).attempt == 1


async def test_a_skip_has_the_same_cause_when_its_release_was_cut(link: RedisLink) -> None:
    bench = await Bench(link, graph({"a": [], "b": ["a"], "c": ["b"]}), chunk=1).open()

    await bench.ends((await bench.takes())["a"], BAD)

    assert (await bench.task("c")).error["type"] == "upstream_failed"


async def test_a_scenario_ends_whose_copies_are_written_last(link: RedisLink) -> None:
    base = graph({"a": [], "b": ["a"], "z": []})
    tasks = [t if t.name == "z" else replace(t, queue=0, rules={"copied": True}) for t in base.tasks]
    bench = await Bench(link, replace(base, tasks=tasks), chunk=1).submitted()

    async def z_ends() -> None:
        await bench.ends((await bench.takes())["z"])

    bench.between("materialize", 3, z_ends)
    await bench.materializer.step()

    assert await bench.status() is Status.SUCCESS


async def test_the_time_in_the_queue_begins_anew_when_the_worker_is_lost(link: RedisLink) -> None:
    bench = await Bench(link, graph({"a": []}, rules={"a": {"timeouts": {"queue_ms": 30_000}}})).open()
    entry = (await bench.takes())["a"]
    await bench.store.advance(bench.at, [TaskEvent(entry.task_id, EventKind.PROCESSING, entry.token)])
    await bench.passes(30_000)
    bench.store.policy = replace(bench.store.policy, lease_ms=0)
    assert await bench.store.sweep(bench.at, "test-service") == [("AGAIN", entry.task_id, entry.scenario_id)]

    await bench.passes(30_000)

    assert (await bench.task("a")).error["type"] == "queue_timeout"
