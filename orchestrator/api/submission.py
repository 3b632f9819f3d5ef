"""From a request to a scenario that can be stored: choose the template, name the variables, generate."""

import asyncio
import hashlib
import secrets
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from orchestrator.store.records import Idempotency, NewScenario, NewTask
from orchestrator.templates import GeneratedScenario, Limits, Template, TemplateProblem, generate
from workers_sdk.protocol.keys import same_slot, scenario_id_from

from .models import GenerateIn, Json, WarningOut
from .services import Services

_DESCRIPTION: Final = ("PROMPT", "DESCRIPTION")
_SLIDES: Final = ("N_SLIDES", "SLIDES_COUNT")


async def generated(
    body: GenerateIn, scenario_id: str, services: Services
) -> tuple[GeneratedScenario, list[WarningOut]]:
    """Generate the scenario of a request, in a thread.

    Raises:
        UnknownTemplate: the registry has none of this name.
        TemplateError: the template and these variables do not make a scenario.
    """
    template = services.registry.get(body.scenario)
    variables, ignored = variables_of(body, template)
    settings = services.settings
    scenario = await asyncio.to_thread(
        generate,
        template,
        scenario_id=scenario_id,
        variables=variables,
        now=datetime.now(UTC),
        strict=settings.strict_templates,
        limits=Limits(max_tasks=settings.max_tasks),
    )
    return scenario, ignored + [warning_out(problem) for problem in scenario.warnings]


def variables_of(body: GenerateIn, template: Template) -> tuple[dict[str, Json], list[WarningOut]]:
    """Variables of a request by name; a warning for each field that the template has no use for."""
    variables: dict[str, Json] = {}
    warnings: list[WarningOut] = []
    for field, names in (("description", _DESCRIPTION), ("slides_count", _SLIDES)):
        value = getattr(body, field)
        declared = [name for name in names if name in template.variables]
        if value is not None and not declared:
            warnings.append(_unused(field, template))
        if value is not None:
            variables.update(dict.fromkeys(declared, value))
    return variables | body.variables, warnings


def _unused(field: str, template: Template) -> WarningOut:
    takes = ", ".join(sorted(template.variables)) or "no variables"
    return WarningOut(
        code="unused_field",
        message=f"{template.name} has no use for `{field}`; it takes {takes}.",
        pointer=f"/{field}",
    )


def warning_out(problem: TemplateProblem) -> WarningOut:
    """A warning about a template."""
    return WarningOut(
        code=problem.code,
        message=problem.message + (f" ({problem.hint})" if problem.hint else ""),
        pointer=problem.path,
        line=problem.line or None,
        column=problem.column or None,
    )


def identify(body: GenerateIn, key: str | None) -> tuple[str, Idempotency | None]:
    """Choose a new id. An idempotency key decides its slot, so that a repetition is looked up where the first is known."""
    scenario_id = scenario_id_from(secrets.token_bytes(16))
    if key is None:
        return scenario_id, None
    digest = hashlib.sha256(orjson.dumps(body.model_dump(), option=orjson.OPT_SORT_KEYS)).hexdigest()
    return same_slot(scenario_id, key), Idempotency(key, digest)


def new_scenario(scenario: GeneratedScenario, warnings: list[WarningOut]) -> NewScenario:
    """The generated scenario as the store takes it."""
    tasks = [
        NewTask(spec.id, spec.service, spec.name, spec.queue, list(spec.consumers), dict(spec.fields))
        for spec in (scenario.tasks[index] for index in scenario.write_order)
    ]
    return NewScenario(
        scenario_id=scenario.scenario_id,
        name=scenario.name,
        version=scenario.version,
        variables=dict(scenario.variables),
        template_hash=scenario.template_hash,
        task_ids=[spec.id for spec in scenario.tasks],
        tasks=tasks,
        warnings=[_plain(warning) for warning in warnings],
    )


def _plain(warning: WarningOut) -> dict[str, Any]:
    return warning.model_dump(exclude_none=True)
