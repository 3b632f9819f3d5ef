"""Schedules as the store keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workers_sdk.protocol.messages import dumps, loads

from .records import Owner
from .turns import Misfire, Overlap
from .when import When

Json = Any


class State(StrEnum):
    """State of a schedule. One that has ended has no further fire and is removed after the retention."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class FireOutcome(StrEnum):
    """What became of a fire. `missed`: its time passed, see `Misfire`; `skipped`: see `Overlap`; `failed`: no scenario could
    be made; `refused`: there was no room for it. One in turn is tried again, unless `Misfire` lets it be missed."""

    STARTED = "started"
    FAILED = "failed"
    SKIPPED = "skipped"
    MISSED = "missed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a schedule is about; never changes.

    Attributes:
        scenario: name of a template.
        name: text for people.
        grace_ms: with `Misfire.SKIP`: a fire that is later is missed.
        max_runs: it ends after so many scenarios; 0: never by that.
        owner: on whose behalf its scenarios run.
        durability: class that the answers about it wait for, see `Durability`; empty: as the server is set up.
        digest: of the request that asked for it; tells whether another one is the same.
    """

    scenario: str
    when: When
    variables: dict[str, Json] = field(default_factory=dict)
    name: str = ""
    misfire: Misfire = Misfire.ONCE
    grace_ms: int = 60_000
    overlap: Overlap = Overlap.ALLOW
    max_runs: int = 0
    digest: str = ""
    owner: Owner = field(default_factory=Owner)
    durability: str = ""

    def text(self) -> str:
        """As JSON."""
        return dumps(self).decode()

    @classmethod
    def parse(cls, text: str) -> "Definition":
        """The reverse of `text`."""
        raw: dict[str, Any] = loads(text)
        when, misfire, overlap = (
            When(**raw.pop("when")),
            Misfire(raw.pop("misfire")),
            Overlap(raw.pop("overlap")),
        )
        owner = Owner(**raw.pop("owner", {}))
        return cls(when=when, misfire=misfire, overlap=overlap, owner=owner, **raw)


@dataclass(frozen=True, slots=True)
class Fire:
    """One fire: what it makes, and what comes after it. Times in milliseconds.

    Attributes:
        scenario_id: derived from schedule and time, so that whoever fires makes the same scenario.
        from_ms: the next fire that the schedule had when this one was worked out; None: somebody asked for this one.
        then_ms: the next one after this; None: there is none.
        missed: fires before this one that nobody ran.
    """

    scenario_id: str
    fire_ms: int
    from_ms: int | None
    then_ms: int | None = None
    missed: int = 0

    def text(self) -> str:
        """As JSON."""
        return dumps(self).decode()

    @classmethod
    def parse(cls, text: str) -> "Fire":
        """The reverse of `text`."""
        return cls(**loads(text))


@dataclass(frozen=True, slots=True)
class FireRecord:
    """What became of a fire; of missed ones how many, and the time of the first of them."""

    at_ms: int
    outcome: FireOutcome
    scenario_id: str = ""
    asked: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """One schedule. `next_at_ms` is `next_ms` with jitter; both are 0 when it is paused or has ended.

    `fire` is the one under way; `paused` tells why, by whom and when.
    """

    schedule_id: str
    definition: Definition
    state: State
    created_ms: int
    created_at: str
    updated_at: str
    revision: int
    next_ms: int = 0
    next_at_ms: int = 0
    runs: int = 0
    last_scenario_id: str = ""
    last_error: Json = None
    paused: Json = None
    fire: Fire | None = None


def schedule_record(text: Mapping[str, str]) -> ScheduleRecord | None:
    """Schedule from the fields of its hash; None when there is none."""
    if "definition" not in text:
        return None
    return ScheduleRecord(
        schedule_id=text["schedule_id"],
        definition=Definition.parse(text["definition"]),
        state=State(text["state"]),
        created_ms=int(text["created_ms"]),
        created_at=text["created_at"],
        updated_at=text["updated_at"],
        revision=int(text["revision"]),
        next_ms=int(text.get("next_ms") or 0),
        next_at_ms=int(text.get("next_at_ms") or 0),
        runs=int(text.get("runs") or 0),
        last_scenario_id=text.get("last_scenario_id", ""),
        last_error=loads(text["last_error"]) if text.get("last_error") else None,
        paused=loads(text["paused"]) if text.get("paused") else None,
        fire=Fire.parse(text["turn"]) if text.get("turn") else None,
    )
