"""Commands about webhooks: endpoints and what is sent to them."""

import time
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from .client import ApiClient
from .exits import Exit
from .options import Api, Output, api_url
from .output import show, show_page
from .view import task_table

TEST_WAIT_S: Final = 20.0
"""How long a test message is waited for: an attempt may take 15 s."""

Json = Any
Events = Annotated[
    tuple[str, ...], Parameter(name="--event", negative=(), help="Only these: scenario.failed.")
]
Names = Annotated[tuple[str, ...], Parameter(name="--name", negative=(), help="Only of these templates.")]
Tenants = Annotated[tuple[str, ...], Parameter(name="--tenant", negative=(), help="Only of these tenants.")]


def add(
    url: str,
    /,
    *,
    event: Events = (),
    name: Names = (),
    tenant: Tenants = (),
    description: str = "",
    secret: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Register an endpoint; shows its secret, once.

    Args:
        description: A note for people.
        secret: whsec_ and base64; by default one is made.
    """
    lists = {"events": list(event), "names": list(name), "tenants": list(tenant)}
    given = {} if secret is None else {"secret": secret}
    with ApiClient(api_url(api)) as client:
        added = client.call(
            "POST", "/webhooks", "secret", json={"url": url, "description": description, **lists, **given}
        )
    show(added, Text(f"{added['id']}  {added['secret']}"), output)
    return Exit.OK


def list_(*, api: Api = None, output: Output = "text") -> int:
    """List the endpoints."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", "/webhooks", "items")
    table = _table("id", "url", "of", "state", "failing since", "waiting", "dropped")
    for one in found["items"]:
        of = " ".join([*one["events"], *one["names"], *one["tenants"]]) or "everything"
        state = "enabled" if one["enabled"] else f"disabled {one['reason'] or ''}".strip()
        counts = [str(one["waiting"]), str(one["dropped"] or "")]
        table.add_row(one["id"], Text(one["url"]), Text(of), Text(state), one["failing_since"] or "", *counts)
    show(found, table, output)
    return Exit.OK


def show_(endpoint_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Show what an endpoint is told of, and whether it takes it."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", _path(endpoint_id), "id")
    show(found, task_table(found), output)
    return Exit.OK


def change(
    endpoint_id: str,
    /,
    *,
    url: str | None = None,
    event: Events | None = None,
    name: Names | None = None,
    tenant: Tenants | None = None,
    description: str | None = None,
    enable: Annotated[bool | None, Parameter(negative="--disable", help="Send to it, or not.")] = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Change, disable or enable an endpoint.

    Args:
        url: Send there from now on.
        description: A note for people.
    """
    lists = {"events": event, "names": name, "tenants": tenant}
    given = {"url": url, "description": description, "enabled": enable}
    body: dict[str, Json] = {word: value for word, value in given.items() if value is not None}
    body |= {word: [*value] for word, value in lists.items() if value is not None}
    with ApiClient(api_url(api)) as client:
        changed = client.call("PATCH", _path(endpoint_id), "id", json=body)
    show(changed, Text(f"{endpoint_id}  {'enabled' if changed['enabled'] else 'disabled'}"), output)
    return Exit.OK


def rotate(
    endpoint_id: str,
    /,
    *,
    grace: Annotated[int, Parameter(help="Seconds for which the old secret signs too.")] = 86_400,
    secret: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Give an endpoint a new secret; for a while the old one signs too.

    Args:
        secret: whsec_ and base64; by default one is made.
    """
    given = {} if secret is None else {"secret": secret}
    with ApiClient(api_url(api)) as client:
        rotated = client.call(
            "POST", f"{_path(endpoint_id)}/rotate", "secret", json={"grace_s": grace, **given}
        )
    show(rotated, Text(f"{endpoint_id}  {rotated['secret']}"), output)
    return Exit.OK


def remove(endpoint_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Remove an endpoint, with all that waits to be sent to it."""
    with ApiClient(api_url(api)) as client:
        removed = client.call("DELETE", _path(endpoint_id), "removed")
    show(removed, Text(f"{endpoint_id}  removed"), output)
    return Exit.OK


def test(endpoint_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Send a test message and say what became of it. Exit code 1: it was not taken."""
    with ApiClient(api_url(api)) as client:
        sent = client.call("POST", f"{_path(endpoint_id)}/test", "id")
        deadline = time.monotonic() + TEST_WAIT_S
        while not sent["history"] and time.monotonic() < deadline:
            time.sleep(0.2)
            sent = client.call("GET", _delivery_path(endpoint_id, sent["id"]), "id")
    show(sent, _delivery_view(sent), output)
    return Exit.OK if sent["status"] == "success" else Exit.FAILED


def deliveries(
    endpoint_id: str,
    /,
    *,
    status: Literal["pending", "success", "failed"] | None = None,
    limit: int = 20,
    cursor: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """List what was sent to an endpoint, newest first.

    Args:
        status: Only those in this status.
        limit: How many.
        cursor: Where the page before ended.
    """
    with ApiClient(api_url(api)) as client:
        page = client.page(f"{_path(endpoint_id)}/deliveries", status=status, limit=limit, cursor=cursor)
    table = _table("id", "type", "scenario", "status", "attempts", "last")
    for one in page["items"]:
        last = _how(one["history"][-1]) if one["history"] else ""
        facts = (one["id"], one["type"], one["scenario_id"] or "", one["status"], str(one["attempts"]))
        table.add_row(*facts, Text(last))
    show_page(page, table, output)
    return Exit.OK


def delivery(endpoint_id: str, delivery_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Show one message and its attempts."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", _delivery_path(endpoint_id, delivery_id), "id")
    show(found, _delivery_view(found), output)
    return Exit.OK


def redrive(
    endpoint_id: str, delivery_id: str | None = None, /, *, api: Api = None, output: Output = "text"
) -> int:
    """Send anew one delivery, or without its id all that failed or wait for their next attempt."""
    with ApiClient(api_url(api)) as client:
        if delivery_id is not None:
            path = f"{_delivery_path(endpoint_id, delivery_id)}/redrive"
            found = client.call("POST", path, "id")
            show(found, _delivery_view(found), output)
            return Exit.OK
        count = 0
        body: dict[str, Json] = {}
        while True:
            answer = client.call("POST", f"{_path(endpoint_id)}/redrive", "redriven", json=body)
            count += answer["redriven"]
            body = {"cursor": answer["next_cursor"]}
            if answer["next_cursor"] is None:
                break
    show({"redriven": count}, Text(f"{count} deliveries begin anew"), output)
    return Exit.OK


def _path(endpoint_id: str) -> str:
    return f"/webhooks/{quote(endpoint_id, safe='')}"


def _delivery_path(endpoint_id: str, delivery_id: str) -> str:
    return f"{_path(endpoint_id)}/deliveries/{quote(delivery_id, safe='')}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column)
    return table


def _delivery_view(one: Json) -> Text:
    head = f"{one['id']}  {one['type']}  {one['status']}"
    return Text("\n".join([head, *(f"  {attempt['at']}  {_how(attempt)}" for attempt in one["history"])]))


def _how(attempt: Json) -> str:
    return f"{attempt['error'] or 'HTTP ' + str(attempt['status'])} ({attempt['ms']} ms)"
