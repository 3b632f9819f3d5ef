"""`Context.spawn`: what may be made, and how it is reported."""

import json
import pickle
from typing import Any

import pytest
from pydantic import BaseModel

from orchestrator.templates.document import TaskForm
from workers_sdk import Context, Fail, Worker
from workers_sdk.protocol.messages import RESERVED_FIELDS, EventKind, TaskEvent
from workers_sdk.protocol.spawn import Spawned, decode_spawn, spawned_id
from workers_sdk.spawning import NOT_HERE
from workers_sdk.testing import run_handler

from .fakes import entry


class Params(BaseModel):
    """Params of a spawned task."""

    length: int = 3


def made(ctx: Context) -> list[Spawned]:
    """What a context would report, as the server reads it."""
    TaskEvent(ctx.task_id, EventKind.SUCCESS, ctx.token, {"spawn": ctx.spawned}).check()
    return decode_spawn(ctx.spawned)


def test_tasks_get_keys_in_their_order_and_the_service_of_their_maker() -> None:
    ctx = Context(entry())
    assert ctx.spawned == ""
    keys = [
        ctx.spawn("A", prompt="p"),
        ctx.spawn("B", "b-service"),
        ctx.spawn("A", params=Params(), style="flat"),
    ]
    assert keys == ["A_1", "B_1", "A_2"]
    assert made(ctx) == [
        Spawned("A_1", "text-service", "A", [], {"prompt": "p"}),
        Spawned("B_1", "b-service", "B", [], {}),
        Spawned("A_2", "text-service", "A", [], {"params": {"length": 3}, "style": "flat"}),
    ]


def test_needs_and_references_wait_for_tasks_made_before() -> None:
    ctx = Context(entry())
    text, slide = ctx.spawn("Text"), ctx.spawn("Slide")
    ctx.spawn("Film", needs=text, slide_ids=(slide, "0" * 16), text_task_id=text, voice_id="anna")
    film = made(ctx)[-1]
    assert film.needs == [text, slide]
    assert film.fields == {
        "slide_ids": [spawned_id(ctx.task_id, slide), "0" * 16],
        "text_task_id": spawned_id(ctx.task_id, text),
        "voice_id": "anna",
    }
    assert ctx.task_id[:2] == film.fields["text_task_id"][:2]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "1 to 128 printable"),
        ({"name": 7}, "1 to 128 printable"),
        ({"service": "Bad Name"}, "a service is named by"),
        ({"needs": ["Later_1"]}, "returned no key 'Later_1'"),
        ({"token": "1.x.1"}, "not usable as template fields: token"),
        ({"json_fields": "x"}, "not usable"),
        ({"not-a-word": 1}, "not usable"),
        ({"retry": {"max_attempts": 3}}, "does not know retry"),
    ],
)
def test_what_cannot_be_made_is_told_at_once(given: dict[str, Any], words: str) -> None:
    ctx = Context(entry())
    with pytest.raises(ValueError, match=words):
        ctx.spawn(**{"name": "A", **given})
    assert ctx.spawned == ""
    assert ctx.spawn("A") == "A_1"


def test_what_only_templates_can_say_is_known() -> None:
    words = {field.alias or name for name, field in TaskForm.model_fields.items()} - RESERVED_FIELDS
    assert words - {"needs", "prompt", "params"} == NOT_HERE


@pytest.mark.parametrize("given", [{"prompt": 1}, {"params": {"x": object()}}, {"style": object()}])
def test_what_json_cannot_say_is_told_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Context(entry()).spawn("A", **given)


def test_too_many_and_too_large_fail_the_task_for_good() -> None:
    ctx = Context(entry())
    for _ in range(600):
        ctx.spawn("A")
    with pytest.raises(Fail) as large:
        for _ in range(20):
            ctx.spawn("B", prompt="x" * 4_000)
    assert (large.value.code, large.value.retry) == ("spawn_too_large", False)
    assert len(ctx.spawned.encode()) <= 65_536
    made(ctx)
    many = Context(entry())
    for _ in range(1_000):
        many.spawn("A", "s")
    with pytest.raises(Fail, match="more than 1000"):
        many.spawn("A", "s")
    assert len(made(many)) == 1_000


async def test_only_a_success_reports_what_was_made() -> None:
    worker = Worker("text-service")

    @worker.task("Plan")
    async def plan(ctx: Context) -> str:
        key = ctx.spawn("Draw", "image-service", prompt="a cat")
        if ctx.params.get("fail"):
            raise Fail("no")
        return key

    ran = await run_handler(worker, "Plan")
    assert (ran.value, [child.name for child in ran.spawned]) == ("Draw_1", ["Draw"])
    failed = await run_handler(worker, "Plan", params={"fail": True})
    assert not failed.ok
    assert failed.spawned == []


def test_a_copy_of_a_context_makes_its_own() -> None:
    ctx = pickle.loads(pickle.dumps(Context(entry())))
    ctx.spawn("A")
    assert json.loads(ctx.spawned)[0]["key"] == "A_1"
