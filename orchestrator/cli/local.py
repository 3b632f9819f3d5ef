"""Commands about templates; they need no server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.api.app import template_registry
from orchestrator.api.models import GenerateIn
from orchestrator.api.plan import plan_out
from orchestrator.api.submission import variables_of, warning_out
from orchestrator.packs import PackError
from orchestrator.templates import (
    Limits,
    Registry,
    Template,
    TemplateError,
    UnknownTemplate,
    generate,
    json_schema,
)
from workers_sdk.protocol.keys import scenario_id_from

from .client import ApiClient
from .exits import CommandError, Exit
from .options import Api, Description, Output, Slides, Variables, settings_of
from .output import show
from .plan_view import plan_view
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
    body = body_of("file" if _is_file(template) else template, description, slides, var)
    if api and not _is_file(template):
        with ApiClient(api) as client:
            planned = client.plan(body)
    else:
        with _said_in_words():
            planned = _planned(_template(template), body)
    show(planned, plan_view(planned), output)
    return Exit.OK


def templates(*, api: Api = None, output: Output = "text") -> int:
    """List the templates and their variables."""
    if api:
        with ApiClient(api) as client:
            items = client.templates()["items"]
    else:
        known = template_registry(settings_of())
        items = [
            {"name": one.name, "variables": dict(one.variables), "hash": one.hash} for one in known.all()
        ]
    show(items, templates_table(items), output)
    return Exit.OK


def schema() -> int:
    """Print the JSON Schema of the template format, for editors."""
    show(json_schema(), "", "json")
    return Exit.OK


@contextmanager
def _said_in_words() -> Iterator[None]:
    try:
        yield
    except (TemplateError, UnknownTemplate, PackError) as error:
        raise CommandError(str(error), Exit.USAGE) from error


def _is_file(template: str) -> bool:
    return template.endswith((".yml", ".yaml"))


def _template(template: str) -> Template:
    if not _is_file(template):
        return template_registry(settings_of()).get(template)
    file = Path(template)
    if not file.is_file():
        raise CommandError(f"no file {template}", Exit.USAGE)
    return next(one for one in Registry([file.parent]).all() if Path(one.file).name == file.name)


def _planned(template: Template, body: dict[str, Any]) -> Any:
    settings = settings_of()
    variables, warnings = variables_of(GenerateIn.model_validate(body), template)
    scenario = generate(
        template,
        scenario_id=scenario_id_from(secrets.token_bytes(16)),
        variables=variables,
        now=datetime.now(UTC),
        strict=settings.strict_templates,
        limits=Limits(max_tasks=settings.max_tasks),
    )
    warnings += [warning_out(problem) for problem in scenario.warnings]
    return plan_out(scenario, warnings).model_dump(mode="json")
