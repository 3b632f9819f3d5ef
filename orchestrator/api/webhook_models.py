"""Bodies of requests and responses about webhooks."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .examples import SCENARIO_ID, TASK_ID, TIME
from .models import Request, SelfLink, TemplateName

Json = Any
EventType = Literal["scenario.success", "scenario.failed", "scenario.cancelled"]
DeliveryStatus = Literal["pending", "success", "failed"]
Tenant = Annotated[str, StringConstraints(min_length=1, max_length=200)]

MAX_GRACE_S: Final = 30 * 86_400
ENDPOINT_ID: Final = "3h8v0s6yq2k4m9xa"
_URL: Final = "https://example.org/hooks/scenarist"
_SECRET: Final = "whsec_" + "A" * 43 + "="
_WEBHOOK: Final[dict[str, Json]] = {"url": _URL, "events": ["scenario.failed"], "names": ["CreateVideo"]}

Url = Annotated[
    str, Field(min_length=1, max_length=2_000, description="https, a public host, no user and no password.")
]
Events = Annotated[
    list[EventType], Field(default_factory=list, max_length=10, description="What it is told of; empty: all.")
]
Names = Annotated[
    list[TemplateName],
    Field(
        default_factory=list, max_length=50, description="Only of scenarios of these templates; empty: all."
    ),
]
Tenants = Annotated[
    list[Tenant],
    Field(default_factory=list, max_length=50, description="Only of scenarios of these tenants; empty: all."),
]
Description = Annotated[str, Field(max_length=500, description="A note for people.")]
GivenSecret = Annotated[
    str | None,
    Field(max_length=200, description="`whsec_` and 24 to 64 bytes in base64; by default one is made."),
]


class WebhookIn(Request):
    """A URL that is to be told of events."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WEBHOOK]})

    url: Url
    events: Events
    names: Names
    tenants: Tenants
    description: Description = ""
    secret: GivenSecret = None


class WebhookPatch(Request):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True}]})

    url: Url = ""
    events: Events
    names: Names
    tenants: Tenants
    description: Description = ""
    enabled: bool = Field(
        default=True, description="Whether anything is sent. What waits goes on when it is true again."
    )


class WebhookOut(BaseModel):
    """An endpoint of webhooks. `reason`: why the server disabled it. `failing_since`: since when no attempt succeeded.
    `waiting`: messages that are not done. `dropped`: messages that were never tried, because too many waited; `dropped_at`:
    when the last of them was."""

    id: str
    url: str
    events: list[EventType]
    names: list[str]
    tenants: list[str]
    description: str
    enabled: bool
    reason: str | None
    failing_since: str | None
    waiting: int
    dropped: int
    dropped_at: str | None
    created_at: str
    updated_at: str
    links: SelfLink


class WebhookSecretOut(WebhookOut):
    """The same with its secret, which is shown this once. `previous_until`: until when the one before signs too."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_WEBHOOK,
                    "id": ENDPOINT_ID,
                    "tenants": [],
                    "description": "",
                    "enabled": True,
                    "reason": None,
                    "failing_since": None,
                    "waiting": 0,
                    "dropped": 0,
                    "dropped_at": None,
                    "created_at": TIME,
                    "updated_at": TIME,
                    "links": {"self": f"/webhooks/{ENDPOINT_ID}"},
                    "secret": _SECRET,
                    "previous_until": None,
                }
            ]
        }
    )

    secret: str
    previous_until: str | None


class WebhooksOut(BaseModel):
    """All endpoints, oldest first."""

    items: list[WebhookOut]


class RotateIn(Request):
    """A new secret for an endpoint."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"grace_s": 86_400}]})

    secret: GivenSecret = None
    grace_s: int = Field(
        default=86_400, ge=0, le=MAX_GRACE_S, description="Seconds for which the secret before signs too."
    )


class DeliveryAttempt(BaseModel):
    """One attempt. `status` of HTTP, or null and an `error`; `ms` is how long it took."""

    attempt: int
    at: str
    status: int | None
    ms: int
    error: str | None


class DeliveryItem(BaseModel):
    """A message for an endpoint. Its id is the header `webhook-id` of every attempt. `history`: the last 20 attempts."""

    id: str
    endpoint_id: str
    type: str
    scenario_id: str | None
    status: DeliveryStatus
    attempts: int
    created_at: str
    updated_at: str
    finished_at: str | None
    history: list[DeliveryAttempt]
    links: SelfLink


class DeliveryOut(DeliveryItem):
    """The same with the message itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": TASK_ID,
                    "endpoint_id": ENDPOINT_ID,
                    "type": "scenario.failed",
                    "scenario_id": SCENARIO_ID,
                    "status": "pending",
                    "attempts": 1,
                    "created_at": TIME,
                    "updated_at": TIME,
                    "finished_at": None,
                    "history": [{"attempt": 1, "at": TIME, "status": 503, "ms": 41, "error": None}],
                    "links": {"self": f"/webhooks/{ENDPOINT_ID}/deliveries/{TASK_ID}"},
                    "payload": {
                        "type": "scenario.failed",
                        "timestamp": TIME,
                        "data": {"scenario_id": SCENARIO_ID},
                    },
                }
            ]
        }
    )

    payload: Json


class DeliveriesOut(BaseModel):
    """A page of deliveries, newest first; it may be short before the last one."""

    items: list[DeliveryItem]
    next_cursor: str | None


class RedriveIn(Request):
    """Where to go on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    cursor: str | None = Field(
        default=None, min_length=1, max_length=200, description="`next_cursor` of the call before."
    )


class RedrivenOut(BaseModel):
    """How many deliveries start anew. With a `next_cursor` there are more: call again with it."""

    redriven: int
    next_cursor: str | None


class RemovedOut(BaseModel):
    """What is gone."""

    id: str
    removed: Literal[True] = True
