"""What the scripts answer, in words of Python."""

from dataclasses import dataclass
from enum import StrEnum

from workers_sdk.protocol.link import Unavailable


class IdempotencyConflict(Exception):
    """The idempotency key came with another body before. The argument is the id of that scenario."""


class Overloaded(Unavailable):
    """There is no room for more now: nothing was done, and the same may succeed later."""


class TenantFull(Overloaded):
    """The tenant has as many unfinished scenarios as it may have."""


class BatchCancelled(Exception):
    """The batch takes no further scenarios. The argument is its id."""


class TaskEnded(Exception):
    """The task that the scenario would be the work of has ended, or has another one. The argument is the id of the task."""


class OriginGone(Exception):
    """The scenario that is to run anew is being removed, or gone. The argument is its id."""


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
    """Outcome per report, in order, and the scenarios that ended: id, status."""

    outcomes: list[Outcome]
    finished: list[tuple[str, str]]


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
    """Timers that are due, as (kind, id), the milliseconds until the next one will be, and since when each of them is due."""

    timers: list[tuple[str, str]]
    next_ms: int
    since: list[str]


@dataclass(frozen=True, slots=True)
class Overdue:
    """What `overdue.lua` found: a word of it; of a time that is used up also the token of the attempt, milliseconds, scenario."""

    word: str
    token: str = ""
    allowed_ms: int = 0
    scenario_id: str = ""
