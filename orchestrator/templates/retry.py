"""`retry` of a task: how often and when a failed attempt is followed by another."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from orchestrator.templates.tree import Json
from orchestrator.templates.units import Duration, several, whole


def _short(value: object) -> object:
    """`retry: 3` is short for its number of attempts."""
    value = whole(value)
    return {"max_attempts": value} if isinstance(value, int) and not isinstance(value, bool) else value


Errors = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], BeforeValidator(several)]
Most = Annotated[int, BeforeValidator(whole), Field(strict=True, ge=1, le=1_000)]


class RetryForm(BaseModel):
    """When a failed attempt is followed by another. Attempts whose worker was lost count apart."""

    model_config = ConfigDict(extra="forbid", title="Retry")

    max_attempts: Most = Field(3, description="Most failed attempts; the last one fails the task.")
    delay: Duration = Field(1_000, description="Wait before the second attempt.")
    factor: Annotated[float, Field(ge=1, le=100)] = Field(2.0, description="Each wait is so much longer.")
    max_delay: Duration = Field(600_000, description="Longest wait.")
    jitter: bool = Field(
        True, description="Wait anywhere below the bound, so that not all come back at once."
    )
    max_crashes: Most | None = Field(
        None, description="Most attempts whose worker was lost; by default as the engine is set up."
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
