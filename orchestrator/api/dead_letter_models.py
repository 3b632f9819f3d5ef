"""Bodies of requests and responses about dead letters, retries and reruns."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from workers_sdk.protocol.messages import RESERVED_FIELDS

from .examples import TASK, TIME
from .models import Request, ScenarioItem, TaskOut

Json = Any


def _free(name: str) -> str:
    if name in RESERVED_FIELDS or name in ("prompt", "params"):
        raise ValueError("this is no field of a template's own")
    return name


FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"), AfterValidator(_free)]

FINGERPRINT: Final = "voice-service:8d2f0c1a9b3e4f56"
_ERROR: Final = {"type": "BadVoice", "message": "no such voice 'anna'"}
_LETTER: Final[dict[str, Json]] = {**TASK, "status": "failed", "error": _ERROR, "fingerprint": FINGERPRINT}
_KIND: Final[dict[str, Json]] = {
    "fingerprint": FINGERPRINT,
    "service": "voice-service",
    "count": 3333,
    "first_at": TIME,
    "last_at": TIME,
    "sample": _LETTER,
}


class EditIn(Request):
    """What to change of a task's work. What is not named stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"params": {"voice": "ben"}}]})

    prompt: str | None = Field(default=None, max_length=1_000_000, description="The new prompt.")
    params: dict[str, Json] = Field(
        default_factory=dict, max_length=200, description="Members of `params` to set; null removes one."
    )
    fields: dict[FieldName, Json] = Field(
        default_factory=dict, max_length=200, description="Any other field of the template to set, whole."
    )


class RerunIn(EditIn):
    """From where on a scenario is to run anew, and what to change of that task's work."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"from": "CreateVoice", "params": {"voice": "ben"}}]},
    )

    start: str = Field(
        alias="from",
        min_length=1,
        max_length=200,
        description="Task: its id, its key in the template, or its name.",
    )


class LetterKind(BaseModel):
    """Dead letters of one service with one kind of error."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KIND]})

    fingerprint: str = Field(
        description="Service and kind of error: its type, and its message without numbers, ids, quotes and paths."
    )
    service: str
    count: int
    first_at: str = Field(description="When the oldest of them failed. ISO 8601, UTC.")
    last_at: str
    sample: TaskOut = Field(description="The latest of them.")


class LetterKindsOut(BaseModel):
    """Kinds of dead letters, that which came last first."""

    items: list[LetterKind]
    total: int = Field(description="Number of dead letters of all kinds, also of those that are not shown.")


class LettersOut(BaseModel):
    """Dead letters, the latest first; each is a task."""

    items: list[TaskOut]
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last one.")


class RedrivenOut(BaseModel):
    """How many dead letters run again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"redriven": 2000, "left": 1333, "carried_on": True}]}
    )

    redriven: int
    left: int = Field(description="Those that were asked for and are still dead letters.")
    carried_on: bool = Field(description="Whether the orchestrator goes on with those that are left.")


class DismissedOut(BaseModel):
    """How many dead letters were taken off the list."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"dismissed": 12, "left": 0}]})

    dismissed: int
    left: int = Field(description="Those that were asked for and are still listed: ask again.")


class RetriedOut(ScenarioItem):
    """The scenario, and how many of its tasks live again."""

    revived: int


class SetAsideOut(BaseModel):
    """An entry that could not be read. Its content is not kept: it may be anything."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "1750934052349-0",
                    "stream": "task-events",
                    "entry": "1750934052001-3",
                    "reason": "task event: KeyError",
                    "at": TIME,
                }
            ]
        }
    )

    id: str
    stream: str = Field(description="Where it stood.")
    entry: str = Field(description="Id that it had there.")
    reason: str
    at: str


class QuarantineOut(BaseModel):
    """Entries that were set aside, the latest first; about the last 1,000 of each partition are kept."""

    items: list[SetAsideOut]
