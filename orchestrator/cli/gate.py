"""Gates by the command line: what waits for people, and their decisions."""

import json
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .client import ApiClient
from .exits import CommandError, Exit
from .options import Api, Output, api_url
from .output import show, show_page

Json = Any

By = Annotated[str, Parameter(help="Who decides.")]
Groups = Annotated[tuple[str, ...], Parameter(name="--group", negative=(), help="A group that person is in.")]
Comment = Annotated[str, Parameter(help="Kept with the decision.")]


def list_(
    *,
    who: str | None = None,
    group: Groups = (),
    scenario: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """List the open gates, those that wait longest first.

    Args:
        who: Only what this person may still decide.
        scenario: Only those of this scenario.
        limit: How many.
        cursor: Where the page before ended.
    """
    wanted = {"who": who, "group": group, "scenario_id": scenario}
    with ApiClient(api_url(api)) as client:
        page = client.page("/gates", **wanted, limit=limit, cursor=cursor)
    show_page(page, _table(page["items"]), output)
    return Exit.OK


def show_(task_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Show what is asked, the value as it stands, the votes and all that happened."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", _path(task_id), "task_id")
    show(found, _view(found), output)
    return Exit.OK


def approve(
    task_id: str,
    /,
    *,
    by: By,
    group: Groups = (),
    value: str | None = None,
    comment: Comment = "",
    api: Api = None,
    output: Output = "text",
) -> int:
    """Approve the value as it stands, or another one.

    Args:
        value: JSON of what is approved instead; text that is no JSON is taken as it is.
    """
    more = {} if value is None else {"value": _json_or_text(value)}
    return _decide(
        task_id,
        {"decision": "approve", "by": by, "groups": list(group), "comment": comment} | more,
        api,
        output,
    )


def reject(
    task_id: str,
    /,
    *,
    by: By,
    group: Groups = (),
    comment: Comment = "",
    api: Api = None,
    output: Output = "text",
) -> int:
    """Reject."""
    return _decide(
        task_id, {"decision": "reject", "by": by, "groups": list(group), "comment": comment}, api, output
    )


def link(
    task_id: str,
    /,
    *,
    by: By,
    group: Groups = (),
    expires_in: int = 86_400,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Make a one-time link for a person. Whoever has it decides, so it is a secret.

    Args:
        expires_in: Seconds.
    """
    body = {"by": by, "groups": list(group), "expires_in": expires_in}
    with ApiClient(api_url(api)) as client:
        made = client.call("POST", f"{_path(task_id)}/links", "url", json=body)
        made["url"] = client.url + made["url"]
    show(made, Text(made["url"]), output)
    return Exit.OK


def _decide(task_id: str, body: Json, api: str | None, output: str) -> int:
    with ApiClient(api_url(api)) as client:
        found = client.call("POST", f"{_path(task_id)}/decision", "repeated", json=body)
    missing = found["quorum"] - found["approvals"]
    text = f"{task_id}  {found['state']}"
    if found["state"] == "open":
        text += f", {missing} more approvals are needed"
    show(found, Text(text), output)
    return Exit.OK


def _path(task_id: str) -> str:
    return f"/gates/{quote(task_id, safe='')}"


def _json_or_text(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError:
        raise CommandError("the value is nested too deep", Exit.USAGE) from None


def _table(items: Sequence[Json]) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for title in ("gate", "question", "who", "approvals", "opened", "deadline"):
        table.add_column(title, no_wrap=True)
    for item in items:
        approvals = f"{item['approvals']} of {item['quorum']}"
        who = Text(", ".join(item["who"]) or "anybody")
        question = Text(item["title"], style="bold")
        table.add_row(
            Text(item["task_id"]), question, who, approvals, item["opened_at"], item["deadline"] or ""
        )
    return table


def _view(gate: Json) -> RenderableType:
    """A field a line; the longer ones as JSON."""
    table = Table.grid(padding=(0, 2))
    for name, value in gate.items():
        if value in (None, "", []) or name == "links":
            continue
        lines = value if name in ("votes", "audit") else [value]
        for i, line in enumerate(lines):
            shown = line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)
            table.add_row(Text("" if i else name, style="dim"), Text(shown))
    return table
