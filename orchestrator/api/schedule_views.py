"""Schedules between the words of the API and those of the store."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from orchestrator.store.durability import Durability
from orchestrator.store.schedule_records import Definition, FireRecord, ScheduleRecord, State
from orchestrator.store.turns import Misfire, Overlap
from orchestrator.store.when import BadWhen, When, moment_of, zone_of

from .durability import class_of
from .schedule_models import ScheduleIn, TimesIn
from .submission import owner_of

SHOWN: Final = 5

Json = Any


def when_of(body: TimesIn) -> When:
    """The times of a request; `delay_s` is not among them. Raises BadWhen."""

    def moment(field: str) -> int:
        text = getattr(body, field)
        return moment_of(text, body.timezone, field) if text is not None else 0

    return When(
        cron=body.cron or "",
        every_ms=(body.every_s or 0) * 1000,
        once_ms=moment("run_at"),
        timezone=body.timezone,
        start_ms=moment("start_at"),
        end_ms=moment("end_at"),
        jitter_ms=body.jitter_s * 1000,
    )


def delay_of(body: TimesIn) -> int:
    """`delay_s` in milliseconds; 0 when there is none."""
    return max(1, round(body.delay_s * 1000)) if body.delay_s else 0


def check_times(body: TimesIn, when: When) -> None:
    """Raise BadWhen when these are no times. `when`: those of the body without `delay_s`."""
    if body.delay_s and when.once_ms:
        raise BadWhen("delay_s", "it is given beside run_at: one of them, please")
    replace(when, once_ms=when.once_ms or delay_of(body)).check()


def definition_of(body: ScheduleIn, variables: dict[str, Json], digest: str) -> Definition:
    """What is kept of a request. Raises BadWhen."""
    return Definition(
        scenario=body.scenario,
        when=when_of(body),
        variables=variables,
        name=body.name,
        misfire=Misfire(body.misfire),
        grace_ms=body.grace_s * 1000,
        overlap=Overlap(body.overlap),
        max_runs=body.max_runs,
        digest=digest,
        owner=owner_of(body),
        durability=str(class_of(body.durability) or ""),
    )


def schedule_item(record: ScheduleRecord) -> dict[str, Json]:
    """A `ScheduleItem`."""
    told, when, last = record.definition, record.definition.when, record.last_scenario_id
    return {
        "schedule_id": record.schedule_id,
        "name": told.name,
        "scenario": told.scenario,
        "state": record.state,
        "cron": when.cron or None,
        "every_s": when.every_ms / 1000 if when.every_ms else None,
        "run_at": _time(when.once_ms),
        "timezone": when.timezone,
        "start_at": _time(when.start_ms),
        "end_at": _time(when.end_ms),
        "jitter_s": when.jitter_ms / 1000,
        "misfire": told.misfire,
        "grace_s": told.grace_ms / 1000,
        "overlap": told.overlap,
        "max_runs": told.max_runs,
        "tenant": told.owner.tenant or None,
        "priority": told.owner.priority,
        "submitter": told.owner.submitter or None,
        "durability": Durability.parse(told.durability).json() if told.durability else None,
        "runs": record.runs,
        "next_at": _time(record.next_at_ms),
        "last_scenario_id": last or None,
        "last_error": record.last_error,
        "paused": record.paused,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "links": {
            "self": f"/schedules/{record.schedule_id}",
            "last_scenario": f"/scenarios/{last}" if last else None,
        },
    }


def schedule_out(
    record: ScheduleRecord, fires: list[FireRecord], warnings: list[Json] | None = None
) -> dict[str, Json]:
    """A `ScheduleOut`."""
    active, when = record.state is State.ACTIVE, record.definition.when
    return schedule_item(record) | {
        "variables": record.definition.variables,
        "next_fires": fire_times(when, record.next_ms - 1, SHOWN) if active else [],
        "last_fires": [_fire(one) for one in fires],
        "warnings": warnings or [],
    }


def fire_times(when: When, after_ms: int, count: int) -> list[Json]:
    """The next fires, each a `FireTime`."""
    zone = zone_of(when.timezone)
    return [
        {"at": _time(fire), "local": datetime.fromtimestamp(fire / 1000, zone).isoformat()}
        for fire in islice(when.fires(after_ms), count)
    ]


def _fire(one: FireRecord) -> Json:
    made = {"scenario_id": one.scenario_id or None, "asked": one.asked, "count": one.count}
    return {"at": _time(one.at_ms), "outcome": one.outcome, **made}


def _time(ms: int) -> str | None:
    """ISO 8601; None for 0, which stands for no time."""
    if not ms:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
