"""`retry` of a task: how often and when a failed attempt is followed by another."""

import re
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from orchestrator.templates.tree import Json

LONGEST_MS: Final = 31 * 24 * 3_600_000
_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)?")


def milliseconds(value: object) -> int:
    """`500ms`, `5s`, `2m`, `1.5h`, `7d`, or a number of seconds. Raises PydanticCustomError."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    found = _DURATION.fullmatch(str(value).strip()) if plain or isinstance(value, str) else None
    ms = round(float(found[1]) * _UNITS[found[2] or "s"]) if found else -1
    if not 0 <= ms <= LONGEST_MS:
        raise PydanticCustomError(
            "bad_duration", "a time is a number of seconds, or 500ms, 5s, 2m, 1h, 7d, at most 31 days"
        )
    return ms


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _short(value: object) -> object:
    """`retry: 3` is short for its number of attempts."""
    value = _whole(value)
    return {"max_attempts": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _names(value: object) -> object:
    return [value] if isinstance(value, str) else value


Duration = Annotated[
    int,
    BeforeValidator(milliseconds),
    WithJsonSchema({"type": ["string", "number"], "examples": ["500ms", "5s", "2m", "1h", "7d"]}),
]
Errors = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], BeforeValidator(_names)]


class RetryForm(BaseModel):
    """When a failed attempt is followed by another. Attempts whose worker was lost are not counted here."""

    model_config = ConfigDict(extra="forbid", title="Retry")

    max_attempts: Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=1, le=1_000)] = Field(
        3, description="Most failed attempts; the last one fails the task."
    )
    delay: Duration = Field(1_000, description="Wait before the second attempt.")
    factor: Annotated[float, Field(ge=1, le=100)] = Field(2.0, description="Each wait is so much longer.")
    max_delay: Duration = Field(600_000, description="Longest wait.")
    jitter: bool = Field(
        True, description="Wait anywhere below the bound, so that not all come back at once."
    )
    only: Errors | None = Field(None, description="Types of errors that are tried again; by default all.")
    never: Errors = Field(default_factory=list, description="Types of errors that are not.")


Retry = Annotated[
    RetryForm,
    BeforeValidator(_short),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, RetryForm.model_json_schema()]}),
]


def policy_of(value: Json) -> dict[str, Any] | None:
    """A checked `retry` as the store takes it, times in milliseconds; None without one."""
    if value is None:
        return None
    form = RetryForm.model_validate(_short(value)).model_dump()
    delays = {"delay_ms": form.pop("delay"), "max_delay_ms": form.pop("max_delay")}
    return {**form, **delays}
