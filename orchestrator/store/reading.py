"""Records from raw hashes. Readers tolerate missing and unknown fields: an older or newer replica may have written."""

from collections.abc import Sequence
from typing import Any, Final

from workers_sdk.protocol.messages import ENGINE_FIELDS, Malformed, Status, fields_of, loads, template_values

from .records import Group, Json, Owner, ScenarioRecord, TaskRecord
from .task_ids import PIECES, added_ids

LISTED: Final = (
    "scenario_id", "name", "version", "status", "total", *(s.value for s in Status),
    "created_at", "updated_at", "finished_at", "template_hash", "error", "created_ms", "paused",
    "tenant", "priority", "submitter", "batch", "state",
)  # fmt: skip
"""Fields of a scenario that a listing needs; `task_ids` and `variables` may be long."""


def scenario_record(flat: list[bytes]) -> ScenarioRecord | None:
    """Scenario from a flat hash reply; None when the hash does not exist."""
    text = _text(flat)
    if "status" not in text:
        return None
    return ScenarioRecord(
        scenario_id=text["scenario_id"],
        name=text.get("name", ""),
        version=text.get("version", ""),
        status=Status(text["status"]),
        total=int(text.get("total", 0)),
        counts={status: int(text.get(status.value) or 0) for status in Status},
        created_at=text.get("created_at", ""),
        updated_at=text.get("updated_at", ""),
        finished_at=text.get("finished_at", ""),
        variables=_json(text, "variables", {}),
        task_ids=_task_ids(text),
        template_hash=text.get("template_hash", ""),
        warnings=_json(text, "warnings", []),
        error=_json(text, "error", None),
        cancel=_json(text, "cancel", None),
        paused=_json(text, "paused", None),
        tolerated=int(text.get("tolerated") or 0),
        parent=text.get("parent", ""),
        depth=int(text.get("depth") or 0),
        origin=_json(text, "origin", None),
        reruns=text.get("reruns", "").split(),
        owner=Owner(text.get("tenant", ""), _priority(text), text.get("submitter", "")),
        batch_id=text.get("batch", ""),
        machine=text.get("machine", ""),
        state=text.get("state", ""),
    )


def listed_record(values: Sequence[bytes | None]) -> ScenarioRecord | None:
    """Scenario from the values of `LISTED`; None when the hash does not exist."""
    flat = [
        part
        for name, value in zip(LISTED, values, strict=True)
        if value is not None
        for part in (name.encode(), value)
    ]
    return scenario_record(flat)


def task_record(flat: list[bytes]) -> TaskRecord | None:
    """Task from a flat hash reply; None when the hash does not exist."""
    text = _text(flat)
    if "status" not in text:
        return None
    return TaskRecord(
        id=text["id"],
        scenario_id=text["scenario_id"],
        service=text["service"],
        name=text.get("name", ""),
        status=Status(text["status"]),
        queue=int(text.get("queue", 0)),
        consumers=_json(text, "consumers", []),
        created_at=text.get("created_at", ""),
        updated_at=text.get("updated_at", ""),
        started_at=text.get("started_at", ""),
        finished_at=text.get("finished_at", ""),
        attempt=int(text.get("attempt") or 0),
        token=text.get("token", ""),
        worker=text.get("worker", ""),
        result_ref=text.get("result_ref", ""),
        result=_json(text, "result", None),
        error=_json(text, "error", None),
        progress=float(text["progress"]) if text.get("progress") else None,
        message=text.get("message", ""),
        fields=_template_values(text),
        rules=_json(text, "rules", {}),
        on_ready=_json(text, "on_ready", {}),
        policy=_json(text, "policy", {}),
        group=_group(text),
        children_failed=int((text.get("got") or "0 0").split()[-1]),
        delayed="delayed" in text,
        is_late=text.get("released") == "0",
        child_scenario_id=text.get("child_scenario_id", ""),
        fingerprint=text.get("fingerprint", ""),
    )


def _task_ids(text: dict[str, str]) -> Any:
    first = _json(text, "task_ids", [])
    return [*first, *added_ids(text)] if PIECES in text else first


def _priority(text: dict[str, str]) -> int | None:
    return int(text["priority"]) if text.get("priority") else None


def _group(text: dict[str, str]) -> Group | None:
    """`written total token`, see spawn.lua."""
    if not (parts := text.get("group", "").split(" ")) or len(parts) != 3:
        return None
    return Group(int(parts[0]), int(parts[1]))


def _template_values(text: dict[str, str]) -> dict[str, Json]:
    own = {name: value for name, value in text.items() if name not in ENGINE_FIELDS and name != "name"}
    try:
        return template_values(own)
    except Malformed:  # written by a foreign hand: shown as it stands
        return dict(own)


def _text(flat: list[bytes]) -> dict[str, str]:
    return {name: value.decode(errors="replace") for name, value in fields_of(flat).items()}


def _json(text: dict[str, str], name: str, default: Json) -> Json:
    """A JSON field. What is not JSON (a foreign worker may have written it) is shown as its text."""
    if not (value := text.get(name)):
        return default
    try:
        return loads(value)
    except ValueError:
        return value
