"""What came of an attempt: success or failure, with the fields that are reported. Built where the handler ran."""

import traceback
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson
from pydantic import BaseModel

from .artifacts import Artifact
from .errors import Fail
from .protocol.messages import MAX_ERROR_CHARS, MAX_REF_CHARS, MAX_RESULT_BYTES, EventKind

TRACEBACK_LINES: Final = 10


@dataclass(frozen=True, slots=True)
class Done:
    """A result of both kinds: a reference to something elsewhere, and a JSON value."""

    ref: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        fields: fields of its report: `result_ref`, `result` and `spawn`, or `error`.
        large: JSON of a result that does not fit a report, and has to be stored first (see `large.py`).
    """

    kind: EventKind
    fields: dict[str, str] = field(default_factory=dict)
    large: bytes = b""

    def report(self, task_id: str, token: str) -> list[str]:
        """Fields and values of the report of an attempt whose entry is removed in the same step."""
        flat = ["task_id", task_id, "status", self.kind.value, "token", token, "acked", "1"]
        for pair in self.fields.items():
            flat += pair
        return flat


def succeeded(value: Any, spawn: str = "") -> Outcome:
    """Outcome of a handler that returned `value`: None, a `Done`, an `Artifact`, or anything that JSON can say.

    A value that cannot be recorded is a failure: repeating the work would not change it.

    Args:
        spawn: the tasks that it made, as they are reported.
    """
    done = value if isinstance(value, Done) else _done(value)
    if not isinstance(done.ref, str) or not done.ref.isprintable():
        return failed_as("result_ref_not_text", "the reference is not plain text")
    if len(done.ref) > MAX_REF_CHARS:
        return failed_as(
            "result_ref_too_long", f"the reference has {len(done.ref)} characters, {MAX_REF_CHARS} fit"
        )
    try:
        result = b"" if done.value is None else orjson.dumps(done.value, default=_plain)
    except TypeError as error:
        return failed_as("result_not_json", str(error))
    large = result if len(result) > MAX_RESULT_BYTES else b""
    fields = {"result_ref": done.ref, "result": "" if large else result.decode(), "spawn": spawn}
    return Outcome(EventKind.SUCCESS, {name: text for name, text in fields.items() if text}, large)


def failed(error: BaseException) -> Outcome:
    """Outcome of a handler that raised. An exception whose class is broken is a failure too, and none of the worker."""
    try:
        return _failed(error)
    except BaseException:  # the handler's own class, so anything may happen
        return failed_as(type(error).__name__, _text_of(error), retry=True)


def _failed(error: BaseException) -> Outcome:
    if isinstance(error, Fail):
        return failed_as(error.code, error.message, retry=error.retry, retry_after_s=error.retry_after_s)
    lines = "".join(traceback.format_exception(error)).splitlines()[-TRACEBACK_LINES:]
    return failed_as(type(error).__name__, _text_of(error), "\n".join(lines), retry=True)


def failed_as(
    code: str, message: str, trace: str = "", *, retry: bool = False, retry_after_s: float | None = None
) -> Outcome:
    """A failure: `code` for programs, `message` for people, where it happened, and whether another attempt makes sense."""
    error: dict[str, Any] = {"type": _clean(code), "message": _clean(message)}
    if not retry:
        error["retry"] = False
    elif retry_after_s is not None:
        error["retry_after_ms"] = max(0, round(1000 * retry_after_s))
    if trace:
        error["traceback"] = _clean(trace[-MAX_ERROR_CHARS:])
    return Outcome(EventKind.FAILED, {"error": orjson.dumps(error).decode()})


def lost(how: str) -> Outcome:
    """Outcome of a handler whose process died: no failure of the handler's, but one more worker that its task lost."""
    error = {"type": "worker_lost", "message": _clean(f"its process died: {how}"), "lost": True}
    return Outcome(EventKind.FAILED, {"error": orjson.dumps(error).decode()})


def _done(value: Any) -> Done:
    return Done(value.uri, asdict(value)) if isinstance(value, Artifact) else Done(value=value)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # the handler's own class, so anything may happen
        return f"(its text cannot be made: {type(second).__name__})"


def _clean(text: str) -> str:
    """Text that UTF-8 and the limits can hold; control characters would grow sixfold in JSON."""
    text = text.encode(errors="replace").decode()
    return "".join(
        char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text[:MAX_ERROR_CHARS]
    )
