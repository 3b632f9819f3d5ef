"""Entries and reports survive the wire, and nothing else gets through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers_sdk.protocol.messages import (
    RESERVED_FIELDS,
    EventKind,
    Malformed,
    TaskEntry,
    TaskEvent,
    template_texts,
    template_values,
)

names = st.from_regex(r"\A[a-z_]{1,12}\Z").filter(
    lambda name: name not in RESERVED_FIELDS and name.isidentifier() and name != "params"
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(names, json_values), st.dictionaries(texts, json_values, max_size=3))
def test_template_fields_keep_their_types(fields: dict[str, Any], params: dict[str, Any]) -> None:
    values = {**fields, "params": params}

    assert template_values(template_texts(values)) == values


@pytest.mark.parametrize("prompt", ["[1]", '{"a":1}', "null", "12", "", "{{ 7*7 }}", "a\nb", "\ue000"])
def test_a_prompt_stays_text_whatever_it_looks_like(prompt: str) -> None:
    assert template_values(template_texts({"prompt": prompt}))["prompt"] == prompt


@pytest.mark.parametrize("name", ["token", "status", "name", "json_fields", "a b", "a-b", ""])
def test_names_that_the_engine_needs_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="template fields"):
        template_texts({name: "x"})


def test_an_entry_reads_back() -> None:
    flat = [
        b"id",
        b"t1",
        b"scenario_id",
        b"s1",
        b"attempt",
        b"2",
        b"token",
        b"2.n.1",
        b"name",
        b"CreateText",
        b"prompt",
        b"[1]",
    ]

    entry = TaskEntry.decode("text-service", b"1-0", flat)

    assert (entry.task_id, entry.attempt, entry.token, entry.fields) == ("t1", 2, "2.n.1", {"prompt": "[1]"})


@pytest.mark.parametrize(
    "flat",
    [
        [],
        [b"id", b"t1"],
        [b"id", b"\xff", b"scenario_id", b"s", b"attempt", b"1", b"token", b"t", b"name", b"n"],
        [b"id", b"t", b"scenario_id", b"s", b"attempt", b"one", b"token", b"t", b"name", b"n"],
        [b"\xff", b"t"],
        [b"id", b"t", b"scenario_id", b"s", b"attempt", b"1", b"token", b"t", b"name", b"n", b"params", b"{"],
    ],
)
def test_a_malformed_entry_is_told_apart(flat: list[bytes]) -> None:
    with pytest.raises(Malformed):
        _ = TaskEntry.decode("text-service", b"1-0", flat).fields


NEVER_IN_A_STREAM = (EventKind.CANCELLED, EventKind.GO, EventKind.DELAY, EventKind.HOLD, EventKind.SKIPPED)


@given(
    st.sampled_from([kind for kind in EventKind if kind not in NEVER_IN_A_STREAM]),
    texts,
    st.dictionaries(st.sampled_from(["worker", "message"]), texts.filter(lambda t: len(t) < 200)),
)
def test_a_report_reads_back(kind: EventKind, token: str, fields: dict[str, str]) -> None:
    event = TaskEvent("0" * 16, kind, "1.n." + str(len(token)), fields)

    assert TaskEvent.decode([part.encode() for part in event.encode()]) == event


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", b"done"),
        ("status", b"\xff"),
        ("task_id", "ы".encode()),
        ("result", b"{"),
        ("result", b'"' + b"x" * 65_536 + b'"'),
        ("result", b"NaN"),
        ("result_ref", b"x" * 2_049),
        ("progress", b"nan"),
        ("progress", b"101"),
        ("progress", b"half"),
        ("error", b"x" * 16_001),
        ("cursor", b"x"),
    ],
)
def test_a_report_over_its_limits_is_refused(name: str, value: bytes) -> None:
    fields = {b"task_id": b"0" * 16, b"status": b"success", b"token": b"t", name.encode(): value}

    with pytest.raises(Malformed):
        TaskEvent.decode([part for pair in fields.items() for part in pair])


@pytest.mark.parametrize(
    ("kind", "name"),
    [("processing", "result"), ("progress", "result_ref"), ("failed", "result"), ("success", "error")],
)
def test_what_an_attempt_may_not_say_yet_is_refused(kind: str, name: str) -> None:
    """A result sent with `processing` became the result of the next attempt."""
    flat = [b"task_id", b"0" * 16, b"status", kind.encode(), b"token", b"t", name.encode(), b"1"]

    with pytest.raises(Malformed, match="belongs to"):
        TaskEvent.decode(flat)
