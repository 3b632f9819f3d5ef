"""Small values of the format: durations, moments, flags, whole numbers. Each reads what `"{{ }}"` gives, too."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

LONGEST_MS: Final = 31 * 24 * 3_600_000
_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)?", re.ASCII)
_RATE: Final = re.compile(
    r"(\d{1,7})\s*/\s*((?:\d{1,9}(?:\.\d{1,3})?\s*)?(?:ms|s|min|m|h|d))(?:[\s,]+burst\s+(\d{1,7}))?", re.ASCII
)
FROM_JINJA: Final = {"type": "string", "pattern": r"\{\{.*\}\}|^[0-9]+$"}


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


def _positive_ms(value: object) -> int:
    ms = milliseconds(value)
    if ms == 0:
        raise PydanticCustomError("bad_duration", "this time is longer than 0")
    return ms


def rate_of(text: str) -> dict[str, int]:
    """`10/s`, `100/min`, `5/30s`, `60/m burst 5` as `count`, `per_ms`, `burst`. Raises PydanticCustomError."""
    found = _RATE.fullmatch(text.strip())
    if not found:
        raise PydanticCustomError(
            "bad_rate", "a rate is written as 10/s, 100/min, 5/30s, 1000/h or 60/m burst 5"
        )
    period = found[2].replace("min", "m")
    per_ms = _positive_ms(period if period[0].isdigit() else f"1{period}")
    return {"count": int(found[1]), "per_ms": per_ms, "burst": int(found[3] or 1)}


def moment_ms(value: object) -> int:
    """`2026-01-01T10:00:00Z`, with any offset, without one in UTC; milliseconds since 1970. Raises PydanticCustomError."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        utc = moment and (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        utc = None
    if utc is None or utc.year < 1970:
        raise PydanticCustomError("bad_moment", "a moment is written as 2026-01-01T10:00:00Z")
    return round(utc.timestamp() * 1_000)


def whole(value: object) -> object:
    """A text of digits as a number."""
    return (
        int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10
        else value
    )


def several(value: object) -> object:
    """One word as a list of it."""
    return [value] if isinstance(value, str) else value


def is_true(value: object) -> bool:
    """Whether a checked flag is set."""
    return value is True or value == "true"


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


_A_DURATION: Final = {"type": ["string", "number"], "examples": ["500ms", "5s", "2m", "1h", "7d"]}
Duration = Annotated[int, BeforeValidator(milliseconds), WithJsonSchema(_A_DURATION)]
Span = Annotated[int, BeforeValidator(_positive_ms), WithJsonSchema(_A_DURATION)]
"""A duration that is not 0."""
Moment = Annotated[
    int,
    BeforeValidator(moment_ms),
    WithJsonSchema({"type": "string", "examples": ["2026-01-01T10:00:00Z", "{{ START }}"]}),
]
Flag = Annotated[
    bool,
    BeforeValidator(_flag),
    Field(strict=True),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"\{\{.*\}\}"}]}),
]


def number_schema(least: int, most: int) -> WithJsonSchema:
    """A whole number, or a value that gives one."""
    return WithJsonSchema({"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, FROM_JINJA]})


Some = Annotated[
    int, BeforeValidator(whole), Field(strict=True, ge=1, le=1_000_000), number_schema(1, 1_000_000)
]
"""A number from 1."""
