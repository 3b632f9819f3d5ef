"""Commands about templates. They look at those of this machine and need no server, unless an API is named."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from orchestrator.api.app import template_registry
from orchestrator.templates import json_schema

from .client import ApiClient
from .exits import Exit
from .options import Description, Output, Slides, Variables, settings_of
from .output import show
from .plan_view import plan_view
from .planning import planned, template_errors, template_in
from .request import body_of
from .view import templates_table

Api = Annotated[
    str | None,
    Parameter(
        env_var="SCENARIST_API",
        help="Take the templates of this API. Without it those of this machine: SCENARIST_TEMPLATES and the packs.",
    ),
]


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
        template: Name of a template, or a YAML file, which is always one of this machine.
    """
    is_file = template.endswith((".yml", ".yaml"))
    body = body_of("file" if is_file else template, description, slides, var)
    if api and not is_file:
        with ApiClient(api) as client:
            found = client.plan(body)
        _say_whose(api, output)
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
        _say_whose(api, output)
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


def _say_whose(api: str, output: str) -> None:
    """The variable SCENARIST_API is easily forgotten."""
    if output == "text":
        Console(stderr=True).print(Text(f"templates of {api}", style="dim"), soft_wrap=True)
