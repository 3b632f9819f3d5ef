"""From what the templates give to what the store takes: neither knows the other, API and engine know both."""

from collections.abc import Sequence
from typing import Any

from orchestrator.store.records import NewScenario, NewTask, Owner, RetryPolicy
from orchestrator.templates import GeneratedScenario, TaskSpec, TemplateProblem
from orchestrator.templates.flow import DEFAULT_PRIORITY
from orchestrator.templates.naming import OWN_SERVICE

Json = Any


def new_scenario(
    scenario: GeneratedScenario, warnings: Sequence[Json], owner: Owner | None = None
) -> NewScenario:
    """The generated scenario as the store takes it; its tasks share the services as their owner may."""
    tasks = scenario.tasks
    owner = owner or Owner()
    flow = flow_of(owner)
    return NewScenario(
        scenario_id=scenario.scenario_id,
        name=scenario.name,
        version=scenario.version,
        variables=scenario.variables,
        template_hash=scenario.template_hash,
        task_ids=[spec.id for spec in tasks],
        tasks=[_new_task(tasks[index], flow) for index in scenario.write_order],
        warnings=list(warnings),
        owner=owner,
        machine=tasks[0].id if scenario.machine else "",
    )


def flow_of(owner: Owner) -> dict[str, Json]:
    """What an owner says of `rules.flow`; empty when nothing differs from a task that nobody owns."""
    flow: dict[str, Json] = {"tenant": owner.tenant} if owner.tenant else {}
    return flow if owner.priority in (None, DEFAULT_PRIORITY) else {**flow, "priority": owner.priority}


def ruled(rules: dict[str, Json] | None, flow: dict[str, Json]) -> dict[str, Json] | None:
    """Rules of a task with the flow of its owner; what the task says itself goes first."""
    if not flow:
        return rules
    return {**(rules or {}), "flow": {**flow, **(rules or {}).get("flow", {})}}


def _new_task(spec: TaskSpec, flow: dict[str, Json]) -> NewTask:
    return NewTask(
        spec.id,
        spec.service,
        spec.name,
        spec.queue,
        spec.consumers,
        spec.fields,
        RetryPolicy(**spec.policy) if spec.policy else None,
        spec.rules if spec.service == OWN_SERVICE else ruled(spec.rules, flow),
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
