"""Records as the scripts take them: flat lists of text."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from workers_sdk.protocol.messages import EventKind, TaskEvent, dumps, loads, template_texts

from .fingerprint import fingerprint
from .records import NewScenario, NewTask, Owner

MAX_SCENARIO_BYTES: Final = 32 * 1024 * 1024
"""Encoded tasks of one submission. It is one stream entry, and Redis answers nobody while it takes it in."""


MAX_DELAY_MS: Final = 31 * 24 * 3_600_000
"""Longest wait for a next attempt that a handler may ask for."""

TIMEOUTS: Final = frozenset(("queue_timeout", "run_timeout", "heartbeat_timeout", "total_timeout"))
"""Types of the errors by which the engine ends an attempt."""


class ScenarioTooLarge(ValueError):
    """The tasks of a scenario are too large to be kept in Redis; large inputs belong into artifacts."""


def hashed(key: str) -> str:
    """A client's key is any text; hashed it can forge no key name."""
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


def scenario_fields(scenario: NewScenario) -> list[str | bytes]:
    return [
        *("name", scenario.name, "version", scenario.version, "template_hash", scenario.template_hash),
        *(
            "variables",
            dumps(scenario.variables),
            "task_ids",
            dumps(scenario.task_ids),
            "warnings",
            dumps(scenario.warnings),
        ),
        *(("parent", scenario.parent, "depth", str(scenario.depth)) if scenario.parent else ()),
        *(("origin", dumps(scenario.origin)) if scenario.origin else ()),
        *_owner_fields(scenario.owner),
        *(("machine", scenario.machine) if scenario.machine else ()),
    ]


def _owner_fields(owner: Owner) -> list[str]:
    """The tenant is written by the script, which counts it."""
    fields = ["submitter", owner.submitter] if owner.submitter else []
    return fields + (["priority", str(owner.priority)] if owner.priority is not None else [])


def encoded(tasks: Sequence[NewTask], chunk: int) -> list[str | bytes]:
    """Tasks as they wait in `scenarios`: the size of a chunk, then the chunks, each a JSON list for materialize.lua.

    Raises:
        ScenarioTooLarge: together they are over `MAX_SCENARIO_BYTES`.
    """
    flat: list[str | bytes] = ["chunk", str(chunk)]
    size = 0
    for data in chunks_of(tasks, chunk):
        flat += ("tasks", data)
        size += len(data)
    if size > MAX_SCENARIO_BYTES:
        raise ScenarioTooLarge(f"the tasks take {size} bytes, more than {MAX_SCENARIO_BYTES}")
    return flat


def chunks_of(tasks: Sequence[NewTask], chunk: int) -> list[bytes]:
    """Tasks as create.lua takes them, `chunk` a list."""
    return [
        dumps([_task_arguments(task) for task in tasks[first : first + chunk]])
        for first in range(0, len(tasks), chunk)
    ]


def _task_arguments(task: NewTask) -> list[str]:
    """A task as materialize.lua takes it: id, service, queue, consumers, policy, rules, on_ready, then the fields that travel to the
    worker."""
    policy = dumps(task.policy).decode() if task.policy else ""
    flat = [task.id, task.service, str(task.queue), _id_list(task.consumers), policy]
    flat += (_json_or_empty(task.rules), _json_or_empty(task.on_ready), "name", task.name)
    for pair in (*template_texts(task.fields).items(), *task.known.items()):
        flat += pair
    return flat


def _json_or_empty(value: Mapping[str, Any] | None) -> str:
    return dumps(value).decode() if value else ""


def _id_list(ids: Sequence[str]) -> str:
    """JSON list of ids, which need no escaping."""
    return '["' + '","'.join(ids) + '"]' if ids else "[]"


def report_arguments(events: Iterable[TaskEvent], *, by_http: bool, max_lost: int) -> list[str | int]:
    """Reports as advance.lua takes them."""
    flat: list[str | int] = []
    for event in events:
        way = _way(event, by_http=by_http)
        fields = event.fields
        if event.kind is EventKind.FAILED:
            fields = failure_fields(fields, max_lost)
            if event.by_engine and fields["error_type"] not in TIMEOUTS:
                fields["fingerprint"] = ""  # no attempt failed
        flat += (event.task_id, event.kind, event.token, way, event.cursor, 2 * len(fields))
        for pair in fields.items():
            flat += pair
    return flat


def _way(event: TaskEvent, *, by_http: bool) -> str:
    if event.by_engine:
        return "engine"
    return "http" if by_http else "acked" if event.acked else "stream"


def failure_fields(fields: Mapping[str, str], max_lost: int) -> dict[str, str]:
    """Fields of a failure with what the policy of its task asks for: the error's type, and what the handler said of a
    next attempt. Text that is no JSON object becomes the message of one."""
    error = _object(fields.get("error", ""))
    try:
        text = dumps(error).decode()
    except TypeError:  # nested deeper than can be written again
        error = {"type": "failed", "message": "the error is nested too deep"}
        text = dumps(error).decode()
    more = {"error": text, "error_type": str(error["type"])[:200], "retry": _hint(error, max_lost)}
    return {**fields, **more, "fingerprint": fingerprint(error)}


def _hint(error: Mapping[str, Any], max_lost: int) -> str:
    after_ms = error.get("retry_after_ms")
    if error.get("retry") is False:
        return "never"
    if error.get("lost") is True:
        return f"lost {max_lost}"
    return str(after_ms) if _is_delay(after_ms) else ""


def _object(text: str) -> dict[str, Any]:
    try:
        value = loads(text)
    except ValueError:
        value = text
    found = value if isinstance(value, dict) else {"message": str(value)}
    return {"type": "failed", "message": "", **found}


def _is_delay(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_DELAY_MS
