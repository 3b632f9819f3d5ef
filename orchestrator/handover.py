"""From what the templates give to what the store takes: neither knows the other, API and engine know both."""

from collections.abc import Sequence
from typing import Any

from orchestrator.store.records import NewScenario, NewTask, RetryPolicy
from orchestrator.templates import GeneratedScenario, TaskSpec, TemplateProblem

Json = Any


def new_scenario(scenario: GeneratedScenario, warnings: Sequence[Json]) -> NewScenario:
    """The generated scenario as the store takes it."""
    tasks = scenario.tasks
    return NewScenario(
        scenario_id=scenario.scenario_id,
        name=scenario.name,
        version=scenario.version,
        variables=scenario.variables,
        template_hash=scenario.template_hash,
        task_ids=[spec.id for spec in tasks],
        tasks=[_new_task(tasks[index]) for index in scenario.write_order],
        warnings=list(warnings),
    )


def _new_task(spec: TaskSpec) -> NewTask:
    return NewTask(
        spec.id,
        spec.service,
        spec.name,
        spec.queue,
        spec.consumers,
        spec.fields,
        RetryPolicy(**spec.policy) if spec.policy else None,
        spec.rules,
        spec.on_ready,
    )


def warning_out(problem: TemplateProblem) -> Json:
    """A warning about a template as it is kept with the scenario, and as the API shows it (`WarningOut`)."""
    message = problem.message + (f" ({problem.hint})" if problem.hint else "")
    return warning(problem.code, message, problem.path, problem.line or None, problem.column or None)


def warning(
    code: str, message: str, pointer: str, line: int | None = None, column: int | None = None
) -> Json:
    """See `warning_out`."""
    return {"code": code, "message": message, "pointer": pointer, "line": line, "column": column}
