"""From words of the command line to the body of `POST /generate`."""

import json
from collections.abc import Sequence
from typing import Any

from .exits import CommandError, Exit


def body_of(name: str, description: str, slides: int | None, variables: Sequence[str]) -> dict[str, Any]:
    """Make the body. Raises CommandError (USAGE) when a variable is not `NAME=VALUE`."""
    body: dict[str, Any] = {"scenario": name}
    if description:
        body["description"] = description
    if slides is not None:
        body["slides_count"] = slides
    if variables:
        body["variables"] = dict(map(variable_of, variables))
    return body


def variable_of(text: str, option: str = "--var") -> tuple[str, Any]:
    """`N=3` is a number, `ON=true` a truth, `TITLE=cats` a text, as is `TITLE="3"`. NaN is no JSON and stays text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise CommandError(f"{option} {text}: write NAME=VALUE", Exit.USAGE)
    try:
        return name, json.loads(value, parse_constant=_refuse)
    except ValueError:
        return name, value


def edits_of(prompt: str | None, params: Sequence[str], fields: Sequence[str]) -> dict[str, Any]:
    """What to change of a task's work: the body of `PATCH /dead-letters/tasks/{id}`. Raises CommandError (USAGE)."""
    body: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    if params:
        body["params"] = dict(variable_of(text, "--param") for text in params)
    if fields:
        body["fields"] = dict(variable_of(text, "--field") for text in fields)
    return body


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
