"""Renders and checks templates here, without a server."""

import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydantic

from orchestrator.api.app import template_registry
from orchestrator.api.models import GenerateIn
from orchestrator.api.plan import plan_out
from orchestrator.api.submission import variables_of
from orchestrator.config import Settings
from orchestrator.handover import warning_out
from orchestrator.packs import PackError
from orchestrator.templates import Limits, Template, TemplateError, UnknownTemplate, generate, load_template
from workers_sdk.protocol.keys import scenario_id_from

from .exits import CommandError, Exit, TemplateProblems

Json = Any


@contextmanager
def template_errors() -> Iterator[None]:
    """Turn what is wrong with templates, packs or a request into CommandError, USAGE."""
    try:
        yield
    except TemplateError as error:
        raise TemplateProblems(str(error)) from error
    except (UnknownTemplate, PackError) as error:
        raise CommandError(str(error), Exit.USAGE) from error
    except OSError as error:
        raise CommandError(f"cannot read {error.filename}: {error.strerror}", Exit.USAGE) from error


def template_in(file: str) -> Template:
    """Read the one file, under the name that it was given by. Raises: OSError, TemplateError."""
    try:
        text = Path(file).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} is not UTF-8", Exit.USAGE) from error
    return load_template(text, file=file, name=Path(file).stem)


def planned(
    template: Template,
    body: Mapping[str, Json],
    settings: Settings,
    templates: Collection[str] | None = None,
) -> Json:
    """The answer of `POST /plan` to `body`. `templates`: names of those that tasks may run; None: that is not checked.

    Raises: CommandError, TemplateError.
    """
    try:
        request = GenerateIn.model_validate(body)
    except pydantic.ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise CommandError("\n".join(["the request is wrong", *lines]), Exit.USAGE) from error
    variables, warnings = variables_of(request, template)
    scenario = generate(
        template,
        scenario_id=scenario_id_from(secrets.token_bytes(16)),
        variables=variables,
        now=datetime.now(UTC),
        strict=settings.strict_templates,
        limits=Limits(max_tasks=settings.max_tasks),
        templates=templates,
    )
    warnings += [warning_out(problem) for problem in scenario.warnings]
    return plan_out(scenario, warnings)


def check(body: Mapping[str, Json], settings: Settings) -> None:
    """Refuse what the API would refuse. Raises CommandError."""
    with template_errors():
        registry = template_registry(settings)
        planned(registry.get(body["scenario"]), body, settings, registry.names())
