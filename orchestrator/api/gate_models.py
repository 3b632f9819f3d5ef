"""Bodies of requests and responses about gates."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from .examples import SCENARIO_ID, TASK_ID, TIME
from .models import Request, SelfLink

Json = Any

MAX_COMMENT_CHARS: Final = 1_000
_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s][^\x00-\x1f\x7f]*$"

Person = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=_NO_CONTROLS)
]
Group = Annotated[
    str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True, pattern=_NO_CONTROLS)
]
Groups = Annotated[
    list[Group], Field(default_factory=list, max_length=10, description="Groups that this person is in.")
]

_DECISION: Final[dict[str, Json]] = {
    "decision": "approve",
    "by": "alice",
    "value": "Cats!",
    "comment": "shorter",
}
_WHO: Final[dict[str, Json]] = {"by": "alice", "expires_in": 86_400}
_LINK: Final = f"/gates/{TASK_ID}/decide?token=eyJnIjoi.c2ln"
_VOTE: Final[dict[str, Json]] = {
    "by": "alice",
    "decision": "approve",
    "comment": "shorter",
    "edited": True,
    "at": TIME,
}
_GATE: Final[dict[str, Json]] = {
    "task_id": TASK_ID,
    "scenario_id": SCENARIO_ID,
    "name": "ApproveText",
    "title": "Approve the text",
    "state": "open",
    "who": ["alice", "group:editors"],
    "quorum": 2,
    "approvals": 1,
    "opened_at": TIME,
    "deadline": TIME,
    "links": {"self": f"/gates/{TASK_ID}"},
}

_WHOLE: Final[dict[str, Json]] = (
    _GATE
    | {"message": "", "form": {"type": "string"}, "draft": "Cats.", "value": "Cats!", "revision": 1}
    | {"self_approval": False, "submitter": "bob", "on_reject": "fail", "default": None}
    | {"votes": [_VOTE], "outcome": None, "audit": [{"what": "opened", "at": TIME}]}
)


class DecisionIn(Request):
    """A vote. Who votes is what the caller says: put your own log-in before it, or use links."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DECISION]})

    decision: Literal["approve", "reject"]
    by: Person = Field(description="Who decides. Case does not tell persons apart.")
    groups: Groups
    value: Json = Field(
        default=None,
        description="What is approved, if it is not the value as it stands; by the form of the gate. It dismisses the approvals "
        "of the value before.",
    )
    comment: str = Field(default="", max_length=MAX_COMMENT_CHARS)
    revision: int | None = Field(
        default=None,
        ge=0,
        description="`revision` of the value that was seen: another one since then is refused (409).",
    )

    @model_validator(mode="after")
    def _only_approvals_have_a_value(self) -> "DecisionIn":
        if self.decision == "reject" and "value" in self.model_fields_set:
            raise ValueError("a rejection has no value")
        return self


class LinkIn(Request):
    """Whom a link is for."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WHO]})

    by: Person = Field(description="Who decides with it; the link says so, and nobody can change that.")
    groups: Groups
    expires_in: int = Field(default=86_400, ge=1, le=31 * 86_400, description="Seconds.")


class LinkOut(BaseModel):
    """A link for one decision of one person about one gate."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"url": _LINK, "expires_at": TIME}]})

    url: str = Field(description="Relative to the server. It is a secret: whoever has it decides.")
    expires_at: str = Field(description="ISO 8601, UTC.")


class VoteOut(BaseModel):
    """A vote that counts."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VOTE]})

    by: str
    decision: Literal["approve", "reject"]
    comment: str
    edited: bool = Field(description="It came with another value than the one before.")
    at: str = Field(description="ISO 8601, UTC.")


class GateItem(BaseModel):
    """A gate in a list."""

    model_config = ConfigDict(json_schema_extra={"examples": [_GATE]})

    task_id: str
    scenario_id: str
    name: str
    title: str
    state: Literal["open", "approved", "rejected", "expired", "closed"] = Field(
        description="`expired`: nobody decided in time and there was no default; `closed`: its task ended otherwise."
    )
    who: list[str] = Field(
        description="Who may decide: persons, and groups as `group:<name>`. Empty: anybody."
    )
    quorum: int = Field(description="Approvals needed.")
    approvals: int = Field(description="Approvals that count.")
    opened_at: str = Field(description="ISO 8601, UTC.")
    deadline: str | None
    links: SelfLink


class GateOut(GateItem):
    """A gate with what is decided on."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WHOLE]})

    message: str
    form: Json = Field(description="JSON Schema that an approved value satisfies; null: any value.")
    draft: Json = Field(description="The value that it began with.")
    value: Json = Field(description="The value as it stands: the draft, or what was approved instead of it.")
    revision: int = Field(description="Names the value as it stands.")
    self_approval: bool = Field(description="Whether who submitted the scenario may decide.")
    submitter: str | None
    on_reject: Literal["fail", "continue"]
    default: Json = Field(description="What holds at the deadline; null: the task fails there.")
    votes: list[VoteOut] = Field(description="Those that count.")
    outcome: Json = Field(description="The decision, once there is one: the result of the task.")
    audit: list[dict[str, Json]] = Field(description="All that happened, oldest first.")


class DecidedOut(GateOut):
    """A gate after a vote."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WHOLE | {"repeated": False}]})

    repeated: bool = Field(description="The same vote was there already; nothing was changed.")


class GatePageOut(BaseModel):
    """Open gates, those that wait longest first. A page may be short, even empty, before the last one."""

    items: list[GateItem]
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last one.")
