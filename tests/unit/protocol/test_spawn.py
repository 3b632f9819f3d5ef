"""The field `spawn` of a report: its form and its limits."""

import json
from typing import Any

import pytest

from workers_sdk.protocol.messages import EventKind, Malformed, TaskEvent
from workers_sdk.protocol.spawn import MAX_SPAWN_BYTES, MAX_SPAWNED, decode_spawn

ID = "0" * 16


def item(key: Any = "A_1", **changes: Any) -> dict[str, Any]:
    """A task as it is reported."""
    return {
        "key": key,
        "service": "a-service",
        "name": "A",
        "needs": [],
        "fields": {"prompt": "p"},
        **changes,
    }


def test_what_is_spawned_is_read_in_order() -> None:
    one, two = decode_spawn(json.dumps([item(), item("A_2", needs=["A_1", "A_1"])]))
    assert (one.key, one.service, one.name, one.needs, one.fields) == (
        "A_1",
        "a-service",
        "A",
        [],
        {"prompt": "p"},
    )
    assert two.needs == ["A_1"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[1]",
        "[" * 100_000,
        json.dumps([item(x=1)]),
        json.dumps([item(), item()]),
        json.dumps([item(key="")]),
        json.dumps([item(key="x" * 300)]),
        json.dumps([item(key=["A"])]),
        json.dumps([item(needs=["A_1"])]),
        json.dumps([item(needs=["A_2"]), item("A_2")]),
        json.dumps([item(needs="A")]),
        json.dumps([item(needs=[["A"]])]),
        json.dumps([item(service="Bad:{p0}")]),
        json.dumps([item(service=None)]),
        json.dumps([item(name="")]),
        json.dumps([item(name="a\nb")]),
        json.dumps([item(name="x" * 129)]),
        json.dumps([item(fields=[])]),
        json.dumps([item(fields={"token": "1"})]),
        json.dumps([item(fields={"not a word": "1"})]),
        json.dumps([item(fields={"prompt": "x" * MAX_SPAWN_BYTES})]),
        json.dumps([item(str(n), fields={}) for n in range(MAX_SPAWNED + 1)]),
    ],
)
def test_a_report_that_spawns_nonsense_is_malformed(text: str) -> None:
    flat = ["task_id", ID, "status", "success", "token", "1.x.1", "spawn", text or " "]
    with pytest.raises(Malformed):
        TaskEvent.decode([part.encode() for part in flat])


def test_only_a_success_spawns() -> None:
    spawn = json.dumps([item()])
    TaskEvent(ID, EventKind.SUCCESS, "1.x.1", {"spawn": spawn}).check()
    for kind in (EventKind.PROCESSING, EventKind.PROGRESS, EventKind.FAILED):
        with pytest.raises(Malformed, match="belongs to success"):
            TaskEvent(ID, kind, "1.x.1", {"spawn": spawn}).check()
