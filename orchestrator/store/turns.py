"""What a schedule does when it is its turn: which of the fires that are due becomes a scenario, and what comes then. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, takewhile
from typing import Final

from .when import When

MOST_MADE_UP: Final = 100
"""Missed fires that `all` makes up for, the latest of them."""
MOST_COUNTED: Final = 1_000


class Misfire(StrEnum):
    """What becomes of fires whose time passed while nobody could fire them.

    `once`: the latest is run, the others are missed. `skip`: the same, but not when it is later than the grace.
    `all`: all are run one after the other, the last 100 of them.
    """

    ONCE = "once"
    SKIP = "skip"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a fire while the scenario of the one before still runs.

    `allow`: both run. `skip`: it is left out. `wait`: it is run when that one has ended. `cancel`: that one is cancelled.
    """

    ALLOW = "allow"
    SKIP = "skip"
    WAIT = "wait"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done now. Times in milliseconds.

    Attributes:
        fire_ms: time of the fire to be run; None: none is.
        then_ms: time of the next fire; None: there is none any more.
        missed: fires that are not run, at most 1,000 are counted.
    """

    fire_ms: int | None
    then_ms: int | None
    missed: int


def turn_of(
    when: When, misfire: Misfire, grace_ms: int, *, schedule_id: str, next_ms: int, now_ms: int
) -> Turn:
    """The turn of a schedule whose next fire, at `next_ms`, is due."""

    def is_due(fire_ms: int) -> bool:
        return fire_ms + when.jitter_of(schedule_id, fire_ms) <= now_ms

    following = when.after(next_ms)
    if following is None or not is_due(following):
        due = [next_ms]
    else:
        last = when.last(next_ms, now_ms, MOST_MADE_UP)
        while last and not is_due(last[-1]):
            last.pop()
        due = last or [next_ms]
    chosen = due[0] if misfire is Misfire.ALL else due[-1]
    missed = _between(when, next_ms, chosen)
    late_ms = now_ms - chosen - when.jitter_of(schedule_id, chosen)
    if misfire is Misfire.SKIP and late_ms > grace_ms:
        return Turn(None, when.after(chosen), missed + 1)
    return Turn(chosen, when.after(chosen), missed)


def _between(when: When, first_ms: int, end_ms: int) -> int:
    """Number of fires from the first on, before the end."""
    fires = takewhile(lambda fire: fire < end_ms, when.fires(first_ms - 1))
    return sum(1 for _ in islice(fires, MOST_COUNTED))
