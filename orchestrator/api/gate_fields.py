"""The value of a gate as a form in HTML, and back. One text, an object of plain members, or JSON in a text box for all else."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

import orjson

from orchestrator.store.gate_records import UNSET, Gate

from .strict_json import BadJson, parse

Json = Any

WHOLE: Final = "value"
MEMBER: Final = "member:"
LONG_CHARS: Final = 120
MOST_MEMBERS: Final = 40
_PLAIN: Final = ("string", "integer", "number", "boolean")


class BadValue(ValueError):
    """What was typed cannot be a value; the text is for who typed it."""


def value_fields(gate: Gate) -> str:
    """Inputs for the value as it stands, as HTML; empty when the gate has none."""
    if not has_value(gate):
        return ""
    if members := _members(gate):
        given = gate.value if isinstance(gate.value, dict) else {}
        return "".join(_member(name, schema, given.get(name)) for name, schema in members.items())
    if _is_text(gate):
        return _area("Value", WHOLE, gate.value or "")
    shown = orjson.dumps(gate.value, option=orjson.OPT_INDENT_2).decode()
    form = orjson.dumps(gate.facts.form, option=orjson.OPT_INDENT_2).decode()
    help_text = f"<details><summary>Its form</summary><pre>{escape(form)}</pre></details>"
    return _area("Value (JSON)", WHOLE, shown) + (help_text if gate.facts.form is not None else "")


def read_value(gate: Gate, sent: Mapping[str, str]) -> Json:
    """The value that was sent; UNSET when it is the one that was shown. Raises BadValue."""
    if not has_value(gate):
        return UNSET
    if members := _members(gate):
        return _read_members(gate, members, sent)
    if WHOLE not in sent:
        return UNSET
    text = lines(sent[WHOLE])
    if _is_text(gate):
        return UNSET if gate.value is not None and text == lines(gate.value) else text
    try:
        return parse(text.encode())
    except BadJson as error:
        raise BadValue(f"The value is not JSON: {error}") from error


def has_value(gate: Gate) -> bool:
    """Whether there is anything to look at and change."""
    return gate.facts.form is not None or gate.value is not None


def lines(text: str) -> str:
    """Browsers send other ends of lines than they were given."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_text(gate: Gate) -> bool:
    form = gate.facts.form
    if form is None:
        return isinstance(gate.value, str)
    return form.get("type") == "string" and (gate.value is None or isinstance(gate.value, str))


def _members(gate: Gate) -> dict[str, dict[str, Json]]:
    """Members of the value with their schemas, when all are plain; else none."""
    form = gate.facts.form
    known = form.get("properties") if isinstance(form, dict) and form.get("type") == "object" else None
    if not isinstance(known, dict) or not 0 < len(known) <= MOST_MEMBERS:
        return {}
    given = gate.value if isinstance(gate.value, dict) else {}
    fits = gate.value is None or isinstance(gate.value, dict)
    plain = all(_is_plain(schema, given.get(name)) for name, schema in known.items())
    return known if fits and plain and set(given) <= set(known) else {}


def _is_plain(schema: Json, value: Json) -> bool:
    if not isinstance(schema, dict) or isinstance(value, dict | list):
        return False
    choices = schema.get("enum")
    if choices is not None:
        return isinstance(choices, list) and all(isinstance(one, str) for one in [*choices, value or ""])
    kind = schema.get("type")
    if kind == "string" or value is None:
        return kind in _PLAIN and isinstance(value, str | None)
    return kind in _PLAIN and isinstance(value, bool) == (kind == "boolean") and not isinstance(value, str)


def _member(name: str, schema: Mapping[str, Json], value: Json) -> str:
    label, field = str(schema.get("title") or name), MEMBER + name
    hint = str(schema.get("description") or "")
    small = f"<small>{escape(hint)}</small>" if hint else ""
    if "enum" in schema:
        return _choice(label, field, ["", *schema["enum"]], value) + small
    if schema["type"] == "boolean":
        return _choice(label, field, ["", "true", "false"], _shown(value)) + small
    longest = schema.get("maxLength")
    is_short = isinstance(longest, int) and longest <= LONG_CHARS
    if schema["type"] == "string" and not is_short:
        return _area(label, field, value or "") + small
    return (
        f'<label>{escape(label)}<input name="{escape(field)}" value="{escape(_shown(value))}"></label>{small}'
    )


def _choice(label: str, field: str, choices: list[str], chosen: Json) -> str:
    options = "".join(
        f'<option value="{escape(one)}"{" selected" if one == (chosen or "") else ""}>{escape(one)}</option>'
        for one in choices
    )
    return f'<label>{escape(label)}<select name="{escape(field)}">{options}</select></label>'


def _area(label: str, field: str, text: str) -> str:
    # The first line break after the tag is no part of the text.
    inner = f"\n{escape(text)}"
    return f'<label>{escape(label)}<textarea name="{escape(field)}" rows="8">{inner}</textarea></label>'


def _shown(value: Json) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return orjson.dumps(value).decode()


def _read_members(gate: Gate, members: Mapping[str, Mapping[str, Json]], sent: Mapping[str, str]) -> Json:
    """A member whose box was left as it was keeps its value; an empty box that had none leaves the member out."""
    given = gate.value if isinstance(gate.value, dict) else {}
    value = {}
    for name, schema in members.items():
        text = lines(sent.get(MEMBER + name, _shown(given.get(name))))
        if text == lines(_shown(given.get(name))):
            if name in given:
                value[name] = given[name]
        elif text != "" or ("enum" not in schema and schema["type"] == "string"):
            value[name] = _typed(name, schema, text)
    return UNSET if value == given and gate.value is not None else value


def _typed(name: str, schema: Mapping[str, Json], text: str) -> Json:
    if "enum" in schema or schema["type"] == "string":
        return text
    try:
        return parse(text.strip().encode())
    except BadJson as error:
        raise BadValue(f"{schema.get('title') or name} is not a {schema['type']}.") from error
