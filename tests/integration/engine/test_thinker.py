"""Many questions at once: what is slow, refused or lost stops no other, and is asked again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.engine.advancer import Advancer
from orchestrator.engine.loop import Seams
from orchestrator.engine.reader import Entry, Reader
from tests.support.bench import Bench
from tests.support.graphs import graph
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink, Unavailable
from workers_sdk.protocol.messages import EventKind, Status, dumps


def spawned(name: str, service: str = "test-service") -> str:
    """The field `spawn` of a report."""
    return dumps([{"key": name, "service": service, "name": name, "needs": [], "fields": {}}]).decode()


async def reported(link: RedisLink, **spawns: str) -> Bench:
    """Tasks that all ended, told by one entry; what each brings with it."""
    bench = await Bench(link, graph({name: [] for name in spawns})).open()
    flat: list[str] = []
    for name, entry in (await bench.takes()).items():
        await link.execute("XACK", bench.at.queue("test-service"), "workers", entry.entry_id)
        flat += (
            "task_id",
            entry.task_id,
            "status",
            "success",
            "token",
            entry.token,
            "acked",
            "1",
            "result",
            "1",
        )
        flat += ("spawn", spawns[name]) if spawns[name] else ()
    await link.execute("XADD", bench.at.task_events, "*", *flat)
    return bench


def again(bench: Bench) -> None:
    """As after a step whose replies were lost: what this replica has in hand is read once more."""
    bench.advancer._reader._in_hand = True


async def has_child(bench: Bench, name: str) -> bool:
    return (await bench.task(name)).group is not None


@pytest.mark.parametrize(("bad", "good"), [("a", "b"), ("b", "a")])
async def test_a_refused_question_stops_no_other_of_its_entry(link: RedisLink, bad: str, good: str) -> None:
    spawns = {"a": spawned("x"), "b": spawned("y"), bad: spawned("z", "bad-service"), "c": ""}
    bench = await reported(link, **spawns)
    await link.execute("SET", "queue:bad-service", "no stream")

    await bench.advancer.step()

    assert not await has_child(bench, bad)
    assert await has_child(bench, good)
    assert (await bench.task("c")).status is Status.SUCCESS
    assert await link.execute("XLEN", bench.at.task_events) == 1
    await link.execute("DEL", "queue:bad-service")
    again(bench)
    await bench.advancer.step()
    assert await has_child(bench, bad)
    assert await link.execute("XLEN", bench.at.task_events) == 0


async def test_a_slow_question_does_not_stop_another_of_its_entry(link: RedisLink) -> None:
    bench = await reported(link, a=spawned("x"), b=spawned("y"))

    async def other() -> None:
        async def one_has() -> bool:
            return await has_child(bench, "a") or await has_child(bench, "b")

        await wait_until(one_has, what="the children of the other task")

    bench.between("spawn", 1, other)
    await bench.settle()

    assert await has_child(bench, "a")
    assert await has_child(bench, "b")


async def test_an_outage_is_told_after_all_that_could_be_decided(link: RedisLink) -> None:
    bench = await reported(link, a=spawned("x"), b=spawned("y"))

    async def lost() -> None:
        raise Unavailable("the connection is gone")

    bench.between("spawn", 1, lost)
    with pytest.raises(Unavailable), capture_logs() as lines:
        await bench.advancer.step()

    assert [line for line in lines if line["log_level"] == "error"] == []  # the loop tells it, once
    assert await has_child(bench, "a") + await has_child(bench, "b") == 1
    await bench.advancer.step()
    assert await has_child(bench, "a")
    assert await has_child(bench, "b")
    assert await link.execute("XLEN", bench.at.task_events) == 0


async def test_one_look_is_enough_for_all_that_asked(link: RedisLink) -> None:
    terms: dict[str, Any] = {"rules": {"a": {"ask": True}}, "on_ready": {"a": {"set": []}}}
    bench = await Bench(link, graph({"a": []}, **terms)).submitted()
    await bench.materializer.step()
    for _ in range(3):
        await link.execute("XADD", bench.at.task_events, "*", "task_id", bench.ids["a"], "status", "look")
    looks = _counted(bench)

    await bench.advancer.step()

    assert looks() == 1
    assert await link.execute("XLEN", bench.at.task_events) == 0
    assert await bench.works() is Status.SUCCESS


def _counted(bench: Bench) -> Callable[[], int]:
    """How many looks there were."""
    decider, calls = bench.advancer._thinker._decider, 0
    look: Callable[..., Awaitable[Any]] = decider.look

    async def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return await look(*arguments)

    decider.look = counted  # type: ignore[method-assign, assignment]
    return lambda: calls


async def test_reports_of_others_are_applied_while_many_children_are_made(link: RedisLink) -> None:
    many = {"each": {"foreach": {"items": [1] * 500}}}
    rules = {"each": {"ask": True}}
    bench = await Bench(link, graph({"a": [], "each": []}, rules=rules, on_ready=many), chunk=1).submitted()
    await bench.materializer.step()
    await bench.materializer.step()
    entry = (await bench.takes())["a"]

    async def other() -> None:
        await bench.worker.report(entry, EventKind.SUCCESS)
        await wait_until(lambda: _has_ended(bench, "a"), what="the end of the other task")

    bench.between("spawn", 100, other)
    busy = Advancer(bench.store, Seams(link), bench.at, "r1", stop=asyncio.Event())
    await busy.step()

    group = (await bench.task("each")).group
    assert group is not None and group.written == group.total == 500


async def test_what_is_thought_about_for_long_is_not_asked_again_by_the_same_replica(link: RedisLink) -> None:
    many = {"each": {"foreach": {"items": [1] * 20}}}
    scenario = graph({"each": []}, rules={"each": {"ask": True}}, on_ready=many)
    bench = await Bench(link, scenario, chunk=1).submitted()
    await bench.materializer.step()
    bench.advancer = Advancer(bench.store, Seams(link), bench.at, "r1", stop=asyncio.Event())
    reader = bench.advancer._reader
    more, found = reader.more, list[int]()

    async def noted(count: int) -> list[Entry]:
        reader._stale_ms, reader._take_over_at = 0, 0.0  # all in hand looks as if its replica were dead
        entries = await more(count)
        found.append(len(entries))
        return entries

    reader.more = noted  # type: ignore[method-assign]
    bench.between("spawn", 10, lambda: wait_until(lambda: _is_in(1, found), what="the entry once more"))
    looks = _counted(bench)

    await bench.advancer.step()

    assert looks() == 1
    assert await link.execute("XLEN", bench.at.task_events) == 0


async def _is_in(one: int, found: list[int]) -> bool:
    return one in found


async def _has_ended(bench: Bench, name: str) -> bool:
    return (await bench.task(name)).status.is_final


async def test_all_that_a_failed_step_had_in_hand_is_read_again(link: RedisLink) -> None:
    reader = Reader(Seams(link), "task-events", "r1", stale_ms=60_000)
    await reader.read(1)
    for n in range(5):
        await link.execute("XADD", "task-events", "*", "n", n)
    first = await reader.read(2)
    more = await reader.more(2)

    again = [await reader.read(3)]  # the step before was not done
    reader.done()
    again.append(await reader.read(3))
    reader.done()

    assert [len(entries) for entries in (first, more, *again)] == [2, 2, 3, 1]
    assert again[0] + again[1] == first + more
    assert [entry.flat for entry in await reader.read(3)] == [[b"n", b"4"]]
