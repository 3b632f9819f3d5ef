"""Why does a task not run? Why is a scenario not done?"""

from typing import Any
from urllib.parse import quote

from rich.text import Text

from .client import ApiClient
from .exits import CommandError, Exit
from .options import Api, Output, api_url
from .output import show
from .view import STYLES

Json = Any


def why(any_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Say why a task does not run or a scenario is not done, and of one that has ended, how."""
    with ApiClient(api_url(api)) as client:
        found = _asked(client, quote(any_id, safe=""))
    show(found, _of_scenario(found) if "groups" in found else _of_task(found), output)
    return Exit.OK


def _asked(client: ApiClient, any_id: str) -> Json:
    try:
        return client.call("GET", f"/scenarios/{any_id}/why", "groups")
    except CommandError as error:
        if error.code is not Exit.USAGE:
            raise
    try:
        return client.call("GET", f"/tasks/{any_id}/why", "reasons")
    except CommandError as error:
        if error.code is not Exit.USAGE:
            raise
        raise CommandError(f"there is no scenario and no task {any_id}", Exit.USAGE) from error


def _of_task(found: Json) -> Text:
    text = Text(f"{found['task_id']}  {found['name']} ({found['service']})  ")
    text.append(found["status"], STYLES.get(found["status"], ""))
    return text.append(_lines(found["reasons"], "  "))


def _of_scenario(found: Json) -> Text:
    text = Text(f"{found['scenario_id']}  {found['name']}  ")
    text.append(found["status"], STYLES.get(found["status"], ""))
    text.append(_lines(found["reasons"], "  "))
    for group in found["groups"]:
        names = ", ".join(f"{task['name']} {task['id']}" for task in group["tasks"])
        more = group["count"] - len(group["tasks"])
        text.append(f"\n  {group['count']} x {group['service']}: ").append(group["code"], "bold")
        text.append(f"  {names}{f' and {more} more' if more else ''}")
        text.append(_lines(group["reasons"], "      "))
    if not found["complete"]:
        text.append("\n  (not all of its tasks were looked at)", "dim")
    return text


def _lines(reasons: Json, indent: str) -> str:
    return "".join(f"\n{indent}{reason['message']}" for reason in reasons)
