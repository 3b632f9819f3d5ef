"""Results that do not fit a report."""

from pathlib import Path
from typing import Any

import pytest

from workers_sdk import Artifacts, Context, Done, Worker
from workers_sdk import large as large_results
from workers_sdk.large import artifact_of, load, preloaded, stored
from workers_sdk.outcome import Outcome, succeeded
from workers_sdk.protocol.messages import EventKind, TaskEvent, dumps, loads
from workers_sdk.reference import Reference
from workers_sdk.testing import run_handler

from .fakes import entry

LARGE = {"text": "x" * 70_000}
ID = "00" + "a" * 14


def artifacts(folder: Path, place: str = "s/t/1") -> Artifacts:
    """A store in a folder."""
    return Artifacts(str(folder), place)


def reference(outcome: Outcome) -> Reference:
    """A task with this outcome, as one that refers to it finds it."""
    ref, value = (outcome.fields.get(name, "").encode() for name in ("result_ref", "result"))
    return Reference(ID, b"CreateText", b"success", ref, value)


def context(found: Reference, folder: Path) -> Context:
    """A context that refers to it."""
    return Context(entry(text_task_id=ID), references={ID: found}, artifacts_root=str(folder))


def kept(value: Any, folder: Path) -> Outcome:
    """Outcome of a large value, stored."""
    outcome = succeeded(value, "[1]")
    assert outcome.large
    return stored(outcome, artifacts(folder))


def test_a_large_result_is_stored_and_loaded_where_it_is_asked_for(tmp_path: Path) -> None:
    outcome = kept(LARGE, tmp_path)
    TaskEvent(
        ID, EventKind.SUCCESS, "1.x.1", {k: v for k, v in outcome.fields.items() if k != "spawn"}
    ).check()
    assert outcome.fields["result_ref"] == f"file://{tmp_path}/s/t/1/result.json"
    assert outcome.fields["spawn"] == "[1]"
    mark = loads(outcome.fields["result"])
    assert set(mark) == {"artifact", "inline"}
    assert mark["inline"] is False
    assert (mark["artifact"]["media_type"], mark["artifact"]["size"]) == ("application/json", 70_011)
    result = context(reference(outcome), tmp_path).result("text_task_id")
    assert (result.value, result.ref) == (LARGE, outcome.fields["result_ref"])


def test_a_large_value_beside_a_reference_leaves_the_reference(tmp_path: Path) -> None:
    outcome = kept(Done("s3://film.mp4", LARGE), tmp_path)
    assert outcome.fields["result_ref"] == "s3://film.mp4"
    assert context(reference(outcome), tmp_path).result("text_task_id").value == LARGE


def test_a_file_that_the_handler_stored_under_the_same_name_stays(tmp_path: Path) -> None:
    own = artifacts(tmp_path).put("result.json", b"own")
    outcome = kept(Done(own.uri, LARGE), tmp_path)
    assert artifacts(tmp_path).get(own.uri) == b"own"
    assert context(reference(outcome), tmp_path).result("text_task_id").value == LARGE


def test_without_a_store_the_failure_says_so_and_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = stored(succeeded(LARGE), artifacts(tmp_path / "file" / "folder"))
    error = loads(outcome.fields["error"])
    assert error["type"] == "result_not_stored"
    assert "70011 bytes of JSON, 65536 fit inline" in error["message"]
    assert "retry" not in error


@pytest.mark.parametrize(
    "value",
    [
        {"artifact": {"uri": "x"}, "inline": False},
        {"artifact": 1, "inline": False},
        {"artifact": dict.fromkeys(("uri", "name", "media_type", "size", "sha256"), 1), "inline": False},
        {"artifact": dict.fromkeys(("uri", "name", "media_type", "size", "sha256"), "x"), "inline": 0},
        {
            "artifact": dict.fromkeys(("uri", "name", "media_type", "size", "sha256"), "x"),
            "inline": False,
            "more": 1,
        },
        ["inline", "artifact"],
    ],
)
def test_what_only_looks_like_a_mark_is_a_value(value: Any, tmp_path: Path) -> None:
    found = Reference(ID, b"CreateText", b"success", b"", dumps(value))
    assert context(found, tmp_path).result("text_task_id").value == value


def test_a_mark_that_is_not_even_json_is_none() -> None:
    assert artifact_of(Reference(ID, b"", b"success", b"", b'{"inline":')) is None


def test_a_large_result_that_cannot_be_loaded_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = reference(kept(LARGE, tmp_path / "store"))
    with pytest.raises(LookupError, match=r"not in the artifact store .* same artifact store"):
        _ = context(found, tmp_path / "other").result("text_task_id").value
    monkeypatch.setattr(large_results, "MAX_LOADED_BYTES", 70_000)
    with pytest.raises(LookupError, match="it has 70011 bytes, more than 70000"):
        _ = context(found, tmp_path / "store").result("text_task_id").value
    (tmp_path / "store" / "s" / "t" / "1" / "result.json").unlink()
    with pytest.raises(LookupError, match="FileNotFoundError"):
        _ = context(found, tmp_path / "store").result("text_task_id").value


def test_ahead_so_much_is_loaded_as_fits_and_the_rest_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_results, "MAX_LOADED_BYTES", 150_000)
    found = {str(n): reference(stored(succeeded(LARGE), artifacts(tmp_path, str(n)))) for n in range(3)}
    found["small"] = Reference("small", b"", b"success", b"", b"1")
    ready = preloaded(found, artifacts(tmp_path))
    assert [bool(one.loaded) for one in ready.values()] == [True, True, False, False]
    (tmp_path / "0" / "result.json").unlink()
    artifact = artifact_of(ready["0"])
    assert artifact
    assert load(ready["0"], artifact, artifacts(tmp_path)) == LARGE
    with pytest.raises(LookupError, match="more than 9978"):
        load(ready["2"], artifact, artifacts(tmp_path))
    assert ready["small"] == found["small"]


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_large_results_pass_between_handlers(kind: str, tmp_path: Path) -> None:
    worker = Worker("text-service")

    async def on_loop(ctx: Context) -> Any:
        return ctx.result("text_task_id").value

    def in_thread(ctx: Context) -> Any:
        return ctx.result("text_task_id").value

    worker.task("Copy")(on_loop if kind == "loop" else in_thread)
    ran = await run_handler(worker, "Copy", results={"text_task_id": LARGE}, artifacts=tmp_path)
    assert ran.value == LARGE
    assert ran.ref.endswith("/result.json")
