"""When a schedule fires: a calendar in milliseconds since the Unix epoch. Pure; knows no clock and no Redis.

A cron expression is read as Debian's cron reads it, in the time zone of the schedule. Where clocks go forward, a fire
in the hour that does not exist comes when that hour would have ended; where they go back, a fire at a fixed hour comes
once, and one of every hour or minute at each of them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

FIELDS: Final = 5
MAX_CRON_CHARS: Final = 200
MIN_EVERY_MS: Final = 1_000
OF_A_MACHINE: Final = ("localtime", "posixrules")
"""Names that mean another zone on another machine."""
LATEST_MS: Final = 4_102_444_800_000
"""The year 2100: no later moment is taken."""
_SHIFT_MS: Final = 3 * 3_600_000
"""More than clocks are moved by: within that of a change the library looks back wrongly, so we look forward from before it."""
_MOST_PASSED: Final = 200
"""Fires of one hour that the library may tell again: one a minute, and to spare."""


class BadWhen(ValueError):
    """These are no times. `field` is the field that is wrong, the message says how."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class When:
    """The times of a schedule: exactly one of `cron`, `every_ms`, `once_ms`.

    Attributes:
        cron: five fields: minute, hour, day of month, month, day of week.
        every_ms: distance of two fires, counted from `anchor_ms`.
        once_ms: the only fire.
        timezone: IANA name; only cron depends on it.
        anchor_ms: where `every_ms` counts from: `start_ms`, else when the schedule was made.
        start_ms, end_ms: no fire before the first (from it on) nor after the second (it included); 0: no bound.
        jitter_ms: each fire comes up to so much later than its time.
    """

    cron: str = ""
    every_ms: int = 0
    once_ms: int = 0
    timezone: str = "UTC"
    anchor_ms: int = 0
    start_ms: int = 0
    end_ms: int = 0
    jitter_ms: int = 0

    def check(self) -> None:
        """Raise BadWhen when these are no times."""
        zone_of(self.timezone)
        if [bool(self.cron), bool(self.every_ms), bool(self.once_ms)].count(True) != 1:
            raise BadWhen("", "give exactly one of cron, every_s, run_at, delay_s")
        if self.cron:
            _check_cron(self.cron)
        if self.every_ms and self.every_ms < MIN_EVERY_MS:
            raise BadWhen("every_s", f"at least {MIN_EVERY_MS // 1000} second")
        if self.every_ms and self.jitter_ms >= self.every_ms:
            raise BadWhen("jitter_s", "shorter than every_s, else fires overtake each other")
        if self.end_ms and self.end_ms < self.start_ms:
            raise BadWhen("end_at", "it lies before start_at")

    def after(self, moment_ms: int) -> int | None:
        """The first fire strictly after a moment; None when there is none."""
        found = self._after(max(moment_ms, self.start_ms - 1))
        return found if found is not None and found <= (self.end_ms or LATEST_MS) else None

    def fires(self, moment_ms: int) -> Iterator[int]:
        """All fires strictly after a moment, in order."""
        fire = self.after(moment_ms)
        while fire is not None:
            yield fire
            fire = self.after(fire)

    def last(self, since_ms: int, until_ms: int, count: int) -> list[int]:
        """The last fires, at most `count`, from one moment to another, both included; oldest first.

        The time it takes does not depend on how long that is, so that a long outage costs no more than a short one.
        """
        if self.cron:
            since_ms = self._about(since_ms, until_ms, count)
        elif self.every_ms:
            since_ms = max(since_ms, until_ms - count * self.every_ms)
        found = [fire for fire in _until(self.fires(since_ms - 1), until_ms)]
        return found[-count:]

    def jitter_of(self, schedule_id: str, fire_ms: int) -> int:
        """How much later a fire comes: the same for everybody who asks."""
        if not self.jitter_ms:
            return 0
        digest = hashlib.blake2b(f"{schedule_id}{fire_ms}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % (self.jitter_ms + 1)

    def _after(self, moment_ms: int) -> int | None:
        if self.once_ms:
            return self.once_ms if self.once_ms > moment_ms else None
        if self.every_ms:
            steps = max((moment_ms - self.anchor_ms) // self.every_ms + 1, 0 if self.start_ms else 1)
            return self.anchor_ms + steps * self.every_ms
        return _cron_after(self.cron, self.timezone, moment_ms)

    def _about(self, since_ms: int, until_ms: int, count: int) -> int:
        """A moment with at least `count` fires from it to the other, or the first one when there are fewer."""
        found_ms = until_ms
        for moment in islice(CronSim(self.cron, _local(until_ms, self.timezone), reverse=True), count + 1):
            found_ms = _ms(moment)
            if found_ms < since_ms:
                break
        return max(since_ms, found_ms - _SHIFT_MS)


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises BadWhen."""
    try:
        if name in OF_A_MACHINE:
            raise ValueError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadWhen("timezone", "not the name of a time zone, such as Europe/Berlin") from error


def moment_of(text: str, timezone: str, field: str) -> int:
    """Milliseconds of an ISO 8601 time; without an offset it is one of the clock in `timezone`. Raises BadWhen."""
    try:
        moment = datetime.fromisoformat(text)
        found = _ms(moment if moment.tzinfo else moment.replace(tzinfo=zone_of(timezone)))
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadWhen):
            raise
        raise BadWhen(field, "not a time such as 2026-03-29T09:00:00Z") from error
    if not 0 < found <= LATEST_MS:
        raise BadWhen(field, "a time within 1970 and 2100, please")
    return found


def _check_cron(text: str) -> None:
    if len(text.split()) != FIELDS or len(text) > MAX_CRON_CHARS:
        raise BadWhen("cron", "five fields: minute, hour, day of month, month, day of week")
    try:
        CronSim(text, datetime(2025, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError, IndexError, AssertionError) as error:
        raise BadWhen("cron", f"not a cron expression: {error}") from error


def _cron_after(text: str, timezone: str, moment_ms: int) -> int | None:
    # In an hour that comes twice the library may answer with a moment that has passed: the ones after it are right.
    for moment in islice(CronSim(text, _local(moment_ms, timezone)), _MOST_PASSED):
        if (found := _ms(moment)) > moment_ms:
            return found
    return None


def _until(fires: Iterator[int], until_ms: int) -> Iterator[int]:
    for fire in fires:
        if fire > until_ms:
            return
        yield fire


def _local(moment_ms: int, timezone: str) -> datetime:
    return datetime.fromtimestamp(moment_ms // 1000, UTC).astimezone(zone_of(timezone))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
