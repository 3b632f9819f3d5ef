"""What the scripts answer, in words of Python."""

from dataclasses import dataclass
from enum import StrEnum


class IdempotencyConflict(Exception):
    """The idempotency key came with another body before. The argument is the id of that scenario."""


class Outcome(StrEnum):
    """What became of a report; see the header of `advance.lua`."""

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    STALE = "STALE"
    FINISHED = "FINISHED"
    UNKNOWN = "UNKNOWN"
    NOT_READY = "NOT_READY"
    HELD = "HELD"


@dataclass(frozen=True, slots=True)
class Advanced:
    """Outcome per report, in order, and the scenarios that ended."""

    outcomes: list[Outcome]
    finished: list[str]


@dataclass(frozen=True, slots=True)
class Materialized:
    """How many tasks of a scenario are written, of how many.

    `reason`: why no more will be: empty, MISSING (purged or final), CONFLICT (a task id belongs to another scenario).
    """

    written: int
    total: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """Timers that are due, as (kind, id), and the milliseconds until the next one will be."""

    timers: list[tuple[str, str]]
    next_ms: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """What `overdue.lua` found: a word of it; of a time that is used up also the token of the attempt and the milliseconds."""

    word: str
    token: str = ""
    allowed_ms: int = 0
