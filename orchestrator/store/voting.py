"""What a vote or a deadline does to a gate, worked out from what is stored; the scripts apply it if nothing changed since. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import orjson

from orchestrator.forms import Form, FormError
from workers_sdk.protocol.messages import MAX_RESULT_BYTES, dumps

from .gate_records import (
    MAX_VALUE_BYTES,
    MAX_VOTES,
    UNSET,
    Gate,
    GateState,
    Vote,
    is_barred,
    may_decide,
    same_person,
)

Json = Any

ROOM_BYTES: Final = 200
"""For times and punctuation that the script adds."""


class Refusal(StrEnum):
    """Why a vote is not taken."""

    CLOSED = "closed"
    NOT_ALLOWED = "not_allowed"
    SUBMITTER = "submitter"
    VOTED = "voted"
    CHANGED = "changed"
    TOO_MANY = "too_many"
    INVALID = "invalid"
    LINK_USED = "link_used"
    LINK_ENDED = "link_ended"


@dataclass(frozen=True, slots=True)
class Refused:
    """A vote that is not taken; for `INVALID` with what is wrong with the value."""

    why: Refusal
    errors: list[FormError] = field(default_factory=list)


class Repeated:
    """The vote is there already."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the scripts write. `outcome` is None as long as nothing is decided, `error` None unless the task fails.

    Attributes:
        vote: to be added to `votes`, the earlier ones that still count; None at a deadline.
        note: for the audit.
        value: the new value; UNSET when it stays.
    """

    note: dict[str, Json]
    votes: list[Json]
    state: GateState
    vote: dict[str, Json] | None = None
    value: Json = UNSET
    outcome: dict[str, Json] | None = None
    error: dict[str, Json] | None = None


def weigh(gate: Gate, vote: Vote) -> Step | Repeated | Refused:
    """What a vote does. A vote for another value dismisses the approvals of the value before: nobody has approved what
    they did not see."""
    given = vote.decision == "approve" and vote.value is not UNSET
    edited = given and not same(vote.value, gate.value)
    mine = next((one for one in gate.votes if same_person(one["by"], vote.by)), None)
    if mine and not edited and (mine["decision"], mine["comment"]) == (vote.decision, vote.comment):
        return Repeated()
    if refused := _refusal(gate, vote, voted=mine is not None):
        return refused
    value = vote.value if edited else gate.value
    if vote.decision == "approve" and (errors := value_errors(gate, value)):
        return Refused(Refusal.INVALID, errors)
    return _within_limits(_counted(gate, vote, value, edited=edited))


def _refusal(gate: Gate, vote: Vote, *, voted: bool) -> Refused | None:
    reasons = {
        Refusal.CLOSED: not gate.is_open,
        Refusal.NOT_ALLOWED: not may_decide(gate.facts, vote.by, vote.groups),
        Refusal.SUBMITTER: is_barred(gate.facts, vote.by),
        Refusal.VOTED: voted,
        Refusal.CHANGED: vote.revision is not None and vote.revision != gate.revision,
        Refusal.TOO_MANY: gate.version >= MAX_VOTES,
    }
    return next((Refused(why) for why, holds in reasons.items() if holds), None)


def _counted(gate: Gate, vote: Vote, value: Json, *, edited: bool) -> Step:
    mine = {"by": vote.by, "decision": vote.decision, "comment": vote.comment, "edited": edited}
    note = {"what": vote.decision, "by": vote.by, "comment": vote.comment, "via": vote.via}
    step = Step(
        note | ({"value": value} if edited else {}),
        [] if edited else gate.votes,
        GateState.OPEN,
        mine,
        value if edited else UNSET,
    )
    if vote.decision == "approve" and len(step.votes) + 1 < gate.facts.quorum:
        return step
    return _ended(gate, step, vote.decision, value, by=vote.by, comment=vote.comment)


def _ended(gate: Gate, step: Step, decision: str, value: Json, *, by: str | None, comment: str) -> Step:
    approved = decision == "approve"
    value = value if approved else None
    outcome = {"decision": decision, "value": value, "by": by, "comment": comment}
    error = None
    if not approved and gate.facts.fails:
        text = f"rejected by {by}" if by else "rejected at its deadline"
        message = f"{text}: {comment}" if comment else text
        error = {"type": "rejected", "message": message, "by": by, "comment": comment, "retry": False}
    state = GateState.APPROVED if approved else GateState.REJECTED
    return Step(step.note, step.votes, state, step.vote, step.value, outcome, error)


def overdue(gate: Gate) -> Step:
    """What the deadline does."""
    default = gate.facts.default
    note: dict[str, Json] = {"what": "deadline", "decision": default["decision"] if default else None}
    plain = Step(note, gate.votes, GateState.EXPIRED)
    if default is None:
        return _expired(plain, "nobody decided before the deadline")
    value = default.get("value", gate.value)
    if default["decision"] == "approve" and value_errors(gate, value):
        return _expired(plain, "the default of the gate does not satisfy its form")
    ended = _ended(gate, plain, default["decision"], value, by=None, comment="")
    fits = not isinstance(_within_limits(ended), Refused)
    return ended if fits else _expired(plain, "the value and the votes are larger than a result may be")


def _expired(step: Step, message: str) -> Step:
    error = {"type": "gate_timeout", "message": message, "retry": False}
    outcome = {"decision": None, "value": None, "by": None, "comment": ""}
    return Step(step.note, step.votes, GateState.EXPIRED, outcome=outcome, error=error)


def _within_limits(step: Step) -> Step | Refused:
    size = len(dumps([step.outcome, step.votes, step.vote])) + ROOM_BYTES
    if size <= MAX_RESULT_BYTES:
        return step
    message = f"with the votes it takes {size} bytes, more than {MAX_RESULT_BYTES}"
    return Refused(Refusal.INVALID, [FormError("", message)])


def value_errors(gate: Gate, value: Json) -> list[FormError]:
    """What is wrong with a value for a gate; empty when it may be approved."""
    if (size := len(dumps(value))) > MAX_VALUE_BYTES:
        return [FormError("", f"the value takes {size} bytes, more than {MAX_VALUE_BYTES}")]
    return [] if gate.facts.form is None else _form(dumps(gate.facts.form)).errors(value)


@lru_cache(maxsize=128)
def _form(text: bytes) -> Form:
    """The form was checked when the gate opened."""
    return Form(orjson.loads(text))


def same(one: Json, other: Json) -> bool:
    """Whether two values are the same JSON: 1 is not true, the order of members does not matter."""
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
