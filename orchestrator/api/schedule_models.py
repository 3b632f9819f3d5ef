"""Bodies of requests and answers about schedules."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from orchestrator.store.when import MAX_CRON_CHARS

from .models import DurabilityClass, DurabilityOut, GenerateIn, Json, Request, WarningOut

Moment = Annotated[str, StringConstraints(min_length=1, max_length=40)]
YEAR_S: Final = 366 * 86_400

EXAMPLE: Final[dict[str, Json]] = {
    "scenario": "CreateVideo",
    "description": "Новости недели",
    "cron": "0 9 * * 1",
    "timezone": "Europe/Berlin",
    "overlap": "skip",
}


class TimesIn(Request):
    """When to fire: exactly one of `cron`, `every_s`, `run_at`, `delay_s`."""

    cron: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_CRON_CHARS,
        description="Five fields: minute, hour, day of month, month, day of week, read in `timezone`.",
    )
    every_s: int | None = Field(
        default=None,
        ge=1,
        le=YEAR_S,
        description="Distance of two fires in seconds, counted from `start_at` or now.",
    )
    run_at: Moment | None = Field(
        default=None, description="Once, at this time (ISO 8601); without an offset it is one of `timezone`."
    )
    delay_s: float | None = Field(
        default=None, gt=0, le=YEAR_S, description="Once, so many seconds from now."
    )
    timezone: str = Field(default="UTC", max_length=100, description="IANA name, such as Europe/Berlin.")
    start_at: Moment | None = Field(default=None, description="No fire before this time.")
    end_at: Moment | None = Field(default=None, description="No fire after this time.")
    jitter_s: int = Field(
        default=0,
        ge=0,
        le=86_400,
        description="Each fire comes up to so many seconds later; always the same for one fire.",
    )


class ScheduleIn(GenerateIn, TimesIn):
    """What to generate, on whose behalf, and when. `durability` is about the schedule itself, and its fires on request."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str = Field(default="", max_length=100, description="For people.")
    misfire: Literal["once", "skip", "all"] = Field(
        default="once",
        description="What becomes of fires whose time passed during an outage: `once` runs the latest, `skip` too but none "
        "later than `grace_s`, `all` runs the last 100 one after the other.",
    )
    grace_s: int = Field(default=60, ge=0, le=YEAR_S, description="See `misfire`, in seconds.")
    overlap: Literal["allow", "skip", "wait", "cancel"] = Field(
        default="allow",
        description="While the scenario of the fire before still runs: run both, leave the new one out, let it wait, or "
        "cancel the old one.",
    )
    max_runs: int = Field(
        default=0, ge=0, le=1_000_000, description="It ends after so many scenarios; 0: never by that."
    )
    paused: bool = Field(default=False, description="Make it, but let nothing fire yet.")


class PreviewIn(TimesIn):
    """Times to look at."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cron": "0 9 * * 1", "timezone": "Europe/Berlin"}]}
    )

    count: int = Field(default=5, ge=1, le=100, description="How many fires to show.")


class PauseIn(Request):
    """Why, and who asks for it."""

    reason: str = Field(default="paused on request", min_length=1, max_length=500)
    by: str = Field(default="", max_length=200)


class FireTime(BaseModel):
    """A fire to come, without its jitter."""

    at: str = Field(description="ISO 8601, UTC.")
    local: str = Field(description="The same on the clocks of the time zone.")


class PreviewOut(BaseModel):
    """The next fires; fewer than asked for when there are no more."""

    fires: list[FireTime]


class FireOut(BaseModel):
    """What became of a fire."""

    at: str = Field(description="Its time; of missed ones that of the first.")
    outcome: Literal["started", "failed", "skipped", "missed", "refused"]
    scenario_id: str | None = None
    asked: bool = Field(default=False, description="Somebody asked for it out of turn.")
    count: int = Field(default=1, description="Of missed ones how many, at most 1,000 are counted.")


class Paused(BaseModel):
    """Why a schedule is paused."""

    reason: str
    by: str


class ScheduleLinks(BaseModel):
    """Addresses, relative to the server. `last_scenario` is null before the first fire."""

    self: str
    last_scenario: str | None = None


class ScheduleItem(BaseModel):
    """A schedule. Times are ISO 8601 in UTC."""

    schedule_id: str
    name: str
    scenario: str
    state: Literal["active", "paused", "ended"] = Field(
        description="One that has ended is removed after the retention of scenarios."
    )
    cron: str | None
    every_s: float | None
    run_at: str | None
    timezone: str
    start_at: str | None
    end_at: str | None
    jitter_s: float
    misfire: Literal["once", "skip", "all"]
    grace_s: float
    overlap: Literal["allow", "skip", "wait", "cancel"]
    max_runs: int
    tenant: str | None
    priority: int | None
    submitter: str | None
    durability: DurabilityClass | None
    runs: int = Field(description="Scenarios that it started in turn.")
    next_at: str | None = Field(
        description="When it fires next, with jitter; null when it is paused or has ended."
    )
    last_scenario_id: str | None
    last_error: Json = Field(
        default=None, description="Why the last fire made no scenario; null when it did."
    )
    paused: Paused | None = None
    created_at: str
    updated_at: str
    links: ScheduleLinks


class ScheduleOut(ScheduleItem):
    """A schedule with what will be and what was."""

    variables: dict[str, Any]
    next_fires: list[FireTime] = Field(description="The next five.")
    last_fires: list[FireOut] = Field(description="The last twenty, newest first.")
    warnings: list[WarningOut] = Field(
        default_factory=list, description="About the request, when it was made."
    )


class ScheduleMadeOut(ScheduleOut):
    """A schedule that was made, and how safe it is."""

    confirmed: DurabilityOut


class ScheduleRemoved(BaseModel):
    """A short yes."""

    schedule_id: str
    removed: Literal[True] = True


class SchedulePageOut(BaseModel):
    """Schedules, newest first."""

    items: list[ScheduleItem]
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last one.")
