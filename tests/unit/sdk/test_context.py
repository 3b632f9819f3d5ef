"""What a handler sees."""

import asyncio
import pickle
import threading

import pytest

from workers_sdk import Cancelled, CancelToken, Context, Fail
from workers_sdk.reference import Reference, references_of

from .fakes import entry

TEXT = "00" + "a" * 14
SLIDES = ["00" + "b" * 14, "00" + "c" * 14]


def context() -> Context:
    """A context that refers to a finished text, and to two slides of which one still runs."""
    references = {
        TEXT: Reference(TEXT, b"CreateText", b"success", b"s3://text", b'{"text":"hi"}'),
        SLIDES[0]: Reference(SLIDES[0], b"CreateSlide", b"success", b"", b""),
        SLIDES[1]: Reference(SLIDES[1], b"CreateSlide", b"processing", b"", b""),
    }
    fields = {"text_task_id": TEXT, "slide_ids": SLIDES, "style": "flat", "prompt": "p", "params": {"a": 1}}
    return Context(entry(**fields), references=references)


def test_a_context_separates_prompt_params_and_fields() -> None:
    ctx = context()
    assert (ctx.prompt, ctx.params) == ("p", {"a": 1})
    assert ctx.fields == {"text_task_id": TEXT, "slide_ids": SLIDES, "style": "flat"}
    assert (ctx.attempt, ctx.token, ctx.idempotency_key) == (2, "2.n.1", f"{ctx.scenario_id}:{ctx.task_id}")
    assert (Context(entry()).prompt, Context(entry()).params) == ("", {})


def test_only_ids_in_fields_named_like_references_are_references() -> None:
    fields = {"text_task_id": TEXT, "all_ids": [TEXT, "no id", 7], "voice_id": "anna", "other": TEXT}
    assert references_of(fields) == {"text_task_id": [TEXT], "all_ids": [TEXT]}


def test_a_result_has_value_and_reference() -> None:
    result = context().result("text_task_id")
    assert (result.task_id, result.name, result.ref) == (TEXT, "CreateText", "s3://text")
    assert result.value == {"text": "hi"}


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("slide_ids", f"task {SLIDES[1]} is processing"),
        ("style", "text_task_id, slide_ids"),
        ("none_id", "no task"),
    ],
)
def test_a_result_that_is_not_there_is_told_in_words(field: str, words: str) -> None:
    with pytest.raises(LookupError, match=words):
        context().results(field)


def test_one_result_is_not_asked_of_a_list() -> None:
    references = {i: Reference(i, b"CreateSlide", b"success", b"", b"1") for i in SLIDES}
    with pytest.raises(LookupError, match="refers to 2 tasks"):
        Context(entry(slide_ids=SLIDES), references=references).result("slide_ids")


def test_an_empty_list_refers_to_nothing_and_is_no_error() -> None:
    assert Context(entry(slide_ids=[])).results("slide_ids") == []


def test_params_that_are_no_object_are_an_error_of_their_own() -> None:
    with pytest.raises(TypeError, match="params are not an object"):
        _ = Context(entry(params=[1])).params


def test_progress_is_cut_to_its_limits() -> None:
    said: list[tuple[float, str]] = []
    ctx = Context(entry(), progress=lambda percent, message: said.append((percent or 0, message)))
    ctx.progress(120)
    ctx.progress(-1, "x" * 5_000)
    ctx.progress(50, "\ud800")
    assert said == [(100, ""), (0, "x" * 2_000), (50, "?")]
    with pytest.raises(ValueError, match="not a number"):
        ctx.progress(float("nan"))


def test_a_context_travels_to_another_process() -> None:
    ctx = pickle.loads(pickle.dumps(context()))
    assert ctx.result("text_task_id").value == {"text": "hi"}
    assert ctx.prompt == "p"
    ctx.progress(10)
    assert not ctx.cancelled.is_set()


def test_a_failure_travels_from_another_process() -> None:
    fail = pickle.loads(pickle.dumps(Fail("no", code="bad_input")))
    assert (str(fail), fail.code) == ("no", "bad_input")


async def test_waiting_for_a_cancel_token_ends_when_another_thread_sets_it() -> None:
    token = CancelToken()
    token.raise_if_set()
    waiting = asyncio.create_task(token.wait())
    await asyncio.sleep(0)
    thread = threading.Thread(target=token.set)
    thread.start()
    await asyncio.wait_for(waiting, 20)
    thread.join()
    assert token.is_set()
    await token.wait()
    with pytest.raises(Cancelled):
        token.raise_if_set()
