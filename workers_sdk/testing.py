"""Runs a handler without Redis: for the tests of those who write workers."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .artifacts import Artifact
from .attempt import attempt
from .context import Context, Reference
from .outcome import Done, succeeded
from .pools import Pools
from .protocol.keys import scenario_id_from, short_uuid
from .protocol.messages import EventKind, TaskEntry, loads
from .worker import Worker


@dataclass(frozen=True, slots=True)
class Ran:
    """What a handler did: its result as the next task would see it, or its error.

    Attributes:
        value: JSON of the result, or None. ref: its `result_ref`, or "".
        error: `{"type", "message", "traceback"?}` of a failure, else None.
        progress: all that it said, as (percent, message).
    """

    value: Any
    ref: str
    error: dict[str, str] | None
    progress: list[tuple[float, str]]

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.error is None


async def run_handler(
    worker: Worker,
    name: str,
    *,
    params: Mapping[str, Any] | None = None,
    prompt: str = "",
    results: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    artifacts: Path | str = "memory://",
) -> Ran:
    """Run the handler of a task name once, exactly as a worker would, where a worker would.

    Args:
        results: what the tasks referred to have returned: `{"text_task_id": {"text": ...}, "slide_ids": [a, b]}`; each
            a JSON value, an `Artifact` or a `Done`. A field whose name ends in `_ids` takes a list of them.
        fields: other fields of the template.
        artifacts: root of the artifact store.

    Raises:
        ValueError: a value of `results` cannot be a result.
    """
    scenario_id = scenario_id_from(secrets.token_bytes(10))
    ids, references = _references(scenario_id, results or {})
    template = {**(fields or {}), **ids, "params": dict(params or {}), "prompt": prompt}
    task_id = short_uuid(scenario_id, name)
    entry = TaskEntry("1-1", worker.options.services[0], task_id, scenario_id, name, 1, "1.test.1", template)
    said: list[tuple[float, str]] = []
    ctx = Context(
        entry,
        references=references,
        artifacts_root=str(artifacts),
        progress=lambda percent, message: said.append((percent, message)),
    )
    pools = Pools(1)
    try:
        handler = worker.handlers.get(name)
        outcome = await attempt(handler, ctx, pools) if handler else worker.handlers.unknown(name)
    finally:
        pools.close()
    return _ran(outcome.fields, said)


def _references(scenario_id: str, results: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Reference]]:
    ids: dict[str, Any] = {}
    references = {}
    for field, value in results.items():
        values = value if field.endswith("_ids") else [value]
        found = [
            _reference(short_uuid(scenario_id, f"{field}.{i}"), field, item) for i, item in enumerate(values)
        ]
        references.update({reference.task_id: reference for reference in found})
        task_ids = [reference.task_id for reference in found]
        ids[field] = task_ids if field.endswith("_ids") else task_ids[0]
    return ids, references


def _reference(task_id: str, field: str, value: Done | Artifact | Any) -> Reference:
    outcome = succeeded(value)
    if outcome.kind is not EventKind.SUCCESS:
        raise ValueError(f"{field}: {outcome.fields['error']}")
    ref, result = (outcome.fields.get(name, "").encode() for name in ("result_ref", "result"))
    return Reference(task_id, field.encode(), b"success", ref, result)


def _ran(fields: Mapping[str, str], said: list[tuple[float, str]]) -> Ran:
    value = loads(fields["result"]) if "result" in fields else None
    error = orjson.loads(fields["error"]) if "error" in fields else None
    return Ran(value, fields.get("result_ref", ""), error, said)
