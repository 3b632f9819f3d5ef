"""From a parsed text to its graph: the plan that a request then only fills with values."""

from dataclasses import dataclass
from typing import Any

from orchestrator.templates.checks import cycles, misspelt_fields, queue_mismatches
from orchestrator.templates.document import RESERVED, check_form
from orchestrator.templates.graph import Graph, TooManyEdges
from orchestrator.templates.limits import Limits
from orchestrator.templates.naming import Form, Names
from orchestrator.templates.problems import Finding, Path, TemplateProblem, shown
from orchestrator.templates.references import link, targets_of
from orchestrator.templates.shape import TASK_OWN, TASK_VALUE, TOP_VALUE, Shape, resolved, stand_in
from orchestrator.templates.state import Rendering
from orchestrator.templates.tree import Items, Json, Map, Tree, has_tokens, substitute

_LISTS = ("consumers", "needs")


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """Template fields of a task: `base` has all of them in order; `open` are those that values or ids go into, None in `base`."""

    base: dict[str, Json]
    open: tuple[tuple[str, Tree], ...]
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


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A scenario without ids and values."""

    name: str | None
    version: str
    tasks: list[PlannedTask]
    order: list[int]
    warnings: list[TemplateProblem]


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
        self._tree = shape.tree
        self._state = state
        self._limits = limits
        self._findings = list(shape.findings)

    def run(self) -> Draft:
        if not isinstance(self._tree, Map):
            if not self._findings:
                self._add("wrong_type", "a template is a mapping with `tasks`", ())
            return Draft(None, self._findings)
        top: dict[str, Any] = {
            name: self._top_field(name, value) for name, value in self._tree.items() if name != "tasks"
        }
        tasks = self._tree.get("tasks")
        forms: list[Json] = []
        if isinstance(tasks, Items):
            forms = [self._fields(number, task) for number, task in enumerate(tasks)]
            self._findings += misspelt_fields(tasks)
        if "tasks" in self._tree:
            top["tasks"] = forms if isinstance(tasks, Items) else stand_in(tasks, self._state)
        self._findings += check_form(top)
        self._check_own(top, forms)
        return self._graph(
            top, [form for number, fields in enumerate(forms) if (form := _form(number, fields))]
        )

    def _add(self, code: str, message: str, path: Path, hint: str = "") -> None:
        self._findings.append(Finding(code, message, path=path, hint=hint))

    def _top_field(self, name: str, value: Tree) -> Json:
        return (
            resolved(value, self._state, (name,), self._findings)
            if name in TOP_VALUE
            else stand_in(value, self._state)
        )

    def _fields(self, number: int, task: Tree) -> Json:
        if not isinstance(task, Map):
            return stand_in(task, self._state)
        fields = {}
        for name, value in task.items():
            if name in RESERVED or not name.isidentifier() or len(name) > 128:
                self._add(
                    "reserved_field",
                    f"{shown(name)} cannot be a field of a task",
                    ("tasks", number, name),
                    "rename it",
                )
            if name in TASK_VALUE:
                fields[name] = resolved(value, self._state, ("tasks", number, name), self._findings)
            else:
                fields[name] = stand_in(value, self._state)
        return fields

    def _check_own(self, top: dict[str, Any], forms: list[Json]) -> None:
        own = self._state.own
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
        names = Names(forms, self._state.own, self._limits)
        self._findings += names.findings
        if any(finding.code == "too_many_tasks" for finding in names.findings):
            return Draft(None, self._findings)
        if forms and not names.tasks:
            self._add("no_tasks", "every `count` is 0, so nothing is left to do", ("tasks",))
        graph = Graph(len(names.tasks), self._limits.edges)
        try:
            fillings = [self._wire(form, names, graph) for form in forms]
        except TooManyEdges:
            self._add("too_many_edges", f"the graph has more than {self._limits.edges} edges", ("tasks",))
            return Draft(None, self._findings)
        heights, order = graph.heights()
        self._findings += cycles(names, graph, order)
        self._findings += queue_mismatches(forms, graph)
        if any(finding.severity == "error" for finding in self._findings):
            return Draft(None, self._findings)
        return Draft(_assemble(top, forms, fillings, names, graph, heights), self._findings)

    def _wire(self, form: Form, names: Names, graph: Graph) -> Filling:
        """Add the edges that a task names, and make what its fields will be filled from."""
        task = self._tree["tasks"][form.number]
        after, before = (
            targets_of(form.fields.get(said), names, ("tasks", form.number, said), self._findings)
            for said in _LISTS
        )
        base: dict[str, Json] = {}
        opened: list[tuple[str, Tree]] = []
        for name, value in task.items():
            if name in TASK_OWN or name in _LISTS:
                continue
            linked = link(value, name, ("tasks", form.number, name), self._state, names, self._findings)
            before += linked.targets
            if linked.tree is not value or has_tokens(value):
                opened.append((name, linked.tree))
                base[name] = None
            else:
                base[name] = substitute(value, [])
        self._connect(form, before, after, graph)
        return Filling(base, tuple(opened), len(form.copies))

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
        )
        for position, task in enumerate(names.tasks)
    ]
    order = sorted(range(len(tasks)), key=heights.__getitem__)
    return Plan(top.get("name"), top.get("version") or "1.0.0", tasks, order, [])
