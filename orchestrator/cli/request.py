"""From words of the command line to the body of `POST /generate`."""

import json
import re
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
    return name, value_of(value)


def value_of(text: str) -> Any:
    """JSON where it is JSON, else the text. NaN is no JSON."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def edits_of(prompt: str | None, params: Sequence[str], fields: Sequence[str]) -> dict[str, Any]:
    """What to change of a task's work: the body of `PATCH /dead-letters/tasks/{id}`. Raises CommandError (USAGE)."""
    body: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    if params:
        body["params"] = dict(variable_of(text, "--param") for text in params)
    if fields:
        body["fields"] = dict(variable_of(text, "--field") for text in fields)
    return body


def owned(
    tenant: str | None, priority: int | None, submitter: str | None, durability: str | None
) -> dict[str, Any]:
    """Members of a body: on whose behalf, and how safe before the answer. Raises CommandError (USAGE)."""
    given = {"tenant": tenant, "priority": priority, "submitter": submitter}
    safe = None if durability is None else durability_of(durability)
    return {name: value for name, value in {**given, "durability": safe}.items() if value is not None}


def durability_of(text: str) -> Any:
    """`memory`, `fsync` or `replicated(n)`, as the API takes it. Raises CommandError (USAGE)."""
    if text in ("memory", "fsync"):
        return text
    if found := re.fullmatch(r"replicated\((\d+)\)", text):
        return {"replicated": int(found[1])}
    raise CommandError(f"--durability {text}: write memory, fsync or replicated(n)", Exit.USAGE)


def because(reason: str, by: str) -> dict[str, str]:
    """The body of a pause or a cancellation: why, and who asks for it."""
    return {name: text for name, text in (("reason", reason), ("by", by)) if text}


def less_durable(reached: Any) -> list[dict[str, str]]:
    """A warning when what was accepted is not as safe as was asked for. `reached`: a `DurabilityOut`."""
    reason = reached["reason"]
    return [{"message": f"accepted, but not as durable as asked: {reason}"}] if reason else []


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
