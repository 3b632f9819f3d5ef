"""Short ways to a scenario in the tests of templates."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.templates import (
    GeneratedScenario,
    Limits,
    TaskSpec,
    TemplateError,
    TemplateProblem,
    generate,
    load_template,
)

NOW = datetime(2025, 6, 26, 10, 34, 12, 349_000, tzinfo=UTC)
SCENARIO = "00abcdefghjkmnpq"


def build(
    text: str, *, strict: bool = False, limits: Limits | None = None, **variables: Any
) -> GeneratedScenario:
    """Load and generate."""
    template = load_template(text, file="t.yml", name="T")
    return generate(
        template, scenario_id=SCENARIO, variables=variables, now=NOW, strict=strict, limits=limits or Limits()
    )


def problems(
    text: str, *, strict: bool = False, limits: Limits | None = None, **variables: Any
) -> list[TemplateProblem]:
    """The problems of a template that must be refused."""
    with pytest.raises(TemplateError) as caught:
        build(text, strict=strict, limits=limits, **variables)
    assert caught.value.problems
    return caught.value.problems


def codes(text: str, **more: Any) -> set[str]:
    """Their codes."""
    return {problem.code for problem in problems(text, **more)}


def one(text: str, **more: Any) -> TemplateProblem:
    """The only problem."""
    found = problems(text, **more)
    assert len(found) == 1, found
    return found[0]


def by_key(scenario: GeneratedScenario) -> dict[str, TaskSpec]:
    """Tasks by local id."""
    return {task.key: task for task in scenario.tasks}


def edges(scenario: GeneratedScenario) -> set[tuple[str, str]]:
    """Edges by local ids."""
    key_of = {task.id: task.key for task in scenario.tasks}
    return {(task.key, key_of[consumer]) for task in scenario.tasks for consumer in task.consumers}


def task(name: str, **fields: str) -> str:
    """YAML of one task, for the list under `tasks:`."""
    lines = [f"  - name: {name}", "    service: s", *(f"    {key}: {value}" for key, value in fields.items())]
    return "\n".join(lines) + "\n"


def tasks(*items: str) -> str:
    """A template of these tasks."""
    return "tasks:\n" + "".join(items)
