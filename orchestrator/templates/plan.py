"""From a parsed text to its graph: the plan that a request then only fills with values."""

from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.templates.checks import bad_fields, cycles, queue_mismatches
from orchestrator.templates.document import check_form
from orchestrator.templates.graph import Graph, TooManyEdges
from orchestrator.templates.limits import Limits
from orchestrator.templates.naming import Form, Names
from orchestrator.templates.outline import LISTS, TASK_VALUE, Field, Row
from orchestrator.templates.problems import Finding, Path, TemplateProblem, shown
from orchestrator.templates.references import TaskIds, link, targets_of
from orchestrator.templates.retry import policy_of
from orchestrator.templates.shape import TOP_VALUE, Shape, resolved, stand_in
from orchestrator.templates.state import Given, Rendering
from orchestrator.templates.tree import Json, Map, Tree

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


@dataclass(frozen=True, slots=True, eq=False)
class PlannedTask:
    """A task without ids. `consumers` are indexes of tasks; `index` counts copies from 1."""

    key: str
    service: str
    name: str
    queue: int
    consumers: tuple[int, ...]
    filling: Filling
    index: int | None
    policy: dict[str, Json] | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A scenario without ids and values."""

    name: str | None
    version: str
    tasks: list[PlannedTask]
    order: list[int]
    weight: int
    """About as many bytes as it takes."""
    warnings: list[TemplateProblem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan with everything that was found wrong with it. `plan` is None when an error stopped it."""

    plan: Plan | None
    findings: list[Finding]


def draft(shape: Shape, state: Rendering, limits: Limits) -> Draft:
    """Check the document and work out its graph. Finds as much as it can in one go."""
    return _Planner(shape, state, limits).run()


class _Planner:
    def __init__(self, shape: Shape, state: Rendering, limits: Limits) -> None:
        self._top = shape.document.top
        self._rows = shape.document.rows
        self._given = state.given
        self._check_time = state.check_time
        self._limits = limits
        self._findings = list(shape.document.findings)

    def run(self) -> Draft:
        if not isinstance(self._top, Map):
            if not self._findings:
                self._add("wrong_type", "a template is a mapping with `tasks`", ())
            return Draft(None, self._findings)
        top: dict[str, Any] = {
            name: self._top_field(name, value) for name, value in self._top.items() if name != "tasks"
        }
        forms = [self._fields(number, row) for number, row in enumerate(self._rows or ())]
        for number, row in enumerate(self._rows or ()):
            self._findings += bad_fields(number, row.outline)
        if "tasks" in self._top:
            top["tasks"] = stand_in(self._top["tasks"], self._given) if self._rows is None else forms
        self._findings += check_form(top)
        self._check_own(top, forms)
        return self._graph(
            top, [form for number, fields in enumerate(forms) if (form := _form(number, fields))]
        )

    def _add(self, code: str, message: str, path: Path, hint: str = "") -> None:
        self._findings.append(Finding(code, message, path=path, hint=hint))

    def _top_field(self, name: str, value: Tree) -> Json:
        return (
            resolved(value, self._given, (name,), self._findings)
            if name in TOP_VALUE
            else stand_in(value, self._given)
        )

    def _given_in(self, row: Row) -> Given:
        given = self._given
        return given if row.numbers is None else Given(row.values(given.values), given.names, given.own)

    def _fields(self, number: int, row: Row) -> Json:
        """A task as the form check sees it."""
        self._check_time()
        outline = row.outline
        if not isinstance(outline.tree, Map):
            return stand_in(outline.tree, self._given_in(row))
        fields = outline.settled.copy()
        if outline.unsettled:
            given = self._given_in(row)
            for name, value in outline.unsettled:
                fields[name] = (
                    resolved(value, given, ("tasks", number, name), self._findings)
                    if name in TASK_VALUE
                    else stand_in(value, given)
                )
        return fields

    def _check_own(self, top: dict[str, Any], forms: list[Json]) -> None:
        own = self._given.own
        given = top.get("scenario_id")
        if given is not None and given != own:
            self._add(
                "bad_scenario_id",
                f"the scenario's id is {shown(given)} here and {shown(own)} in the file",
                ("scenario_id",),
            )
        for number, fields in enumerate(forms):
            named = fields.get("scenario_id") if isinstance(fields, dict) else None
            if named is not None and named != own:
                message = f"{shown(named)} is not the id of this scenario"
                hint = f"it is {own!r}" if own else "leave it out, or give `scenario_id` at the top too"
                self._add("bad_scenario_id", message, ("tasks", number, "scenario_id"), hint)

    def _graph(self, top: dict[str, Any], forms: list[Form]) -> Draft:
        names = Names(forms, self._given.own, self._limits)
        self._findings += names.findings
        if any(finding.code == "too_many_tasks" for finding in names.findings):
            return Draft(None, self._findings)
        if forms and not names.tasks:
            self._add("no_tasks", "every `count` is 0, so nothing is left to do", ("tasks",))
        graph = Graph(len(names.tasks), self._limits.edges)
        rows = self._rows or []
        try:
            fillings = [self._wire(form, rows[form.number], names, graph) for form in forms]
        except TooManyEdges:
            self._add("too_many_edges", f"the graph has more than {self._limits.edges} edges", ("tasks",))
            return Draft(None, self._findings)
        heights, order = graph.heights()
        self._findings += cycles(names, graph, order)
        self._findings += queue_mismatches(forms, graph)
        if any(finding.severity == "error" for finding in self._findings):
            return Draft(None, self._findings)
        return Draft(_assemble(top, forms, fillings, names, graph, heights), self._findings)

    def _wire(self, form: Form, row: Row, names: Names, graph: Graph) -> Filling:
        """Add the edges that a task names, and make what its fields will be filled from."""
        self._check_time()
        after, before = (
            targets_of(form.fields.get(said), names, ("tasks", form.number, said), self._findings)
            for said in LISTS
        )
        opened = row.outline.filled
        if row.outline.references:
            given = self._given_in(row)
            for name, value in row.outline.references:
                path = ("tasks", form.number, name)
                linked = link(value, name, path, given, names, self._findings)
                before += linked.targets
                opened = (*opened, (name, linked.tree))
        self._connect(form, before, after, graph)
        return Filling(row.outline.base, opened, row, len(form.copies))

    def _connect(self, form: Form, before: list[int], after: list[int], graph: Graph) -> None:
        for names_itself in set(form.copies) & {*before, *after}:
            field_name = "consumers" if names_itself in after else "needs"
            self._add("self_edge", f"{form.name!r} waits for itself", ("tasks", form.number, field_name))
            return
        for task in form.copies:
            graph.add(task, after)
        for task in before:
            graph.add(task, form.copies)


def _form(number: int, fields: Json) -> Form | None:
    """What can be worked with, even when something else about the task is wrong."""
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
        return None
    own_id, count = fields.get("id"), fields.get("count")
    if isinstance(count, str) and count.isdigit() and len(count) < 10:
        count = int(count)
    usable = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    return Form(
        number=number,
        name=str(fields["name"]),
        service=str(fields.get("service")),
        own_id=str(own_id) if isinstance(own_id, str) else None,
        count=count if usable else None,
        fields=fields,
    )


def _assemble(
    top: dict[str, Any],
    forms: list[Form],
    fillings: list[Filling],
    names: Names,
    graph: Graph,
    heights: list[int],
) -> Plan:
    policies = {form.number: policy_of(form.fields.get("retry")) for form in forms}
    filling_of = {form.number: filling for form, filling in zip(forms, fillings, strict=True)}
    tasks = [
        PlannedTask(
            key=task.key,
            service=task.form.service,
            name=task.form.name,
            queue=graph.indegree[position],
            consumers=tuple(graph.after[position]),
            filling=filling_of[task.form.number],
            index=task.index,
            policy=policies[task.form.number],
        )
        for position, task in enumerate(names.tasks)
    ]
    order = sorted(range(len(tasks)), key=heights.__getitem__)
    weight = _TASK_BYTES * len(tasks) + sum(map(_weight, fillings)) + _EDGE_BYTES * sum(graph.indegree)
    return Plan(top.get("name"), top.get("version") or "1.0.0", tasks, order, weight)


def _weight(filling: Filling) -> int:
    ids = sum(len(tree.parts) for _, tree in filling.open if isinstance(tree, TaskIds))
    return _FIELD_BYTES * len(filling.open) + _EDGE_BYTES * ids
