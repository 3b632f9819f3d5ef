"""Template + variables + scenario id -> the tasks of a scenario. Pure, synchronous, deterministic."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from orchestrator.templates.cache import Cache
from orchestrator.templates.deferred import signature
from orchestrator.templates.drafts import draft
from orchestrator.templates.filling import TaskSpec, fill
from orchestrator.templates.limits import Limits
from orchestrator.templates.locate import Locator, problem_at
from orchestrator.templates.machine import MachineSpec, fill_states, machine_task
from orchestrator.templates.planned import Plan
from orchestrator.templates.problems import Finding, Refused, TemplateError, TemplateProblem
from orchestrator.templates.rows import read
from orchestrator.templates.shape import Shape, shape_of
from orchestrator.templates.source import explain, prefix_absent_from, render
from orchestrator.templates.state import Rendering
from orchestrator.templates.template import Template
from orchestrator.templates.terms import Unfit
from orchestrator.templates.tree import Json, Map, Tree
from orchestrator.templates.variables import effective

_DEFAULTS: Final = Limits()
KEPT_BYTES: Final = 64 * 1024 * 1024
_SHAPES: Final[Cache[Shape]] = Cache(KEPT_BYTES)
"""Parsed texts with their plans, by template and text."""
_KEY_BYTES: Final = 100


@dataclass(frozen=True, slots=True)
class GeneratedScenario:
    """A scenario to be submitted. `tasks` stand in document order.

    `write_order` lists indexes of `tasks` so that the consumers of a task stand before it. `machine` are the states of a
    template that has them; then there is one task, which carries them.
    """

    scenario_id: str
    name: str
    version: str
    variables: dict[str, Json]
    template_hash: str
    tasks: list[TaskSpec]
    warnings: list[TemplateProblem] = field(default_factory=list)
    write_order: list[int] = field(default_factory=list)
    machine: MachineSpec | None = None


def generate(
    template: Template,
    *,
    scenario_id: str,
    variables: Mapping[str, Json],
    now: datetime,
    strict: bool = False,
    limits: Limits = _DEFAULTS,
    templates: Collection[str] | None = None,
) -> GeneratedScenario:
    """Generate the scenario. Takes CPU time: call it in a thread. `strict` makes every warning an error.

    Args:
        templates: names of those that its tasks may run as scenarios; None: that is not checked.

    Raises:
        TemplateError: with all problems found.
    """
    values, findings = effective(template.variables, variables, limits.max_depth)
    if findings:
        raise TemplateError([problem_at(finding, template.file) for finding in findings])
    prefix = prefix_absent_from(template.text)
    state = Rendering(scenario_id, template.own, now, limits, prefix, templates)
    text = _rendered(template, values, state)
    try:
        plan = _plan(template, text, values, state)
        machine = fill_states(plan, state, values) if plan.states else None
        tasks = [machine_task(machine, scenario_id)] if machine else fill(plan, state, values)
    except Refused as error:
        raise _error_at(template, Finding(error.code, str(error), hint=error.hint)) from error
    except Unfit as error:
        _new_plan(template, shape_of(read(text, state)), text, values, state)  # tells it with its line
        raise _error_at(template, Finding("wrong_type", str(error))) from error
    if strict and plan.warnings:
        raise TemplateError([replace(warning, severity="error") for warning in plan.warnings])
    return GeneratedScenario(
        scenario_id=scenario_id,
        name=plan.name or template.name,
        version=plan.version,
        variables=values,
        template_hash=template.hash,
        tasks=tasks,
        warnings=list(plan.warnings),
        write_order=[0] if machine else list(plan.order),
        machine=machine,
    )


def _rendered(template: Template, values: dict[str, Json], state: Rendering) -> str:
    try:
        return render(template.source.plain, values, state)
    except Exception as error:  # an expression may raise anything; all of it is the template's mistake
        raise _error_at(template, explain(error, template.source)) from error


def _error_at(template: Template, finding: Finding) -> TemplateError:
    line, column = (finding.mark >> 20) + 1, (finding.mark & 0xFFFFF) + 1
    return TemplateError([problem_at(finding, template.file, *((line, column) if finding.mark >= 0 else ()))])


def _plan(template: Template, text: str, values: dict[str, Json], state: Rendering) -> Plan:
    """The plan for this text, from the cache when the values that shape it are the same."""
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    cache_key = (template.hash, template.file, state.limits, state.prefix, digest)
    shape = _SHAPES.get(cache_key)
    if shape is None:
        shape = shape_of(read(text, state))
        _SHAPES.put(cache_key, shape, shape.weight)
    key = shape.key(state.given)
    if state.deferred:
        key = (*key, signature(state.deferred))
    plan: Plan | None = shape.plans.get(key)
    if plan is None:
        plan = _new_plan(template, shape, text, values, state)
        shape.plans.put(key, plan, plan.weight + _key_weight(key))
        _SHAPES.put(cache_key, shape, shape.weight)
    return plan


def _key_weight(key: tuple[Any, ...]) -> int:
    """A part is a text or (name of a type, text)."""
    return sum(_KEY_BYTES + len(part if isinstance(part, str) else part[1]) for part in key)


def _new_plan(template: Template, shape: Shape, text: str, values: dict[str, Json], state: Rendering) -> Plan:
    drafted = draft(shape, state, state.limits)
    findings = drafted.findings + _moved_variables(template, shape.document.top)
    if not findings and drafted.plan is not None:
        return drafted.plan
    try:
        problems = Locator(template.source, template.file, values, state).problems(findings, text)
    except Exception as error:  # the second rendering may run out of time where the first just did not
        raise _error_at(template, explain(error, template.source)) from error
    if drafted.plan is None or any(problem.severity == "error" for problem in problems):
        raise TemplateError(problems)
    return replace(drafted.plan, warnings=problems)


def _moved_variables(template: Template, tree: Tree) -> list[Finding]:
    """The rendered document declares what the head of the file declares, or something was made by Jinja."""
    if not isinstance(tree, Map) or (tree.get("variables") or {}) == template.variables:
        return []
    hint = "they are read before the template is rendered"
    return [
        Finding(
            "jinja_in_head",
            "`variables` must stand literally at the top level",
            path=("variables",),
            hint=hint,
        )
    ]
