"""Lost answers, outages, deleted groups, garbage: everything is done, and reported once."""

import asyncio
from typing import Any

import pytest

from tests.support.wait import wait_until
from workers_sdk import Context, Worker
from workers_sdk.protocol.keys import GROUP_WORKERS, Partitions
from workers_sdk.protocol.messages import fields_of

from .support import SERVICE, Desk, Faulty, result_of


@pytest.mark.parametrize("lose", ["-- finish: ", "-- claim: ", "XREADGROUP"])
async def test_a_lost_answer_repeats_nothing_and_loses_nothing(desk: Desk, lose: str) -> None:
    faults = Faulty(lose)
    worker = desk.worker(connect=faults.connect)
    runs: list[str] = []

    @worker.task("CreateText")
    async def create_text(ctx: Context) -> int:
        runs.append(ctx.task_id)
        await desk.processing(ctx.task_id)
        return ctx.attempt

    first = await desk.put("CreateText")
    async with worker.running():
        await desk.ends(1)
        second = await desk.put("CreateText")
        ends = await desk.ends(2)
    assert faults.lost == 1
    assert runs == [first, second]
    assert [result_of(event) for event in ends] == [1, 1]
    assert await desk.left() == (0, 0, 0)


async def test_what_is_finished_during_an_outage_is_reported_after_it(desk: Desk) -> None:
    faults = Faulty()
    worker = desk.worker(connect=faults.connect)
    go_on = asyncio.Event()

    @worker.task("CreateText")
    async def create_text(ctx: Context) -> str:
        await go_on.wait()
        return "done"

    task_id = await desk.put("CreateText")
    async with worker.running():
        await desk.processing(task_id)
        faults.down = True
        go_on.set()
        await wait_until(lambda: faults.refused > 10, what="some tries without success")
        assert await desk.events() == []
        faults.down = False
        assert result_of(await desk.end()) == "done"


async def test_garbage_in_a_queue_is_set_aside_and_stops_nothing(desk: Desk) -> None:
    worker = desk.worker()
    worker.task("CreateText")(lambda: "done")
    stream = desk.partitions[0].queue(SERVICE)
    complete = {"scenario_id": "0" * 16, "name": "x", "attempt": "1", "token": "1.x.1"}
    entries: list[dict[Any, Any]] = [
        {"nothing": "of use"},
        {"id": b"\xff\xfe", **complete},
        {"id": "../../etc/passwd", **complete},
        {"id": "0" * 16, **complete, "attempt": "many"},
        {b"\xff": "1"},
    ]
    for fields in entries:
        await desk.link.execute("XADD", stream, "*", *(part for pair in fields.items() for part in pair))
    await desk.put("CreateText")
    async with worker.running():
        assert result_of(await desk.end()) == "done"

        async def all_aside() -> bool:
            return bool(await desk.link.execute("XLEN", desk.partitions[0].quarantine) == 5)

        await wait_until(all_aside, what="five entries in quarantine")
    assert await desk.left() == (0, 0, 0)
    aside = await desk.link.execute("XRANGE", desk.partitions[0].quarantine, "-", "+")
    assert {fields_of(fields)["stream"] for _, fields in aside} == {stream.encode()}
    assert all(fields_of(fields)["reason"] for _, fields in aside)


@pytest.mark.parametrize("text", [b"{not JSON", b"\xff"])
async def test_a_task_whose_fields_cannot_be_read_fails(desk: Desk, text: bytes) -> None:
    """Set aside, it would never end."""
    worker = desk.worker()
    worker.task("CreateText")(lambda ctx: ctx.params)
    stream = desk.at(await desk.put("CreateText", params={})).queue(SERVICE)
    [[entry_id, flat]] = await desk.link.execute("XRANGE", stream, "-", "+")
    flat[flat.index(b"params") + 1] = text
    await desk.link.execute("XDEL", stream, entry_id)
    await desk.link.execute("XADD", stream, "*", *flat)
    async with worker.running():
        assert '"malformed_entry"' in (await desk.end()).fields["error"]
    assert await desk.left() == (0, 0, 0)


async def test_a_task_key_of_another_kind_is_set_aside_and_stops_nothing(desk: Desk) -> None:
    strange = await desk.put("CreateText")
    await desk.link.execute("SET", desk.at(strange).task(strange), "not a hash")
    ready = await desk.put("CreateText")
    worker, told = told_to_stop(desk, but=ready)
    async with worker.running():
        assert (await desk.end()).task_id == ready
        await wait_until(lambda: told == [strange], what="the handler to be told")
    assert await desk.link.execute("XLEN", desk.partitions[0].quarantine) == 1


@pytest.mark.parametrize("how", ["group", "stream"])
async def test_a_group_that_is_deleted_under_the_worker_is_made_again(desk: Desk, how: str) -> None:
    worker = desk.worker()
    go_on = asyncio.Event()
    runs: list[str] = []

    @worker.task("CreateText")
    async def create_text(ctx: Context) -> None:
        runs.append(ctx.task_id)
        await go_on.wait()

    stream = desk.partitions[0].queue(SERVICE)
    running = await desk.put("CreateText")
    async with worker.running():
        await desk.processing(running)
        await desk.link.execute(
            *(("XGROUP", "DESTROY", stream, GROUP_WORKERS) if how == "group" else ("DEL", stream))
        )
        later = await desk.put("CreateText")
        await desk.processing(later)
        go_on.set()
        # With its stream went the entry of the running task, so only the sweep of the server can bring that back.
        ends = {event.task_id for event in await desk.ends(2 if how == "group" else 1)}
    assert ends == ({running, later} if how == "group" else {later})
    assert runs == [running, later]


def told_to_stop(desk: Desk, *, but: str) -> tuple[Worker, list[str]]:
    """A worker whose handlers wait to be told to stop, and the list of those that were; that of `but` returns at once."""
    worker = desk.worker()
    told: list[str] = []

    @worker.task("CreateText")
    async def create_text(ctx: Context) -> None:
        if ctx.task_id != but:
            try:
                await ctx.cancelled.wait()
            finally:
                told.append(ctx.task_id)

    return worker, told


async def test_what_is_finished_superseded_or_unknown_is_stopped_and_reports_nothing(desk: Desk) -> None:
    """Only a foreign hand can bring such entries into a queue: our scripts remove an entry when its task changes hands."""
    finished, superseded, unknown, ready = [await desk.put("CreateText") for _ in range(4)]
    await desk.link.execute("HSET", desk.at(finished).task(finished), "status", "success")
    await desk.link.execute("HSET", desk.at(superseded).task(superseded), "token", "2.new.1")
    await desk.link.execute("DEL", desk.at(unknown).task(unknown))
    worker, told = told_to_stop(desk, but=ready)
    async with worker.running():
        assert (await desk.end()).task_id == ready
        await wait_until(lambda: set(told) == {finished, superseded, unknown}, what="all to be told")
    assert [event.task_id for event in await desk.events()] == [ready]
    assert await desk.left() == (0, 0, 0)


async def test_what_another_worker_runs_is_left_to_it(desk: Desk) -> None:
    theirs = await desk.put("CreateText")
    await desk.link.execute("HSET", desk.at(theirs).task(theirs), "status", "processing", "worker", "other")
    ours = await desk.put("CreateText")
    worker, told = told_to_stop(desk, but=ours)
    async with worker.running():
        assert (await desk.end()).task_id == ours
        await wait_until(lambda: told == [theirs], what="the handler to be told")
    assert (await desk.task(theirs))["worker"] == "other"


async def test_a_worker_serves_all_partitions(desk: Desk) -> None:
    desk = Desk(desk.link, desk.url, Partitions(3))
    await desk.agree()
    worker = desk.worker(concurrency=2)
    worker.task("CreateText")(lambda ctx: ctx.progress(1))
    ids = {await desk.put("CreateText") for _ in range(12)}
    assert len({desk.at(task_id) for task_id in ids}) > 1
    async with worker.running():
        assert {event.task_id for event in await desk.ends(12)} == ids
    assert await desk.left() == (0, 0, 0)
