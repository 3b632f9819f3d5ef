"""What a worker says and hears while a handler works: signs of life, why to stop, large results, spawned tasks."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.wait import wait_until
from workers_sdk import Context
from workers_sdk.protocol.keys import short_uuid
from workers_sdk.protocol.spawn import decode_spawn, spawned_id

from .support import SERVICE, Desk, error_of, result_of

LARGE = "x" * 100_000


async def test_a_heartbeat_shows_that_a_task_lives_and_leaves_its_progress(desk: Desk) -> None:
    worker = desk.worker()
    beat, go_on = threading.Event(), threading.Event()

    @worker.task("CreateText")
    def create_text(ctx: Context) -> None:
        ctx.progress(40, "so far")
        beat.wait(20)
        while not go_on.is_set():
            ctx.heartbeat()
            go_on.wait(0.01)

    task_id = await desk.put("CreateText")

    async def said() -> dict[str, str]:
        task = await desk.task(task_id)
        return task if task.get("progress") else {}

    async with worker.running():
        before = await wait_until(said, what="the progress")
        beat.set()

        async def lives() -> bool:
            return bool((await said())["updated_at"] > before["updated_at"])

        await wait_until(lives, what="a sign of life")
        after = await said()
        go_on.set()
        await desk.end()
    assert (after["progress"], after["message"]) == ("40", "so far")


async def test_a_heartbeat_does_not_take_the_place_of_progress_that_was_not_sent_yet(desk: Desk) -> None:
    worker = desk.worker()
    go_on = asyncio.Event()

    @worker.task("CreateText")
    async def create_text(ctx: Context) -> None:
        ctx.heartbeat()
        ctx.progress(40, "so far")
        ctx.heartbeat()
        await go_on.wait()

    task_id = await desk.put("CreateText")

    async def said() -> bool:
        return (await desk.task(task_id)).get("progress") == "40"

    async with worker.running():
        await wait_until(said, what="the progress")
        go_on.set()
        await desk.end()


@pytest.mark.parametrize("how", ["async", "thread"])
async def test_a_handler_is_told_why_it_is_to_stop(desk: Desk, how: str) -> None:
    worker = desk.worker()
    causes: list[str] = []

    async def on_loop(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            causes.append(ctx.cancelled.cause)

    def in_thread(ctx: Context) -> None:
        while not ctx.cancelled.is_set():
            threading.Event().wait(0.01)
        causes.append(ctx.cancelled.cause)

    worker.task("Wait")(on_loop if how == "async" else in_thread)
    ids = [await desk.put("Wait") for _ in range(3)]
    async with worker.running():
        tokens = [(await desk.processing(task_id))["token"] for task_id in ids]
        await desk.cancel(ids[0], token=tokens[0], cause="heartbeat_timeout")
        await wait_until(lambda: causes == ["heartbeat_timeout"], what="the first to be told")
        await desk.cancel(ids[1])
        await wait_until(lambda: causes[1:] == ["cancelled"], what="the second to be told")
        await desk.link.execute("HSET", desk.at(ids[2]).task(ids[2]), "token", "2.other.1")
        await wait_until(lambda: causes[2:] == ["lease_lost"], what="the third to be told")
    assert await desk.events() == []


async def test_only_the_attempt_that_is_meant_is_stopped(desk: Desk) -> None:
    """The next attempt may have begun here before the end of the last is heard."""
    worker = desk.worker()
    go_on, told = asyncio.Event(), asyncio.Event()

    @worker.task("Next")
    async def following(ctx: Context) -> str:
        await go_on.wait()
        return "done"

    @worker.task("Other")
    async def other(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told.set()

    running, marker = await desk.put("Next", token="2.new.1"), await desk.put("Other")
    async with worker.running():
        await desk.processing(running)
        token = (await desk.processing(marker))["token"]
        told_of = {
            "tasks": f"{running} {marker}",
            "tokens": f"1.old.1 {token}",
            "causes": "run_timeout cancelled",
        }
        stream = desk.at(running).cancellations
        await desk.link.execute("XADD", stream, "*", *(text for pair in told_of.items() for text in pair))
        await told.wait()
        go_on.set()
        assert result_of(await desk.end()) == "done"


async def test_a_large_result_is_reported_by_reference_and_loaded_for_the_next_task(
    desk: Desk, tmp_path: Path
) -> None:
    worker = desk.worker(artifacts=str(tmp_path))
    worker.task("Make")(lambda ctx: {"text": LARGE})
    worker.task("Bare")(lambda: LARGE)

    @worker.task("Use")
    async def use(ctx: Context) -> int:
        return len(ctx.result("text_task_id").value["text"]) + len(ctx.result("bare_task_id").value)

    made, bare = await desk.put("Make"), await desk.put("Bare")
    scenario_id = (await desk.task(made))["scenario_id"]
    use_id = short_uuid(scenario_id, "use")
    async with worker.running():
        for event in await desk.ends(2):
            fields = {**event.fields, "status": "success", "scenario_id": scenario_id}
            key = desk.at(event.task_id).task(event.task_id)
            await desk.link.execute("HSET", key, *(text for pair in fields.items() for text in pair))
        references: dict[str, Any] = {"text_task_id": made, "bare_task_id": bare}
        await desk.dispatch(use_id, scenario_id, "Use", SERVICE, "1.x.1", references)
        last = (await desk.ends(3))[-1]
    assert result_of(last) == 2 * len(LARGE)
    assert (await desk.task(made))["result_ref"].endswith(f"/{made}/1/result.json")


async def test_without_an_artifact_store_a_large_result_is_a_failure_that_says_so(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    worker = desk.worker(artifacts=str(tmp_path / "file" / "folder"))
    worker.task("Make")(lambda ctx: LARGE)
    await desk.put("Make")
    async with worker.running():
        assert error_of(await desk.end())["type"] == "result_not_stored"


async def test_spawned_tasks_are_reported_with_the_success(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("Plan")
    async def plan(ctx: Context) -> int:
        slides = [ctx.spawn("CreateSlide", "image-service", prompt=f"slide {n}") for n in range(2)]
        ctx.spawn("CreateFilm", slide_ids=slides)
        return len(slides)

    task_id = await desk.put("Plan")
    async with worker.running():
        event = await desk.end()
    assert result_of(event) == 2
    film = decode_spawn(event.fields["spawn"])[-1]
    assert film.needs == ["CreateSlide_1", "CreateSlide_2"]
    assert film.fields == {"slide_ids": [spawned_id(task_id, key) for key in film.needs]}
