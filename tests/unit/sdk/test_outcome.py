"""What handlers return and raise, as it is reported."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from workers_sdk import Artifact, Done, Fail
from workers_sdk.outcome import failed, succeeded
from workers_sdk.protocol.messages import MAX_RESULT_BYTES, EventKind, TaskEvent

ARTIFACT = Artifact("s3://b/x", "x", "image/png", 3, "00")


class Model(BaseModel):
    """A result."""

    a: int = 1


@dataclass
class Unprintable(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (None, {}),
        ({"a": [1, "ü"]}, {"result": '{"a":[1,"ü"]}'}),
        (0, {"result": "0"}),
        (Model(), {"result": '{"a":1}'}),
        ([Model(), ARTIFACT], None),
        (Done("s3://b/x"), {"result_ref": "s3://b/x"}),
        (Done("s3://b/x", {"a": 1}), {"result_ref": "s3://b/x", "result": '{"a":1}'}),
        ("x" * (MAX_RESULT_BYTES - 2), None),
    ],
)
def test_results_are_reported_as_json(value: Any, fields: dict[str, str] | None) -> None:
    outcome = succeeded(value)
    assert outcome.kind is EventKind.SUCCESS
    assert fields is None or outcome.fields == fields
    TaskEvent("0" * 16, outcome.kind, "1.x.1", outcome.fields).check()


def test_an_artifact_is_reference_and_result() -> None:
    fields = succeeded(ARTIFACT).fields
    assert fields["result_ref"] == "s3://b/x"
    assert json.loads(fields["result"])["media_type"] == "image/png"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (object(), "result_not_json"),
        ({1: 2}, "result_not_json"),
        ("\ud800", "result_not_json"),
        (1 << 70, "result_not_json"),
        (Done("x" * 3_000), "result_ref_too_long"),
        (Done("\ud800"), "result_ref_not_text"),
        (Done(b"x"), "result_ref_not_text"),  # type: ignore[arg-type]
    ],
)
def test_a_result_that_cannot_be_recorded_is_a_failure(value: Any, code: str) -> None:
    outcome = succeeded(value)
    assert outcome.kind is EventKind.FAILED
    assert json.loads(outcome.fields["error"])["type"] == code


@pytest.mark.parametrize(
    "error",
    [
        ValueError("\x00\ud800\x1b[31m" * 9_000),
        ValueError('"\n\\' * 9_000),
        Unprintable(),
        Fail("x" * 99_999, code="y" * 99_999),
        KeyError("ключ"),
        RecursionError(),
    ],
)
def test_every_error_can_be_reported(error: Exception) -> None:
    outcome = failed(error)
    event = TaskEvent("0" * 16, outcome.kind, "1.x.1", outcome.fields)
    read = TaskEvent.decode([part.encode() for part in event.encode()])
    assert set(json.loads(read.fields["error"])) >= {"type", "message"}


def test_the_place_of_an_error_is_kept_to_its_last_lines() -> None:
    def deep(level: int) -> None:
        if level == 0:
            raise ValueError("deep down")
        deep(level - 1)

    with pytest.raises(ValueError, match="deep down") as caught:
        deep(30)
    trace = json.loads(failed(caught.value).fields["error"])["traceback"].splitlines()
    assert len(trace) == 10
    assert trace[-1] == "ValueError: deep down"
