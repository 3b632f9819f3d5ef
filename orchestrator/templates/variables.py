"""The variables of one request: declared defaults, changed by what was given, within their types."""

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.templates.problems import Finding, did_you_mean, shown
from orchestrator.templates.state import MAX_INT

Json = Any
_WORDS = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a mapping",
}


def effective(
    declared: Mapping[str, Json], given: Mapping[str, Json], max_depth: int
) -> tuple[dict[str, Json], list[Finding]]:
    """Declared defaults with the given values over them, and what is wrong with the given ones."""
    findings: list[Finding] = []
    for name, value in given.items():
        path = ("variables", str(name))
        if name not in declared:
            hint = did_you_mean(str(name), declared) or f"declared are: {', '.join(declared) or 'none'}"
            findings.append(
                Finding(
                    "unknown_variable",
                    f"{shown(name)} is not a variable of this template",
                    path=path,
                    hint=hint,
                )
            )
        elif not _fits(value, declared[name]):
            message = f"{name} is {_WORDS[type(declared[name])]}, not {shown(value)}"
            findings.append(Finding("wrong_type", message, path=path))
        else:
            problem = _not_json(value, max_depth)
            if problem:
                findings.append(Finding("not_json", f"{name}: {problem}", path=path))
    return {**declared, **given}, findings


def _fits(value: Json, default: Json) -> bool:
    if default is None:
        return True
    if type(default) is float:
        return type(value) in (int, float)
    return type(value) is type(default)


def _not_json(value: object, depth: int) -> str:
    """Why a value cannot be JSON; empty when it can."""
    kind = type(value)
    if kind is str:
        return _not_unicode(value)  # type: ignore[arg-type]
    if kind in (bool, type(None)):
        return ""
    if isinstance(value, (int, float)):
        fine = abs(value) <= MAX_INT if isinstance(value, int) else math.isfinite(value)
        return "" if fine else "a number is out of range; send it as text"
    if depth <= 0:
        return "nested too deeply"
    if kind is list:
        return next((why for item in value if (why := _not_json(item, depth - 1))), "")  # type: ignore[attr-defined]
    if kind is dict:
        return _not_json_map(value, depth)  # type: ignore[arg-type]
    return f"a {kind.__name__} is not JSON"


def _not_json_map(value: dict[object, object], depth: int) -> str:
    for key, item in value.items():
        why = _not_json(item, depth - 1) or (
            _not_unicode(key) if isinstance(key, str) else "a key is not text"
        )
        if why:
            return why
    return ""


def _not_unicode(text: str) -> str:
    if text.isascii():
        return ""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "a text holds half of a surrogate pair"
    return ""
