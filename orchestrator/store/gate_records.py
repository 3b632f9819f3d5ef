"""Gates as the store gives them: what the template says, what was decided so far, and what a vote may lead to."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal

from workers_sdk.protocol.messages import fields_of, loads

Json = Any
Decision = Literal["approve", "reject"]

MAX_VALUE_BYTES: Final = 49_152
"""Of a draft or a decided value, as JSON. With the votes it must fit into the result of a task."""
MAX_TITLE_CHARS: Final = 200
MAX_MESSAGE_CHARS: Final = 20_000
MAX_QUORUM: Final = 10
MAX_VOTES: Final = 100
"""Of one gate, those counted that an edit dismissed."""
GROUP: Final = "group:"
"""How a name begins that stands for a group."""
MAX_WAIT_MS: Final = 10 * 365 * 86_400_000


class Unset:
    """The type of `UNSET`: no value was given, which is not null."""


UNSET: Final = Unset()


class GateState(StrEnum):
    """`expired`: the deadline came and there was no default; `closed`: its task ended in another way (was cancelled)."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the template says of a gate, and who submitted its scenario.

    Attributes:
        form: JSON Schema of the value; None: any value.
        who: persons, and groups as `group:<name>`; empty: anybody.
        quorum: approvals needed; one rejection rejects.
        self_approval: whether the submitter may decide.
        fails: whether a rejection fails the task; else it succeeds with the decision `reject`.
        default: `decision` and maybe `value` that hold at the deadline; None: the task fails there.
    """

    title: str = ""
    message: str = ""
    form: Json = None
    who: list[str] = field(default_factory=list)
    quorum: int = 1
    self_approval: bool = True
    submitter: str = ""
    fails: bool = True
    default: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate. Times are ISO 8601 text in UTC, `opened_ms` names this opening of it.

    Attributes:
        draft: the value it began with; `value`: the one that is voted on now.
        version: how many votes there were; `revision`: the version that `value` came with, 0 for the draft.
        votes: those that count: by, decision, comment, at, edited.
        is_open: votes are taken (up to the deadline).
        used: nonces of the one-time links that were used.
    """

    task_id: str
    scenario_id: str
    name: str
    state: GateState
    facts: GateFacts
    draft: Json
    value: Json
    version: int
    revision: int
    votes: list[Json]
    opened_ms: int
    opened_at: str
    deadline: str
    outcome: Json
    is_open: bool
    used: frozenset[str] = frozenset()

    @property
    def approvals(self) -> int:
        """How many approvals it has."""
        return sum(vote["decision"] == "approve" for vote in self.votes)


@dataclass(frozen=True, slots=True)
class Vote:
    """What a person decides. Who it is was said by the caller or, with a link, by whoever made the link.

    Attributes:
        groups: that the person is in.
        value: what is approved; UNSET: the value as it stands.
        revision: of the value that the person has seen; None: whichever stands.
        link, until_ms: nonce and end of the one-time link that was used; empty and 0 without one.
    """

    by: str
    decision: Decision
    comment: str = ""
    value: Json = UNSET
    groups: Sequence[str] = ()
    revision: int | None = None
    via: Literal["api", "link"] = "api"
    link: str = ""
    until_ms: int = 0


def same_person(one: str, other: str) -> bool:
    """Whether two names mean one person: letters of another case or width are no other person."""
    return person(one) == person(other)


def person(name: str) -> str:
    """A name in the form in which names are compared."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def may_decide(facts: GateFacts, by: str, groups: Sequence[str]) -> bool:
    """Whether `who` names the person or a group of theirs. Who calls themselves `group:...` is no group for that."""
    mine = {person(f"{GROUP}{group}") for group in groups} | ({person(by)} if not is_group(by) else set())
    return not facts.who or any(person(name) in mine for name in facts.who)


def is_group(name: str) -> bool:
    """Whether a name stands for a group."""
    return person(name).startswith(GROUP)


def is_barred(facts: GateFacts, by: str) -> bool:
    """Whether the person submitted the scenario and must not decide for that."""
    return not facts.self_approval and facts.submitter != "" and same_person(by, facts.submitter)


def gate_record(flat: Sequence[bytes], task: Sequence[bytes | None]) -> Gate | None:
    """Gate from a flat hash reply and its task's `status` and `token`; None when there is none."""
    text = {name: value.decode(errors="replace") for name, value in fields_of(flat).items()}
    if "state" not in text:
        return None
    held = (task[0] or b"").decode() == "processing" and (task[1] or b"").decode() == text["token"]
    state = GateState(text["state"])
    is_open = state is GateState.OPEN and held
    return Gate(
        task_id=text["task_id"],
        scenario_id=text["scenario_id"],
        name=text["name"],
        state=GateState.CLOSED if state is GateState.OPEN and not held else state,
        facts=_facts(loads(text["facts"])),
        draft=loads(text["draft"]),
        value=loads(text["value"]),
        version=int(text["version"]),
        revision=int(text["revision"]),
        votes=loads(text["votes"]),
        opened_ms=int(text["opened_ms"]),
        opened_at=text["opened_at"],
        deadline=text["deadline"],
        outcome=loads(text["outcome"]) if text.get("outcome") else None,
        is_open=is_open,
        used=frozenset(name.removeprefix("used:") for name in text if name.startswith("used:")),
    )


def _facts(stored: Mapping[str, Json]) -> GateFacts:
    """A newer replica may have written more."""
    known = GateFacts.__dataclass_fields__
    return GateFacts(**{name: value for name, value in stored.items() if name in known})
