"""Commands about schedules: scenarios that start at their time."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from cyclopts import Parameter
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .client import ApiClient
from .exits import CommandError, Exit
from .options import (
    Api,
    Description,
    Durability,
    Output,
    Priority,
    Slides,
    Submitter,
    Tenant,
    Variables,
    api_url,
)
from .output import show as show_result
from .output import show_page
from .request import because, body_of, less_durable, owned
from .view import reason_of

Json = Any
Cron = Annotated[str | None, Parameter(help="Five fields: minute, hour, day of month, month, day of week.")]
Every = Annotated[timedelta | None, Parameter(help="At intervals: 90s, 5m, 12h, 7d.")]
At = Annotated[
    str | None, Parameter(name="--at", help="Once: 2026-03-29T09:00, by the clock of the time zone.")
]
Delay = Annotated[timedelta | None, Parameter(help="Once, so long from now: 90s, 5m, 12h, 7d.")]
Timezone = Annotated[str, Parameter(help="Such as Europe/Berlin.")]
Start = Annotated[str | None, Parameter(help="No fire before this time.")]
End = Annotated[str | None, Parameter(help="No fire after this time.")]
_STYLES: Final = {
    "active": "green",
    "paused": "yellow",
    "ended": "dim",
    "started": "green",
    "failed": "red",
    "refused": "yellow",
}


def add(
    scenario: str,
    /,
    *,
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    delay: Delay = None,
    timezone: Timezone = "UTC",
    start: Start = None,
    end: End = None,
    jitter: Annotated[
        timedelta | None, Parameter(help="Up to so much later, always the same for one fire.")
    ] = None,
    misfire: Annotated[
        Literal["once", "skip", "all"],
        Parameter(help="Of fires missed by an outage run the latest, none or all."),
    ] = "once",
    grace: Annotated[timedelta | None, Parameter(help="With --misfire skip: how late a fire may be.")] = None,
    overlap: Annotated[
        Literal["allow", "skip", "wait", "cancel"], Parameter(help="While the scenario before still runs.")
    ] = "allow",
    max_runs: Annotated[int, Parameter(help="End after so many scenarios.")] = 0,
    paused: Annotated[bool, Parameter(negative=(), help="Let nothing fire yet.")] = False,
    name: Annotated[str, Parameter(help="For people.")] = "",
    description: Description = "",
    slides: Slides = None,
    var: Variables = (),
    tenant: Tenant = None,
    priority: Priority = None,
    submitter: Submitter = None,
    durability: Durability = None,
    idempotency_key: Annotated[
        str | None, Parameter(help="The same key again gives the same schedule.")
    ] = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Have a scenario started by cron, at intervals, or once.

    Args:
        scenario: Name of its template.
    """
    times = _times(cron, every, at, delay, timezone, start, end)
    more = {"jitter_s": _seconds(jitter), "grace_s": _seconds(grace)}
    rules = {"misfire": misfire, "overlap": overlap, "max_runs": max_runs, "paused": paused, "name": name}
    body = body_of(scenario, description, slides, var) | owned(tenant, priority, submitter, durability)
    body |= times | _given(more) | rules
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    with ApiClient(api_url(api)) as client:
        made = client.call("POST", "/schedules", "schedule_id", json=body, headers=headers)
    if output == "text":
        for warning in (*made["warnings"], *less_durable(made["confirmed"])):
            Console(stderr=True).print(Text(f"warning: {warning['message']}", style="yellow"))
    show_result(made, Text(f"{made['schedule_id']}  {made['scenario']}, next {_next(made)}"), output)
    return Exit.OK


def preview(
    *,
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    delay: Delay = None,
    timezone: Timezone = "UTC",
    start: Start = None,
    end: End = None,
    count: Annotated[int, Parameter(help="How many.")] = 5,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Show when a schedule would fire; nothing is stored."""
    body = _times(cron, every, at, delay, timezone, start, end) | {"count": count}
    with ApiClient(api_url(api)) as client:
        found = client.call("POST", "/schedules/preview", "fires", json=body)
    show_result(found, _fires_table(found["fires"]), output)
    return Exit.OK


def list_(*, limit: int = 20, cursor: str | None = None, api: Api = None, output: Output = "text") -> int:
    """List schedules, newest first.

    Args:
        limit: How many.
        cursor: Where the page before ended.
    """
    with ApiClient(api_url(api)) as client:
        page = client.page("/schedules", limit=limit, cursor=cursor)
    show_page(page, _table(page["items"]), output)
    return Exit.OK


def show(schedule_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Show a schedule, its next and its last fires."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", _path(schedule_id), "schedule_id")
    show_result(found, _view(found), output)
    return Exit.OK


def pause(
    schedule_id: str, /, *, reason: str = "", by: str = "", api: Api = None, output: Output = "text"
) -> int:
    """Let nothing fire until it is resumed.

    Args:
        reason: Why; kept with it.
        by: Who asks for it.
    """
    return _change(schedule_id, "pause", because(reason, by), api, output)


def resume(schedule_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Go on with the next fire from now."""
    return _change(schedule_id, "resume", None, api, output)


def fire(
    schedule_id: str,
    /,
    *,
    idempotency_key: Annotated[str | None, Parameter(help="The same key again fires only once.")] = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Start its scenario now; the next fire stays as it is."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    with ApiClient(api_url(api)) as client:
        made = client.call("POST", f"{_path(schedule_id)}/fire", "scenario_id", headers=headers)
    show_result(made, Text(f"{made['scenario_id']}  {made['name']}, {made['total']} tasks"), output)
    return Exit.OK


def remove(schedule_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Remove a schedule; scenarios that it started go on."""
    with ApiClient(api_url(api)) as client:
        removed = client.call("DELETE", _path(schedule_id), "removed")
    show_result(removed, Text(f"{schedule_id}  removed"), output)
    return Exit.OK


def _change(schedule_id: str, verb: str, body: Json, api: str | None, output: str) -> int:
    with ApiClient(api_url(api)) as client:
        found = client.call("POST", f"{_path(schedule_id)}/{verb}", "schedule_id", json=body)
    show_result(found, Text(f"{schedule_id}  {found['state']}, next {_next(found)}"), output)
    return Exit.OK


def _times(
    cron: str | None,
    every: timedelta | None,
    at: str | None,
    delay: timedelta | None,
    timezone: str,
    start: str | None,
    end: str | None,
) -> dict[str, Json]:
    """A `TimesIn`."""
    if sum(one is not None for one in (cron, every, at, delay)) != 1:
        raise CommandError("name exactly one of: --cron, --every, --at, --delay", Exit.USAGE)
    once = {"run_at": at, "delay_s": delay.total_seconds() if delay is not None else None}
    bounds = {"start_at": start, "end_at": end}
    return _given({"cron": cron, "every_s": _seconds(every), **once, **bounds}) | {"timezone": timezone}


def _seconds(time: timedelta | None) -> int | None:
    return None if time is None else round(time.total_seconds())


def _given(values: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}


def _path(schedule_id: str) -> str:
    return f"/schedules/{quote(schedule_id, safe='')}"


def _next(schedule: Json) -> str:
    return schedule["next_at"] or "never" if schedule["state"] != "paused" else "when it is resumed"


def _when(schedule: Json) -> str:
    if schedule["cron"]:
        return f"{schedule['cron']}  {schedule['timezone']}"
    return f"every {schedule['every_s']:g} s" if schedule["every_s"] else f"once {schedule['run_at']}"


def _table(items: Sequence[Json]) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for title in ("schedule", "name", "scenario", "state", "when", "next", "runs", ""):
        table.add_column(title, no_wrap=True)
    for one in items:
        state = Text(one["state"], style=_STYLES[one["state"]])
        cells = [Text(one["schedule_id"]), Text(one["name"]), Text(one["scenario"]), state, Text(_when(one))]
        error = Text(reason_of(one["last_error"]), style="red")
        table.add_row(*cells, Text(one["next_at"] or ""), Text(str(one["runs"])), error)
    return table


def _view(found: Json) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    for name, value in found.items():
        if value not in (None, "", [], {}) and name not in ("links", "next_fires", "last_fires"):
            facts.add_row(Text(name, style="dim"), Text(str(value), style=_STYLES.get(str(value), "")))
    last = Table(box=None, padding=(0, 1), header_style="dim", title="last fires", title_justify="left")
    for title in ("at", "outcome", "scenario"):
        last.add_column(title, no_wrap=True)
    for one in found["last_fires"]:
        outcome = one["outcome"] + (f" {one['count']}" if one["outcome"] == "missed" else "")
        what = Text(outcome, style=_STYLES.get(one["outcome"], ""))
        last.add_row(Text(one["at"]), what, Text(one["scenario_id"] or ""))
    parts = [_fires_table(found["next_fires"])] if found["next_fires"] else []
    return Group(facts, *parts, *([last] if found["last_fires"] else []))


def _fires_table(fires: Sequence[Json]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for title in ("next fires", "by the clock of the zone"):
        table.add_column(title, no_wrap=True)
    for one in fires:
        table.add_row(Text(one["at"]), Text(one["local"]))
    return table
