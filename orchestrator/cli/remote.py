"""Commands that ask an API, here or elsewhere."""

from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from .client import ApiClient
from .exits import Exit
from .follow import FINAL, follow
from .options import (
    Api,
    Description,
    Durability,
    Output,
    Priority,
    Slides,
    Submitter,
    Tenant,
    Timeout,
    Variables,
    api_url,
)
from .output import show, show_page
from .request import body_of, less_durable, owned
from .view import STYLES, age_s, result_of, scenario_view, scenarios_table, task_table

Watch = Annotated[bool, Parameter(name=["--watch", "-w"], negative=(), help="Follow it until its end.")]


def submit(
    name: str,
    /,
    *,
    description: Description = "",
    slides: Slides = None,
    var: Variables = (),
    tenant: Tenant = None,
    priority: Priority = None,
    submitter: Submitter = None,
    durability: Durability = None,
    watch: Watch = False,
    timeout: Timeout = None,
    idempotency_key: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Start a scenario by the name of its template.

    Args:
        idempotency_key: A repeated submission with the same key gives the first scenario again.
    """
    body = body_of(name, description, slides, var) | owned(tenant, priority, submitter, durability)
    with ApiClient(api_url(api)) as client:
        accepted = client.generate(body, idempotency_key)
        if output == "text":
            for warning in (*accepted["warnings"], *less_durable(accepted["durability"])):
                Console(stderr=True).print(Text(f"warning: {warning['message']}", style="yellow"))
        if watch:
            return watched(client, accepted["scenario_id"], timeout, output)
    text = f"{accepted['scenario_id']}  {accepted['name']}, {accepted['total']} tasks"
    show(accepted, Text(text), output)
    return Exit.OK


def scenario(
    scenario_id: str,
    /,
    *,
    watch: Watch = False,
    timeout: Timeout = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Show one scenario with its tasks."""
    with ApiClient(api_url(api)) as client:
        if watch:
            return watched(client, scenario_id, timeout, output)
        found = client.scenario(scenario_id)
    show(found, scenario_view(found, elapsed_s=age_s(found), rows=1000), output)
    return _code(found)


def scenarios(
    *,
    status: str | None = None,
    name: str | None = None,
    tenant: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """List scenarios, newest first.

    Args:
        status: Only those in this status.
        name: Only those of this template.
        tenant: Only those of this tenant.
        limit: How many.
        cursor: Where the page before ended.
    """
    with ApiClient(api_url(api)) as client:
        page = client.scenarios(status=status, name=name, tenant=tenant, limit=limit, cursor=cursor)
    show_page(page, scenarios_table(page["items"]), output)
    return Exit.OK


def task(task_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Show all that is known of one task."""
    with ApiClient(api_url(api)) as client:
        found = client.task(task_id)
    show(found, task_table(found), output)
    return Exit.OK


def cancel(
    any_id: str,
    /,
    *,
    task: Annotated[bool, Parameter(negative=(), help="It is the id of a task, not of a scenario.")] = False,
    reason: str = "",
    api: Api = None,
    output: Output = "text",
) -> int:
    """Cancel a scenario, or a task with all that depends on it.

    Args:
        reason: Kept with it and shown as the cause.
    """
    with ApiClient(api_url(api)) as client:
        found = client.cancel("tasks" if task else "scenarios", any_id, reason)
    show(found, Text(f"{any_id}  {found['status']}"), output)
    return Exit.OK


def watched(client: ApiClient, scenario_id: str, timeout: float | None, output: str) -> int:
    """Follow a scenario to its end, show what came out, and give the code for how it ended."""
    found = follow(client, scenario_id, Console(stderr=True), timeout_s=timeout)
    title = f"{found['scenario_id']}  {found['name']}, {found['total']} tasks in {age_s(found):.1f} s"
    text = Text.assemble(f"{title}: ", (found["status"], STYLES.get(found["status"], "")))
    if result := result_of(found):
        text.append(f"\n{result}", style="bold")
    show(found, text, output)
    return _code(found)


def _code(found: Any) -> Exit:
    return Exit.FAILED if found["status"] in FINAL and found["status"] != "success" else Exit.OK
