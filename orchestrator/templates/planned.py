"""A plan: the graph of a scenario, without ids and values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.templates.defaults import Services
from orchestrator.templates.graph import Graph
from orchestrator.templates.naming import Form, Names
from orchestrator.templates.outline import Field, Row
from orchestrator.templates.problems import TemplateProblem
from orchestrator.templates.references import TaskIds
from orchestrator.templates.retry import policy_of
from orchestrator.templates.ruling import Ruling
from orchestrator.templates.terms import Terms
from orchestrator.templates.tree import Json
from orchestrator.templates.upstream import Taken, Words

_TASK_BYTES: Final = 500
_FIELD_BYTES: Final = 200
_EDGE_BYTES: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """Template fields of a task: `base` has all of them in order; `open` are those that values or ids go into, None in `base`.

    `row` tells which values.
    """

    base: dict[str, Json]
    open: tuple[Field, ...]
    row: Row
    copies: int
    taken: Taken | None
    """What comes from run time; None for most tasks."""


@dataclass(frozen=True, slots=True, eq=False)
class PlannedTask:
    """A task without ids. `consumers` are indexes of tasks; `index` counts copies from 1; `terms` are None for a plain task."""

    key: str
    service: str
    name: str
    queue: int
    consumers: tuple[int, ...]
    filling: Filling
    index: int | None
    policy: dict[str, Json] | None
    terms: Terms | None


@dataclass(frozen=True, slots=True, eq=False)
class StatePlan:
    """A state. `plan` is None without tasks; `after` is a time in milliseconds and the next state."""

    name: str
    plan: "Plan | None"
    on: dict[str, str]
    then: str | None
    otherwise: str | None
    after: tuple[int, str] | None
    end: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A scenario without ids and values."""

    name: str | None
    version: str
    tasks: list[PlannedTask]
    order: list[int]
    weight: int
    """About as many bytes as it takes."""
    words: Words
    """Tasks whose results are taken, by the words that name them."""
    warnings: list[TemplateProblem] = field(default_factory=list)
    states: tuple[StatePlan, ...] = ()
    """In place of tasks, the states; the first of them is not always `initial`."""
    initial: str = ""


def tasks_of(
    forms: Sequence[Form],
    fillings: Sequence[Filling],
    names: Names,
    graph: Graph,
    services: Services,
    ruling: Ruling,
) -> list[PlannedTask]:
    """The tasks of a graph without errors."""
    policies = {form.number: policy_of(_retry(form, services)) for form in forms}
    filling_of = {form.number: filling for form, filling in zip(forms, fillings, strict=True)}
    terms: dict[int, Terms | None] = {}
    for form in forms:
        terms.update(zip(form.copies, ruling.of(form), strict=True))
    return [
        PlannedTask(
            key=task.key,
            service=task.form.service,
            name=task.form.name,
            queue=graph.indegree[position],
            consumers=tuple(graph.after[position]),
            filling=filling_of[task.form.number],
            index=task.index,
            policy=policies[task.form.number],
            terms=terms[position],
        )
        for position, task in enumerate(names.tasks)
    ]


def _retry(form: Form, services: Services) -> Json:
    return form.fields["retry"] if "retry" in form.fields else services.default(form.service, "retry")


def weight_of(fillings: Iterable[Filling], graph: Graph) -> int:
    """About as many bytes as a plan takes."""
    filled = sum(map(_weight, fillings))
    return _TASK_BYTES * len(graph.after) + filled + _EDGE_BYTES * sum(graph.indegree)


def _weight(filling: Filling) -> int:
    ids = sum(len(tree.parts) for _, tree in filling.open if isinstance(tree, TaskIds))
    return _FIELD_BYTES * len(filling.open) + _EDGE_BYTES * ids
