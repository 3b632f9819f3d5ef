"""Dead letters by the command line: tasks that failed for good."""

from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .client import ApiClient
from .exits import CommandError, Exit
from .options import Api, Fields, Output, Params, Prompt, api_url
from .output import show, show_page
from .request import edits_of
from .view import reason_of, task_table

Json = Any

Which = Annotated[str, Parameter(help="A kind as `list` shows it, or the id of a task.")]
All = Annotated[bool, Parameter(name="--all", negative=(), help="All of all kinds.")]


def list_(*, limit: int = 20, api: Api = None, output: Output = "text") -> int:
    """List what went wrong, by kinds of errors, that which came last first.

    Args:
        limit: How many kinds.
    """
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", "/dead-letters", "items", params={"limit": limit})
    show(found, _kinds(found), output)
    return Exit.OK


def show_(
    which: Which,
    /,
    *,
    limit: int = 20,
    cursor: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Show the tasks of a kind, the latest first, or one of them with its attempts.

    Args:
        limit: How many tasks of a kind.
        cursor: Where the page before ended.
    """
    with ApiClient(api_url(api)) as client:
        if not _is_kind(which):
            found = {**client.task(which), "attempts": client.attempts(which)["items"]}
            show(found, task_table(found), output)
            return Exit.OK
        page = client.page(f"/dead-letters/{quote(which, safe='')}", limit=limit, cursor=cursor)
    show_page(page, _tasks(page["items"]), output)
    return Exit.OK


def redrive(
    which: Which = "",
    /,
    *,
    all_: All = False,
    prompt: Prompt = None,
    param: Params = (),
    field: Fields = (),
    api: Api = None,
    output: Output = "text",
) -> int:
    """Run one of them again, all of a kind, or all. The work of one may be changed before."""
    edits = edits_of(prompt, param, field)
    path = _path(which, everything=all_)
    if edits and (all_ or _is_kind(which)):
        raise CommandError("only the work of one task can be changed: give its id", Exit.USAGE)
    with ApiClient(api_url(api)) as client:
        if edits:
            client.call("PATCH", path, "id", json=edits)
        found = client.call("POST", f"{path}/redrive", "links" if "/tasks/" in path else "redriven")
    show(found, Text(_said(found)), output)
    return Exit.OK


def purge(which: Which = "", /, *, all_: All = False, api: Api = None, output: Output = "text") -> int:
    """Take one off the list, all of a kind, or all; they stay failed."""
    path = _path(which, everything=all_)
    with ApiClient(api_url(api)) as client:
        found = client.call("DELETE", path, "dismissed")
        more = found
        while more["left"] and more["dismissed"]:
            more = client.call("DELETE", path, "dismissed")
            found = {**more, "dismissed": found["dismissed"] + more["dismissed"]}
    show(found, Text(f"{found['dismissed']} taken off the list"), output)
    return Exit.OK


def _is_kind(which: str) -> bool:
    return ":" in which


def _path(which: str, *, everything: bool) -> str:
    if bool(which) == everything:
        raise CommandError("give a kind, the id of a task, or --all", Exit.USAGE)
    if everything:
        return "/dead-letters"
    return f"/dead-letters/{'' if _is_kind(which) else 'tasks/'}{quote(which, safe='')}"


def _said(found: Json) -> str:
    if "redriven" not in found:
        return f"{found['id']}  {found['status']}, attempt {found['attempt']}"
    left = f", {found['left']} are left" if found["left"] else ""
    return f"{found['redriven']} run again{left}" + (" and will follow" if found["carried_on"] else "")


def _kinds(found: Json) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for title in ("kind", "count", "last", "task", "error of the latest"):
        table.add_column(
            title, justify="right" if title == "count" else "left", no_wrap=title != "error of the latest"
        )
    for kind in found["items"]:
        sample = kind["sample"]
        error = Text(reason_of(sample["error"]), style="red")
        table.add_row(
            Text(kind["fingerprint"]), str(kind["count"]), kind["last_at"], Text(sample["name"]), error
        )
    return Group(table, Text(f"{found['total']} dead letters", style="dim"))


def _tasks(tasks: Json) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for title in ("task", "name", "scenario", "failed", "error"):
        table.add_column(title, no_wrap=title != "error")
    for task in tasks:
        error = Text(reason_of(task["error"]), style="red")
        table.add_row(
            Text(task["id"]), Text(task["name"]), Text(task["scenario_id"]), task["finished_at"], error
        )
    return table
