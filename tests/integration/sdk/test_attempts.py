"""What comes of handlers of all kinds."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel, model_validator

from tests.support.wait import wait_until
from workers_sdk import Artifact, Context, Done, Fail
from workers_sdk.protocol.keys import short_uuid
from workers_sdk.protocol.messages import EventKind

from . import process_handlers
from .support import SERVICE, Desk, error_of, result_of


class VoiceParams(BaseModel):
    """Params of a typed handler."""

    speed: float = 1.0
    voice: str


async def test_an_async_handler_does_a_task_and_leaves_nothing_in_the_queue(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("CreateText")
    async def create_text(ctx: Context) -> dict[str, Any]:
        return {"prompt": ctx.prompt, "params": ctx.params, "fields": ctx.fields, "attempt": ctx.attempt}

    prompt = 'A cat\'s "life"\n{{ 7*7 }} [1]'
    task_id = await desk.put("CreateText", prompt=prompt, params={"model": "m"}, style="flat", tags=["a"])
    async with worker.running():
        event = await desk.end()
    assert event.task_id == task_id
    assert result_of(event) == {
        "prompt": prompt,
        "params": {"model": "m"},
        "fields": {"style": "flat", "tags": ["a"]},
        "attempt": 1,
    }
    task = await desk.task(task_id)
    assert event.token == task["token"]
    assert event.acked
    assert event.fields["worker"].startswith(worker.options.name)
    assert await desk.left() == (0, 0, 0)


async def test_a_task_that_takes_a_moment_is_processing_under_the_name_of_its_worker(desk: Desk) -> None:
    worker = desk.worker()
    go_on = asyncio.Event()

    @worker.task("CreateText")
    async def create_text() -> None:
        await go_on.wait()

    task_id = await desk.put("CreateText")
    async with worker.running():
        task = await desk.processing(task_id)
        go_on.set()
        event = await desk.end()
    assert task["worker"].startswith(worker.options.name)
    assert task["started_at"].endswith("Z")
    assert "worker" not in event.fields


async def test_a_plain_function_runs_in_a_thread(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("CreateText")
    def create_text(ctx: Context) -> str:
        return threading.current_thread().name

    await desk.put("CreateText")
    async with worker.running():
        assert result_of(await desk.end()).startswith("handler")


class BrokenParams(BaseModel):
    """A model whose validator has a bug."""

    voice: str

    @model_validator(mode="before")
    @classmethod
    def _check(cls, given: dict[str, str]) -> dict[str, str]:
        return {**given, "speed": given["speed"]}


async def test_a_process_handler_gets_a_context_and_runs_elsewhere(desk: Desk) -> None:
    worker = desk.worker()
    worker.task("Where", run="process")(process_handlers.where)
    worker.task("Refuse", run="process")(process_handlers.refuse)
    await desk.put("Where", prompt="hello")
    await desk.put("Refuse")
    async with worker.running():
        ends = {event.kind: event for event in await desk.ends(2)}
    found = result_of(ends[EventKind.SUCCESS])
    assert found["prompt"] == "hello"
    assert found["pid"] != os.getpid()
    assert error_of(ends[EventKind.FAILED]) == {"type": "refused", "message": "no Refuse"}


async def test_a_process_that_dies_is_told_as_lost_and_the_next_task_gets_a_new_one(desk: Desk) -> None:
    worker = desk.worker(concurrency=1)
    worker.task("Die", run="process")(process_handlers.die)
    worker.task("Where", run="process")(process_handlers.where)
    await desk.put("Die")
    await desk.put("Where")
    async with worker.running():
        ends = {event.kind: event for event in await desk.ends(2)}
    error = {"type": "worker_lost", "message": "its process died: SIGKILL", "lost": True}
    assert error_of(ends[EventKind.FAILED]) == error
    assert result_of(ends[EventKind.SUCCESS])["pid"] != os.getpid()
    assert await desk.left() == (0, 0, 0)


async def test_a_model_that_breaks_fails_its_task_and_not_the_worker(desk: Desk) -> None:
    """pydantic makes problems of ValueErrors only; whatever else a validator raises comes through."""
    worker = desk.worker()

    @worker.task("CreateText")
    async def create_text(params: BrokenParams) -> str:
        return "never"

    await desk.put("CreateText", params={"voice": "anna"})
    async with worker.running():
        error = error_of(await desk.end())
    assert (error["type"], error["message"]) == ("invalid_params", "KeyError: 'speed'")


async def test_params_are_validated_with_the_model_of_the_handler(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("CreateVoice")
    async def create_voice(params: VoiceParams, ctx: Context) -> VoiceParams:
        return params

    await desk.put("CreateVoice", params={"voice": "anna", "speed": "1.5"})
    bad = await desk.put("CreateVoice", params={"speed": "fast"})
    async with worker.running():
        ends = {event.task_id == bad: event for event in await desk.ends(2)}
    assert result_of(ends[False]) == {"speed": 1.5, "voice": "anna"}
    error = error_of(ends[True])
    assert error["type"] == "invalid_params"
    assert "speed: " in error["message"]
    assert "voice: Field required" in error["message"]


async def test_what_a_handler_raises_is_recorded_with_its_class_and_place(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("CreateText")
    async def create_text() -> None:
        raise ZeroDivisionError("by nothing")

    @worker.task("CreateVoice")
    def create_voice() -> None:
        raise Fail("no such voice", code="bad_input")

    text = await desk.put("CreateText")
    await desk.put("CreateVoice")
    async with worker.running():
        ends = {event.task_id == text: error_of(event) for event in await desk.ends(2)}
    assert (ends[True]["type"], ends[True]["message"]) == ("ZeroDivisionError", "by nothing")
    assert "create_text" in ends[True]["traceback"]
    assert ends[False] == {"type": "bad_input", "message": "no such voice"}


async def test_a_handler_that_ends_the_process_only_fails_its_task(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("CreateText")
    async def create_text() -> None:
        raise SystemExit(3)

    @worker.task("CreateVoice")
    def create_voice() -> None:
        raise SystemExit(4)

    @worker.task("CreateSlide")
    async def create_slide() -> None:
        raise asyncio.CancelledError

    for name in ("CreateText", "CreateVoice", "CreateSlide"):
        await desk.put(name)
    async with worker.running():
        types = {error_of(event)["type"] for event in await desk.ends(3)}
    assert types == {"SystemExit", "CancelledError"}


async def test_an_unknown_task_name_fails_the_task_with_a_hint(desk: Desk) -> None:
    worker = desk.worker()
    worker.task("CreateText")(process_handlers.refuse)
    await desk.put("CreateTxt")
    async with worker.running():
        error = error_of(await desk.end())
    assert error["type"] == "unknown_task_name"
    assert "did you mean CreateText?" in error["message"]


async def test_results_that_cannot_be_recorded_fail_the_task_once(desk: Desk) -> None:
    worker = desk.worker()
    worker.task("Strange")(lambda: {"socket": object()})
    worker.task("Far")(lambda: Done(ref="s3://" + "x" * 3_000))
    for name in ("Strange", "Far"):
        await desk.put(name)
    async with worker.running():
        types = {error_of(event)["type"] for event in await desk.ends(2)}
    assert types == {"result_not_json", "result_ref_too_long"}


async def test_an_artifact_becomes_reference_and_result(desk: Desk, tmp_path: Path) -> None:
    worker = desk.worker(artifacts=str(tmp_path))

    @worker.task("CreateVoice")
    def create_voice(ctx: Context) -> Artifact:
        return ctx.artifacts.put("voice.wav", b"RIFF")

    task_id = await desk.put("CreateVoice")
    async with worker.running():
        event = await desk.end()
    scenario_id = (await desk.task(task_id))["scenario_id"]
    path = tmp_path / scenario_id / task_id / "1" / "voice.wav"
    assert event.fields["result_ref"] == f"file://{path}"
    assert path.read_bytes() == b"RIFF"
    assert result_of(event)["size"] == 4


async def test_results_of_the_tasks_referred_to_arrive_in_order(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("CreateVideo")
    async def create_video(ctx: Context) -> dict[str, Any]:
        voice = ctx.result("voice_track_id")
        slides = ctx.results("slide_ids")
        return {"voice": [voice.name, voice.ref, voice.value], "slides": [slide.value for slide in slides]}

    scenario_id = "00" + "a" * 14
    ids = [short_uuid(scenario_id, f"slide.{i}") for i in range(3)]
    voice_id = short_uuid(scenario_id, "voice")
    for i, slide_id in enumerate(ids):
        await desk.link.execute(
            "HSET", desk.at(slide_id).task(slide_id), "scenario_id", scenario_id, "name", "CreateSlide",
            "status", "success", "result_ref", "", "result", str(i),
        )  # fmt: skip
    await desk.link.execute(
        "HSET", desk.at(voice_id).task(voice_id), "scenario_id", scenario_id, "name", "CreateVoice",
        "status", "success", "result_ref", "s3://voice",
    )  # fmt: skip
    fields = {"slide_ids": ids[::-1], "voice_track_id": voice_id}
    video_id = short_uuid(scenario_id, "video")
    await desk.dispatch(video_id, scenario_id, "CreateVideo", SERVICE, "1.x.1", fields)
    async with worker.running():
        event = await desk.end()
    assert result_of(event) == {"voice": ["CreateVoice", "s3://voice", None], "slides": [2, 1, 0]}


async def test_a_task_may_refer_to_thousands(desk: Desk) -> None:
    worker = desk.worker()
    worker.task("Collect")(lambda ctx: sum(result.value for result in ctx.results("all_ids")))
    scenario_id = "00" + "a" * 14
    ids = [short_uuid(scenario_id, str(i)) for i in range(2_500)]
    await desk.link.execute_many(
        [
            (
                "HSET",
                desk.at(i).task(i),
                "scenario_id",
                scenario_id,
                "name",
                "One",
                "status",
                "success",
                "result",
                "1",
            )
            for i in ids
        ]
    )
    await desk.dispatch(
        short_uuid(scenario_id, "all"), scenario_id, "Collect", SERVICE, "1.x.1", {"all_ids": ids}
    )
    async with worker.running():
        assert result_of(await desk.end()) == 2_500


async def test_a_reference_to_nothing_fails_with_words(desk: Desk) -> None:
    worker = desk.worker()
    worker.task("CreateVideo")(lambda ctx: ctx.result("voice_track_id").ref)
    await desk.put("CreateVideo", voice_track_id="0" * 16)
    async with worker.running():
        error = error_of(await desk.end())
    assert error["type"] == "LookupError"
    assert "has no task 0000000000000000" in error["message"]


async def test_progress_shows_in_the_task_while_the_handler_works(desk: Desk) -> None:
    worker = desk.worker()
    go_on = threading.Event()

    @worker.task("CreateText")
    def create_text(ctx: Context) -> None:
        for percent in range(40):
            ctx.progress(percent, "so far")
        go_on.wait(20)

    task_id = await desk.put("CreateText")

    async def all_said() -> bool:
        task = await desk.task(task_id)
        return (task.get("progress"), task.get("message")) == ("39", "so far")

    async with worker.running():
        try:
            await wait_until(all_said, what="the last progress")
        finally:
            go_on.set()
        await desk.end()
