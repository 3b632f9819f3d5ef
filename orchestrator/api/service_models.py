"""Answers about templates and about the service itself."""

from typing import Literal

from pydantic import BaseModel, Field

from .models import Json, SelfLink


class TemplateItem(BaseModel):
    """A template."""

    name: str
    variables: dict[str, Json] = Field(description="Variables with their defaults.")
    hash: str = Field(description="SHA-256 of the text.")
    links: SelfLink


class TemplateOut(TemplateItem):
    """A template with its text."""

    text: str


class TemplatesOut(BaseModel):
    """All templates, by name."""

    items: list[TemplateItem]


class QueueOut(BaseModel):
    """The ready tasks of one service."""

    waiting: int = Field(description="Tasks that no worker has taken yet.")
    pending: int = Field(description="Tasks that workers hold.")
    consumers: int = Field(
        description="Workers that took a task lately; 0 with tasks waiting means that none reads the queue."
    )
    oldest_waiting_s: float | None = Field(description="Seconds that the oldest waiting task waits by now.")


class CheckOut(BaseModel):
    """What a check of everything (`scenarist fsck`) found. `drift` and `repaired` count by kind; `left` is what is not repaired."""

    at: str = Field(description="ISO 8601, UTC.")
    by: str = Field(description="The machine that made it.")
    repair: bool
    scenarios: int
    tasks: int
    keys: int
    drift: dict[str, int]
    repaired: dict[str, int]
    left: int
    undecided: int = Field(description="Things that may be drift, or work under way.")
    changing: int = Field(description="Scenarios that changed while their tasks were counted.")


class HealthOut(BaseModel):
    """State of the service. `backlog` maps a stream to the number of its entries, `queues` a service to its ready tasks;
    `last_check` is null when there was no check of everything yet."""

    status: Literal["ok", "unavailable"]
    version: str = Field(description="Version of this service.")
    redis: Literal["ok", "unavailable"]
    server: str | None = Field(default=None, description="redis or valkey.")
    server_version: str | None = None
    partitions: int | None = None
    backlog: dict[str, int] = Field(default_factory=dict)
    queues: dict[str, QueueOut] = Field(default_factory=dict)
    last_check: CheckOut | None = None


class Alive(BaseModel):
    """A short yes."""

    status: Literal["ok"] = "ok"


class Endpoint(BaseModel):
    """One address of the API."""

    method: str
    path: str
    summary: str


class InfoOut(BaseModel):
    """What this service is."""

    service: str
    version: str
    openapi: str
    endpoints: list[Endpoint]


class ProblemKind(BaseModel):
    """One kind of error that the API answers with."""

    code: str
    status: int
    title: str
    meaning: str
