"""Running handlers without Redis."""

import asyncio
from pathlib import Path

import pytest
from pydantic import BaseModel

from workers_sdk import Artifact, Context, Done, Fail, Worker
from workers_sdk.__main__ import load
from workers_sdk.testing import run_handler

worker = Worker("text-service")


class Params(BaseModel):
    """Params."""

    length: int


@worker.task("CreateText")
async def create_text(ctx: Context, params: Params) -> dict[str, str]:
    """An async handler with params."""
    ctx.progress(50, "half")
    return {"text": ctx.prompt[: params.length], "style": ctx.fields["style"]}


@worker.task("CreateVideo")
def create_video(ctx: Context) -> Artifact:
    """A handler that uses results and artifacts."""
    slides = [ctx.artifacts.get(slide.ref) for slide in ctx.results("slide_ids")]
    text: str = ctx.result("text_task_id").value["text"]
    if not text:
        raise Fail("nothing to show", code="empty")
    return ctx.artifacts.put("video.mp4", text.encode() + b"".join(slides))


async def test_a_handler_runs_as_in_a_worker() -> None:
    ran = await run_handler(
        worker, "CreateText", params={"length": 2}, prompt="hello", fields={"style": "flat"}
    )
    assert ran.ok
    assert ran.value == {"text": "he", "style": "flat"}
    assert ran.progress == [(50, "half")]


async def test_params_are_checked_and_failures_returned() -> None:
    assert (await run_handler(worker, "CreateText", params={})).error == {
        "type": "invalid_params",
        "message": "length: Field required",
        "retry": False,
    }
    ran = await run_handler(worker, "CreateVideo", results={"text_task_id": {"text": ""}, "slide_ids": []})
    assert not ran.ok
    assert (await run_handler(worker, "Unknown")).error is not None


async def test_results_may_be_values_artifacts_and_references(tmp_path: Path) -> None:
    slide = await run_handler(_slides(), "CreateSlide", artifacts=tmp_path)
    results = {"text_task_id": {"text": "a"}, "slide_ids": [Done(slide.ref), Done(slide.ref)]}
    ran = await run_handler(worker, "CreateVideo", results=results, artifacts=tmp_path)
    assert ran.error is None
    assert ran.ref.startswith(f"file://{tmp_path}/")
    assert ran.value["size"] == 3
    with pytest.raises(ValueError, match="text_task_id"):
        await run_handler(worker, "CreateVideo", results={"text_task_id": object()})


def _slides() -> Worker:
    slides = Worker("image-service")
    slides.task("CreateSlide")(lambda ctx: ctx.artifacts.put("slide.png", b"1"))
    return slides


def test_workers_are_found_in_modules() -> None:
    assert load(__name__) == [worker]
    assert load(f"{__name__}:worker") == [worker]
    with pytest.raises(LookupError, match="has no none"):
        load(f"{__name__}:none")
    with pytest.raises(TypeError, match="is not a Worker"):
        load(f"{__name__}:asyncio")
    assert asyncio
