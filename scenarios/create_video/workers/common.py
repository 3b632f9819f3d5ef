"""What the four workers share: reading what other tasks left, and telling failures in plain words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from workers_sdk import Artifact, Context, Done, Fail, Result

from ..errors import ProviderError

SMALLEST = (160, 90)
LARGEST_SIDE = 4096
MAX_SLIDES = 50
_RESOLUTION = re.compile(r"(\d{2,5})\s*[xX×]\s*(\d{2,5})")


def parse_resolution(text: str) -> tuple[int, int]:
    """Width and height of `1920x1080`. Raises ValueError for another form, below 160x90 or a side above 4096."""
    match = _RESOLUTION.fullmatch(text.strip())
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if (
        min(width, height) < SMALLEST[1]
        or max(width, height) < SMALLEST[0]
        or max(width, height) > LARGEST_SIDE
    ):
        raise ValueError(
            f"a resolution is written 1920x1080, from 160x90 up to {LARGEST_SIDE} a side, not {text!r}"
        )
    return width, height


def _checked_resolution(text: str) -> str:
    if text:
        parse_resolution(text)
    return text


Resolution = Annotated[str, AfterValidator(_checked_resolution)]


class Params(BaseModel):
    """Base of all params: unknown ones are let pass, so that a template may carry its own."""

    model_config = ConfigDict(extra="allow")


@contextmanager
def told_plainly() -> Iterator[None]:
    """Let a provider's failure fail the task with its own words and code."""
    try:
        yield
    except ProviderError as error:
        raise Fail(str(error), code=error.code) from error


def number_of(ctx: Context, name: str) -> int | None:
    """A whole number above 0 from a field of the task or from its params (there also as text); None without one."""
    for source in (ctx.fields, ctx.params):
        value = str(source.get(name, ""))
        if value.isascii() and value.isdigit() and 0 < int(value) <= 10_000:
            return int(value)
    return None


def referred(ctx: Context, field: str) -> Result | None:
    """Result of the task that a field refers to; None when the template has no such field."""
    return ctx.result(field) if ctx.fields.get(field) else None


def as_text(ctx: Context, result: Result) -> dict[str, Any]:
    """The text another task left: its JSON object, or its plain words as `text`, read from the artifact if need be.

    Workers in other languages may leave any of these. Raises Fail when there is no text.
    """
    value = result.value
    if isinstance(value, dict) and "text" in value:
        return value
    if isinstance(value, str) and value.strip():
        return {"text": value}
    if result.ref:
        return {"text": ctx.artifacts.get(result.ref).decode("utf-8", errors="replace")}
    raise Fail(f"task {result.name} left no text", code="bad_input")


def done(artifact: Artifact, **facts: Any) -> Done:
    """The result of a task that made a file: its URI, and facts about it."""
    return Done(ref=artifact.uri, value={**facts, "artifact": asdict(artifact)})
