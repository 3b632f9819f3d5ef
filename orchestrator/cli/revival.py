"""Run scenarios again: what failed of one, or a part of one anew."""

from typing import Annotated
from urllib.parse import quote

from cyclopts import Parameter
from rich.text import Text

from .client import ApiClient
from .exits import Exit
from .options import Api, Fields, Output, Params, Prompt, Timeout, api_url
from .output import show
from .remote import Watch, watched
from .request import edits_of


def retry(
    scenario_id: str,
    /,
    *,
    watch: Watch = False,
    timeout: Timeout = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Run again what failed of a scenario, was skipped or cancelled; what succeeded stays."""
    with ApiClient(api_url(api)) as client:
        found = client.call("POST", f"/scenarios/{quote(scenario_id, safe='')}/retry", "revived")
        if watch:
            return watched(client, scenario_id, timeout, output)
    text = f"{scenario_id}  {found['status']}, {found['revived']} tasks run again"
    show(found, Text(text), output)
    return Exit.OK


def rerun(
    scenario_id: str,
    /,
    *,
    start: Annotated[
        str, Parameter(name="--from", help="Task: its id, its key in the template, or its name.")
    ],
    prompt: Prompt = None,
    param: Params = (),
    field: Fields = (),
    watch: Watch = False,
    timeout: Timeout = None,
    idempotency_key: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Run a scenario anew from one of its tasks on, as a new one: what did not depend on it is copied with its results.

    Args:
        idempotency_key: A repeated rerun with the same key gives the first one again.
    """
    body = {"from": start, **edits_of(prompt, param, field)}
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    path = f"/scenarios/{quote(scenario_id, safe='')}/rerun"
    with ApiClient(api_url(api)) as client:
        made = client.call("POST", path, "scenario_id", json=body, headers=headers)
        if watch:
            return watched(client, made["scenario_id"], timeout, output)
    show(made, Text(f"{made['scenario_id']}  {made['name']}, {made['total']} tasks"), output)
    return Exit.OK
