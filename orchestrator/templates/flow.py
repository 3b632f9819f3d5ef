"""`priority`, `concurrency` and `rate` of a task: which of many goes first, how many at once, how many in a time."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from orchestrator.templates.units import Some, Span, number_schema, rate_of, whole

DEFAULT_PRIORITY: Final = 2


def _key(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _short(value: object) -> object:
    """`concurrency: 3` is short for `max`."""
    value = whole(value)
    return {"max": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _rate(value: object) -> object:
    """`rate: 10/s burst 5` is short for `count`, `per` and `burst`."""
    if not isinstance(value, str):
        return value
    found = rate_of(value)
    return {"count": found["count"], "per": f"{found['per_ms']}ms", "burst": found["burst"]}


Priority = Annotated[int, BeforeValidator(whole), Field(strict=True, ge=0, le=4), number_schema(0, 4)]
Key = Annotated[
    str,
    BeforeValidator(_key),
    Field(min_length=1, max_length=200),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["user-{{ USER }}"]}),
]


class ConcurrencyForm(BaseModel):
    """How many tasks of one key may run at the same time."""

    model_config = ConfigDict(extra="forbid", title="Concurrency")

    max: Some = Field(description="Most tasks at once.")
    key: Key | None = Field(None, description="What is counted together; by default the service.")


class RateForm(BaseModel):
    """How many tasks of one key may start in a time."""

    model_config = ConfigDict(extra="forbid", title="Rate")

    count: Some = Field(description="So many starts ...")
    per: Span = Field(description="... in this time, evenly.")
    burst: Some = Field(1, description="So many at once after a quiet time.")
    key: Key | None = Field(None, description="What is counted together; by default the service.")


Concurrency = Annotated[
    ConcurrencyForm,
    BeforeValidator(_short),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, ConcurrencyForm.model_json_schema()]}),
]

Rate = Annotated[
    RateForm,
    BeforeValidator(_rate),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["10/s", "100/min", "60/m burst 5"]},
                RateForm.model_json_schema(),
            ]
        }
    ),
]


def flow_of(
    priority: int | None, concurrency: ConcurrencyForm | None, rate: RateForm | None, service: str
) -> dict[str, Any] | None:
    """`rules.flow`; None when there is nothing to say. Two keys are the same, or one is left out."""
    flow: dict[str, Any] = {}
    if priority is not None and priority != DEFAULT_PRIORITY:
        flow["priority"] = priority
    if concurrency is not None or rate is not None:
        flow["key"] = (concurrency and concurrency.key) or (rate and rate.key) or service
    if concurrency is not None:
        flow["max"] = concurrency.max
    if rate is not None:
        flow["rate"] = {"count": rate.count, "per_ms": rate.per, "burst": rate.burst}
    return flow or None


def has_two_keys(concurrency: ConcurrencyForm | None, rate: RateForm | None) -> bool:
    """Whether both name a key, and not the same."""
    keys = {one.key for one in (concurrency, rate) if one is not None and one.key is not None}
    return len(keys) == 2
