"""Scenarios with states: send them events, see how they came where they stand."""

from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .client import ApiClient
from .exits import Exit
from .options import Api, Output, api_url
from .output import show
from .request import value_of

Json = Any


def event(
    scenario_id: str,
    event: str,
    /,
    *,
    data: Annotated[str | None, Parameter(help="What comes with it; JSON where it is JSON.")] = None,
    by: Annotated[str, Parameter(help="Who or what caused it.")] = "",
    event_id: Annotated[str, Parameter(help="The same id again is no second event.")] = "",
    api: Api = None,
    output: Output = "text",
) -> int:
    """Send an event to a scenario with states: it goes on to the state that the event leads to.

    Args:
        event: Its name; `scenarist scenario ID` shows those that it takes now.
    """
    given = {"event": event, "data": None if data is None else value_of(data), "by": by, "event_id": event_id}
    body = {name: value for name, value in given.items() if value not in (None, "")}
    with ApiClient(api_url(api)) as client:
        path = f"/scenarios/{quote(scenario_id, safe='')}/events"
        found = client.call("POST", path, "state", json=body)
    again = " (taken before)" if found["repeated"] else ""
    show(found, Text(f"{scenario_id}  {found['state']}{again}{_takes(found['allowed_events'])}"), output)
    return Exit.OK


def history(scenario_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Show how a scenario came from state to state."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", f"/scenarios/{quote(scenario_id, safe='')}/history", "items")
    show(found, _history_table(found["items"]), output)
    return Exit.OK


def _takes(events: list[str]) -> str:
    return f"; takes {', '.join(events)}" if events else ""


def _history_table(items: list[Json]) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for title in ("at", "from", "event", "to", "by"):
        table.add_column(title, no_wrap=True)
    for item in items:
        texts = (item["at"], item["from"] or "", item["event"], item["to"], item["by"] or "")
        table.add_row(*(Text(text) for text in texts))
    return table
