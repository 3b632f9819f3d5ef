"""The value of a gate as inputs of a page, and what was sent back as a value."""

import re
from html import unescape
from typing import Any

import pytest

from orchestrator.api.gate_fields import BadValue, read_value, value_fields
from orchestrator.store.gate_records import UNSET, Gate

from .test_voting import gate

PLAIN = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 80, "title": "Title"},
        "text": {"type": "string", "description": "The whole text"},
        "slides": {"type": "integer"},
        "voice": {"type": "string", "enum": ["low", "high"]},
        "loud": {"type": "boolean"},
    },
}


def sent_unchanged(page: str) -> dict[str, str]:
    """What a browser sends when nothing was touched."""
    found = dict(re.findall(r'<input name="([^"]+)" value="([^"]*)"', page))
    # The first line break in the tag is no part of the text, and a browser sends CRLF.
    for name, text in re.findall(r'<textarea name="([^"]+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL):
        found[name] = text.replace("\n", "\r\n")
    for name, options in re.findall(r'<select name="([^"]+)">(.*?)</select>', page):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return {unescape(name): unescape(text) for name, text in found.items()}


VALUES = [
    gate(value='one\ntwo\n\n<b>"three"</b> {{ x }}'),
    gate(value="\n"),
    gate(value="Привет 🎬"),
    gate(value={"a": [1, 2.5, None, True]}),
    gate(value=5),
    gate(value=None),
    gate(value="text", form={"type": "string"}),
    gate(value={"title": "T", "text": "a\nb", "slides": 3, "voice": "low", "loud": False}, form=PLAIN),
    gate(value={"title": "T"}, form=PLAIN),
    gate(value={"other": 1}, form=PLAIN),
    gate(value=[1], form=PLAIN),
]


@pytest.mark.parametrize("shown", VALUES, ids=lambda one: str(one.value)[:20])
def test_a_page_that_nobody_touched_changes_nothing(shown: Gate) -> None:
    page = value_fields(shown)
    found = read_value(shown, sent_unchanged(page))

    assert found is UNSET or found == shown.value
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("shown", "sent", "value"),
    [
        (gate(value="a"), {"value": "b\r\nc"}, "b\nc"),
        (gate(value="a"), {}, UNSET),
        (gate(value=None), {"value": "x"}, UNSET),
        (gate(value=None, form={"type": "string"}), {"value": ""}, ""),
        (gate(value=None, form={}), {"value": "[1]"}, [1]),
        (
            gate(value={"title": "T", "slides": 3}, form=PLAIN),
            {"member:title": "U"},
            {"title": "U", "slides": 3},
        ),
        (gate(value={"slides": 3}, form=PLAIN), {"member:slides": "4"}, {"slides": 4}),
        (gate(value={"slides": 3}, form=PLAIN), {"member:slides": ""}, {}),
        (gate(value={"voice": "low"}, form=PLAIN), {"member:voice": ""}, {}),
        (gate(value={"title": "T"}, form=PLAIN), {"member:title": ""}, {"title": ""}),
        (gate(value=None, form=PLAIN), {"member:loud": "true", "member:title": ""}, {"loud": True}),
        (gate(value=None, form=PLAIN), {}, {}),
    ],
)
def test_what_was_typed_becomes_a_value(shown: Gate, sent: dict[str, str], value: Any) -> None:
    assert read_value(shown, sent) == value


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        (gate(value=[1]), {"value": "[1"}),
        (gate(value=[1]), {"value": "NaN"}),
        (gate(value={"slides": 3}, form=PLAIN), {"member:slides": "many"}),
    ],
)
def test_what_cannot_be_read_is_told(shown: Gate, sent: dict[str, str]) -> None:
    with pytest.raises(BadValue):
        read_value(shown, sent)


def test_names_and_texts_cannot_leave_their_place() -> None:
    evil = '"><script>alert(1)</script>'
    schema = {"type": "object", "properties": {evil: {"type": "string", "title": evil, "description": evil}}}
    page = value_fields(gate(value={evil: evil + "</textarea>"}, form=schema))

    assert "<script>" not in page
    assert page.count("</textarea>") == 1
