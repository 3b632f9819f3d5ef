"""Bodies of requests and responses about limits and pauses."""

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from orchestrator.templates.units import rate_of

from .examples import TIME
from .models import PauseOut, Request, SelfLink, Tenant

MAX_RATE: Final = 1_000_000
MAX_PER_MS: Final = 31 * 86_400_000
RATE: Final[JsonDict] = {"count": 60, "per_ms": 60_000, "burst": 5}
LIMITS: Final[JsonDict] = {"concurrency": 3, "rate": RATE, "weights": {"gold": 3}}


class Rate(Request):
    """How fast tasks may follow each other: evenly spread, not `count` at the start of each period."""

    count: int = Field(ge=1, le=MAX_RATE, description="So many tasks")
    per_ms: int = Field(ge=1, le=MAX_PER_MS, description="in so many milliseconds.")
    burst: int = Field(default=1, ge=1, le=MAX_RATE, description="So many at once after a rest.")


_REF: Final[JsonDict] = {"$ref": "#/components/schemas/Rate"}
_AS_TEXT: Final[JsonDict] = {
    "type": "string",
    "examples": ["10/s", "100/min", "60/m burst 5"],
    "description": "As in a template.",
}
GivenRate = Annotated[
    Rate,
    BeforeValidator(lambda value: rate_of(value) if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [_AS_TEXT, _REF]}),
]


class LimitsIn(Request):
    """Limits of a service. What is left out has no limit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**LIMITS, "rate": "60/m burst 5"}, LIMITS]})

    concurrency: int | None = Field(
        default=None, ge=1, le=MAX_RATE, description="Tasks that are handed out and have not ended."
    )
    rate: GivenRate | None = None
    weights: dict[Tenant, Annotated[float, Field(gt=0, le=1_000)]] = Field(
        default_factory=dict, max_length=1_000, description="Share of a tenant; 1 when it is not named."
    )


class LimitsOut(LimitsIn):
    """Limits as they are kept."""

    rate: Rate | None = None


class ServiceOut(BaseModel):
    """What holds a service back, and what waits for it now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "service": "text-service",
                    "limits": LIMITS,
                    "paused": {"reason": "repair", "by": "ann@example.org", "at": TIME},
                    "waiting": {"gold": 17, "-": 2},
                    "out": 3,
                    "queued": 3,
                    "links": {"self": "/services/text-service"},
                }
            ]
        }
    )

    service: str
    limits: LimitsOut | None = Field(
        description="null: nobody manages it, its tasks wait for nothing but workers."
    )
    paused: PauseOut | None = Field(description="The pause of this service, or the one of all services.")
    waiting: dict[str, int] = Field(
        description="Ready tasks that are held back, per tenant (`-`: none), of 100 tenants at most; without those that wait "
        "for a limit of their key."
    )
    out: int = Field(description="Tasks that were handed out under its limits and have not ended.")
    queued: int = Field(description="Tasks in its queue, with those that workers hold.")
    links: SelfLink


class ServicesOut(BaseModel):
    """All services that ever got a task, limits or a pause. `paused`: the pause of all of them."""

    paused: PauseOut | None
    items: list[ServiceOut]


class PausedOut(BaseModel):
    """Whether all services are paused."""

    paused: PauseOut | None
