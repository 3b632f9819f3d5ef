"""Answers to why."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from .models import Json

REASON: Final[dict[str, Any]] = {
    "code": "waits_for_tasks",
    "message": "waits for 1 task: Write (processing)",
    "facts": {
        "count": 1,
        "tasks": [
            {"id": "s6ynvq2wz90tbk4h", "name": "Write", "service": "text-service", "status": "processing"}
        ],
    },
}


class ReasonOut(BaseModel):
    """One reason."""

    model_config = ConfigDict(json_schema_extra={"examples": [REASON]})

    code: str = Field(description="For programs; docs/operations.md lists them.")
    message: str = Field(description="For people.")
    facts: dict[str, Json] = Field(description="What the message says, and more; by `code`.")


class TaskWhyLinks(BaseModel):
    """Addresses."""

    self: str
    task: str


class TaskWhyOut(BaseModel):
    """Why a task is where it is, the most decisive reason first."""

    task_id: str
    scenario_id: str
    name: str
    service: str
    status: str
    reasons: list[ReasonOut]
    links: TaskWhyLinks


class NamedTask(BaseModel):
    """A task."""

    id: str
    name: str


class AlikeOut(BaseModel):
    """Tasks of a service that wait for the same kind of thing."""

    code: str = Field(description="What they wait for, in a word.")
    service: str
    count: int
    tasks: list[NamedTask] = Field(description="The first 3 of them.")
    reasons: list[ReasonOut] = Field(description="Those of the first of them.")


class ScenarioWhyLinks(BaseModel):
    """Addresses."""

    self: str
    scenario: str


class ScenarioWhyOut(BaseModel):
    """Why a scenario is where it is."""

    scenario_id: str
    name: str
    status: str
    reasons: list[ReasonOut] = Field(description="About the scenario itself.")
    unfinished: int = Field(description="Tasks that have not ended, of those that were looked at.")
    groups: list[AlikeOut]
    complete: bool = Field(description="Whether all tasks were looked at.")
    links: ScenarioWhyLinks
