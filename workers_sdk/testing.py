"""Runs a handler without Redis: for the tests of those who write workers."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .artifacts import Artifact
from .attempt import attempt
from .context import Context, artifacts_of
from .large import artifact_of, load, stored
from .outcome import Done, Outcome, succeeded
from .pools import Pools
from .protocol.keys import scenario_id_from, short_uuid
from .protocol.messages import EventKind, TaskEntry, loads
from .protocol.spawn import Spawned, decode_spawn
from .reference import Reference
from .worker import Worker


@dataclass(frozen=True, slots=True)
class Ran:
    """What a handler did: its result as the next task would see it, or its error.

    Attributes:
        value: JSON of the result, or None. ref: its `result_ref`, or "".
        error: `{"type", "message", "traceback"?}` of a failure, else None.
        progress: all that it said, as (percent, message).
        spawned: the tasks that it made.
    """

    value: Any
    ref: str
    error: dict[str, str] | None
    progress: list[tuple[float, str]]
    spawned: list[Spawned]

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
    ids, references = _references(scenario_id, results or {}, str(artifacts))
    template = {**(fields or {}), **ids, "params": dict(params or {}), "prompt": prompt}
    task_id = short_uuid(scenario_id, name)
    entry = TaskEntry("1-1", worker.options.services[0], task_id, scenario_id, name, 1, "1.test.1", template)
    said: list[tuple[float, str]] = []
    ctx = Context(
        entry,
        references=references,
        artifacts_root=str(artifacts),
        progress=lambda percent, message: None if percent is None else said.append((percent, message)),
    )
    pools = Pools(1, worker.options.kill_after_s, worker.options.seams.clock)
    try:
        handler = worker.handlers.get(name)
        outcome = await attempt(handler, ctx, pools) if handler else worker.handlers.unknown(name)
    finally:
        await pools.close()
    return _ran(_kept(outcome, entry, str(artifacts)), said, ctx)


def _references(
    scenario_id: str, results: Mapping[str, Any], root: str
) -> tuple[dict[str, Any], dict[str, Reference]]:
    ids: dict[str, Any] = {}
    references = {}
    for field, value in results.items():
        values = value if field.endswith("_ids") else [value]
        found = [_reference(scenario_id, f"{field}.{i}", field, item, root) for i, item in enumerate(values)]
        references.update({reference.task_id: reference for reference in found})
        task_ids = [reference.task_id for reference in found]
        ids[field] = task_ids if field.endswith("_ids") else task_ids[0]
    return ids, references


def _reference(scenario_id: str, key: str, name: str, value: Done | Artifact | Any, root: str) -> Reference:
    entry = TaskEntry(
        "1-1", "test-service", short_uuid(scenario_id, key), scenario_id, name, 1, "1.test.1", {}
    )
    return _found(_kept(succeeded(value), entry, root), entry)


def _kept(outcome: Outcome, entry: TaskEntry, root: str) -> Outcome:
    return stored(outcome, artifacts_of(entry, root)) if outcome.large else outcome


def _found(outcome: Outcome, entry: TaskEntry) -> Reference:
    """The task as one that refers to it would find it."""
    if outcome.kind is not EventKind.SUCCESS:
        raise ValueError(f"{entry.name}: {outcome.fields['error']}")
    ref, result = (outcome.fields.get(name, "").encode() for name in ("result_ref", "result"))
    return Reference(entry.task_id, entry.name.encode(), b"success", ref, result)


def _ran(outcome: Outcome, said: list[tuple[float, str]], ctx: Context) -> Ran:
    fields = outcome.fields
    if "error" in fields:
        return Ran(None, "", orjson.loads(fields["error"]), said, [])
    reference = Reference(ctx.task_id, b"", b"", b"", fields.get("result", "").encode())
    artifact = artifact_of(reference)
    value = load(reference, artifact, ctx.artifacts) if artifact else loads(fields.get("result", "null"))
    spawned = decode_spawn(fields["spawn"]) if "spawn" in fields else []
    return Ran(value, fields.get("result_ref", ""), None, said, spawned)
