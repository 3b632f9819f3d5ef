"""Words and shapes that cross process borders: statuses, field names, stream entries.

The entry of a `queue:<service>` stream is the task as the seed prints it (`id`, `scenario_id`, `name`, `prompt`,
`params`, references, any other field of the template), plus `attempt` and `token`. JSON values travel as JSON text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import orjson

from .spawn import decode_spawn

MAX_RESULT_BYTES: Final = 65_536
MAX_ERROR_CHARS: Final = 2_000
MAX_REF_CHARS: Final = 2_048


class Status(StrEnum):
    """Status of a task, and of a scenario (which is never `skipped`)."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can change it any more."""
        return self not in (Status.PENDING, Status.PROCESSING)


# Fields of a task hash that the engine owns; everything else came from the template and travels to the worker.
ENGINE_FIELDS: Final = frozenset(
    (
        "id", "scenario_id", "service", "status", "queue", "consumers", "created_at", "updated_at", "result_ref",
        "result", "error", "attempt", "token", "entry", "worker", "started_at", "finished_at", "released",
        "progress", "message", "lost", "policy", "error_type", "failures", "rules", "on_ready", "got", "group",
        "ready_ms", "fingerprint", "origin", "child_scenario_id", "spawn", "delayed", "flow_places", "flow_score",
    )
)  # fmt: skip

RESERVED_FIELDS: Final = ENGINE_FIELDS | {"name", "json_fields"}
"""What a template must not use as the name of a field of its own."""


class Malformed(ValueError):
    """A stream entry that does not have the documented form."""


def fields_of(flat: Sequence[bytes]) -> dict[str, bytes]:
    """Turn a flat reply (`field, value, ...`) into a dict. Raises Malformed when a field name is not UTF-8."""
    try:
        return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat) - 1, 2)}
    except UnicodeDecodeError as error:
        raise Malformed("a field name is not UTF-8") from error


def dumps(value: Any) -> bytes:
    """JSON text of a value. Raises TypeError for what JSON cannot say (also for lone surrogates)."""
    return orjson.dumps(value)


def loads(data: bytes | str) -> Any:
    """Value of JSON text. Raises ValueError."""
    return orjson.loads(data)


@dataclass(slots=True)
class TaskEntry:
    """A ready task, as read from `queue:<service>`. Not to be changed (a frozen class would take four times as long to make).

    Attributes:
        given: template fields with their types, when they are known; else they are read from `raw` when asked for.
    """

    entry_id: str
    service: str
    task_id: str
    scenario_id: str
    name: str
    attempt: int
    token: str
    given: dict[str, Any] | None = None
    raw: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """Template fields with their types. Raises Malformed."""
        if self.given is None:
            try:
                self.given = template_values({n.decode(): v.decode() for n, v in self.raw.items()})
            except UnicodeDecodeError as error:
                raise Malformed(f"task entry {self.entry_id}: {error}") from error
        return self.given

    @classmethod
    def decode(cls, service: str, entry_id: bytes, flat: Sequence[bytes]) -> "TaskEntry":
        """Read an entry; its template fields are left for later. Raises Malformed."""
        raw = dict(zip(flat[::2], flat[1::2], strict=True))
        try:
            return cls(
                entry_id.decode(),
                service,
                raw.pop(b"id").decode(),
                raw.pop(b"scenario_id").decode(),
                raw.pop(b"name").decode(),
                int(raw.pop(b"attempt")),
                raw.pop(b"token").decode(),
                None,
                raw,
            )
        except (KeyError, ValueError) as error:  # UnicodeDecodeError is a ValueError
            raise Malformed(f"task entry {entry_id!r}: {error}") from error


def template_values(text: Mapping[str, str]) -> dict[str, Any]:
    """Values of template fields with their types.

    A hash and a stream entry hold text only. `params` is JSON; so is every field named in `json_fields` (names
    separated by spaces). All others are text, whatever they look like: a prompt `[1]` stays a prompt.

    Raises:
        Malformed: a field that should be JSON is not.
    """
    typed = {"params", *text.get("json_fields", "").split()}
    try:
        return {name: loads(v) if name in typed else v for name, v in text.items() if name != "json_fields"}
    except ValueError as error:
        raise Malformed(f"a template field is not JSON: {error}") from error


def template_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """The reverse of `template_values`.

    Raises:
        ValueError: a name is reserved or not a word. TypeError: a value is not JSON.
    """
    _check_names(tuple(values))
    texts: dict[str, str] = {}
    typed = []
    for name, value in values.items():
        if name == "params":
            texts[name] = dumps(value).decode()
        elif isinstance(value, str):
            texts[name] = value
        else:
            texts[name] = dumps(value).decode()
            typed.append(name)
    if typed:
        texts["json_fields"] = " ".join(typed)
    return texts


@lru_cache(maxsize=1_024)
def _check_names(names: tuple[str, ...]) -> None:
    """The tasks of a template have the same few sets of names."""
    if bad := [name for name in names if name in RESERVED_FIELDS or not name.isidentifier()]:
        raise ValueError(f"not usable as template fields: {', '.join(sorted(bad))}")


class EventKind(StrEnum):
    """What a report says. Those from `cancelled` on are no worker's: `cancelled` is the API's; `release` (go on releasing the
    dependents of a finished task) and `look` (decide what becomes of a task) are the scripts' own; the engine's decisions
    `go`, `delay`, `hold` and `skipped` never stand in `task-events`."""

    PROCESSING = "processing"
    PROGRESS = "progress"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RELEASE = "release"
    LOOK = "look"
    GO = "go"
    DELAY = "delay"
    HOLD = "hold"
    SKIPPED = "skipped"


_KINDS: Final = {
    kind.value.encode(): kind
    for kind in EventKind
    if kind not in (EventKind.CANCELLED, EventKind.GO, EventKind.DELAY, EventKind.HOLD, EventKind.SKIPPED)
}
_EVENT_FIELDS: Final = {
    name.encode(): name
    for name in ("result_ref", "result", "spawn", "error", "worker", "progress", "message")
}


@dataclass(slots=True)
class TaskEvent:
    """One report of `task-events`. Not to be changed.

    Attributes:
        token: token of the entry that was worked on. Empty only for reports by HTTP.
        fields: what to set on the task, of `result_ref, result, error, worker, progress, message`; and of a success
            `spawn`, the tasks that its handler made (see `spawn.py`).
        acked: the reporter's script already removed the entry from its queue stream.
        cursor: for `release`: position in the task's list of dependents; for `delay`: milliseconds.
        by_engine: a decision of the engine about a task that no worker has, or that is overdue.
    """

    task_id: str
    kind: EventKind
    token: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    acked: bool = False
    cursor: int = 0
    by_engine: bool = False

    def encode(self) -> list[str]:
        """Flat fields for XADD."""
        flat = ["task_id", self.task_id, "status", self.kind.value, "token", self.token]
        for name, value in self.fields.items():
            flat += [name, value]
        return flat

    @classmethod
    def decode(cls, flat: Sequence[bytes]) -> "TaskEvent":
        """Read a report of `task-events`; anything may stand there, workers are not trusted.

        Raises:
            Malformed: a required field is missing, wrong, or a value is over its limit.
        """
        raw = dict(zip(flat[::2], flat[1::2], strict=True))
        try:
            event = cls(
                raw[b"task_id"].decode("ascii"),
                _KINDS[raw[b"status"]],
                raw.get(b"token", b"").decode("ascii"),
                {
                    name: raw[key].decode()
                    for key, name in _EVENT_FIELDS.items()
                    if key in raw and (raw[key] or name != "spawn")
                },
                raw.get(b"acked") == b"1",
                _cursor(raw.get(b"cursor", b"0")),
            )
        except (KeyError, ValueError) as error:
            raise Malformed(f"task event: {error}") from error
        event.check()
        return event

    def check(self) -> None:
        """Raise Malformed when a value is over its limit or not of its form."""
        for name, value in self.fields.items():
            if value:
                _check_field(self.kind, name, value)


def split_reports(flat: Sequence[bytes]) -> list[Sequence[bytes]]:
    """The reports of one entry of `task-events`: where there are several, each begins with its `task_id`."""
    firsts = [i for i in range(0, len(flat), 2) if flat[i] == b"task_id"]
    if len(firsts) < 2:
        return [flat]
    return [flat[first:end] for first, end in pairwise([0, *firsts[1:], len(flat)])]


_LIMITS: Final = {
    "result_ref": MAX_REF_CHARS,
    "error": 8 * MAX_ERROR_CHARS,
    "worker": 256,
    "message": MAX_ERROR_CHARS,
}


def _check_field(kind: EventKind, name: str, value: str) -> None:
    # A result of an attempt that did not end could pass for that of a later one.
    if name in ("result", "result_ref", "spawn") and kind is not EventKind.SUCCESS:
        raise Malformed(f"a {name} belongs to success")
    if name == "error" and kind not in (EventKind.FAILED, EventKind.CANCELLED):
        raise Malformed("an error belongs to failed")
    if name in _LIMITS and len(value) > _LIMITS[name]:
        raise Malformed(f"{name} is longer than {_LIMITS[name]} characters")
    if name == "result":
        _check_result(value)
    if name == "spawn":
        _check_spawn(value)
    if name == "progress":
        _check_progress(value)


def _cursor(text: bytes) -> int:
    if len(text) > 12 or not text.isdigit():
        raise ValueError("cursor is not a position")
    return int(text)


def _check_result(value: str) -> None:
    if len(value.encode()) > MAX_RESULT_BYTES:
        raise Malformed(f"result is larger than {MAX_RESULT_BYTES} bytes")
    try:
        dumps(loads(value))  # what is nested too deep can be read, but not shown
    except (ValueError, TypeError) as error:
        raise Malformed("result is not JSON, or nested too deep") from error


def _check_spawn(value: str) -> None:
    try:
        for child in decode_spawn(value):
            template_texts(child.fields)
    except (ValueError, TypeError) as error:
        raise Malformed(str(error)) from error


def _check_progress(value: str) -> None:
    try:
        percent = float(value)
    except ValueError as error:
        raise Malformed("progress is not a number") from error
    if not 0 <= percent <= 100:
        raise Malformed("progress is not within 0..100")
