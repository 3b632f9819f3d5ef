"""Commands about templates; they need no server."""

from orchestrator.api.app import template_registry
from orchestrator.templates import json_schema

from .client import ApiClient
from .exits import Exit
from .options import Api, Description, Output, Slides, Variables, settings_of
from .output import show
from .plan_view import plan_view
from .planning import planned, template_errors, template_in
from .request import body_of
from .view import templates_table


def plan(
    template: str,
    /,
    *,
    description: Description = "",
    slides: Slides = None,
    var: Variables = (),
    api: Api = None,
    output: Output = "text",
) -> int:
    """Render and check a template and draw its graph; nothing is started.

    Args:
        template: Name of a template, or a YAML file.
    """
    is_file = template.endswith((".yml", ".yaml"))
    body = body_of("file" if is_file else template, description, slides, var)
    if api and not is_file:
        with ApiClient(api) as client:
            found = client.plan(body)
    else:
        settings = settings_of()
        with template_errors():
            if is_file:
                found = planned(template_in(template), body, settings)
            else:
                registry = template_registry(settings)
                found = planned(registry.get(template), body, settings, registry.names())
    show(found, plan_view(found), output)
    return Exit.OK


def templates(*, api: Api = None, output: Output = "text") -> int:
    """List the templates and their variables."""
    if api:
        with ApiClient(api) as client:
            items = client.templates()["items"]
    else:
        with template_errors():
            known = template_registry(settings_of()).all()
        items = [{"name": one.name, "variables": dict(one.variables), "hash": one.hash} for one in known]
    show(items, templates_table(items), output)
    return Exit.OK


def schema() -> int:
    """Print the JSON Schema of the template format, for editors."""
    show(json_schema(), "", "json")
    return Exit.OK
