"""From the parsed tasks to their graph: the plan that a request then only fills with values."""

from dataclasses import dataclass
from typing import Any, Final

from orchestrator.templates.checks import bad_fields, cycles, kind_of, not_written_out, queue_mismatches
from orchestrator.templates.defaults import Services, seen
from orchestrator.templates.document import check_form
from orchestrator.templates.graph import Graph, TooManyEdges
from orchestrator.templates.joins import joins_of
from orchestrator.templates.levels import add_end, in_order, parents_at_end, undone_by
from orchestrator.templates.limits import Limits
from orchestrator.templates.naming import FINALLY, ORDINARY, OWN_SERVICE, UNDOING, Form, Names
from orchestrator.templates.outline import LISTS, TASK_VALUE, TERMS, Row
from orchestrator.templates.planned import Filling, Plan, tasks_of, weight_of
from orchestrator.templates.problems import Finding, Path, shown
from orchestrator.templates.references import link, targets_of
from orchestrator.templates.ruling import Ruling
from orchestrator.templates.shape import TOP_VALUE, Shape, resolved, stand_in
from orchestrator.templates.state import Given, Rendering
from orchestrator.templates.together import conflicts, unknown_scenarios
from orchestrator.templates.tree import Json, Map, Tree, substitute
from orchestrator.templates.units import is_true
from orchestrator.templates.upstream import Results

APART: Final = frozenset(("tasks", "states"))
"""Fields of a document that hold tasks."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan with everything that was found wrong with it. `plan` is None when an error stopped it."""

    plan: Plan | None
    findings: list[Finding]


def draft_tasks(shape: Shape, state: Rendering, limits: Limits) -> Draft:
    """Check the document and work out its graph. Finds as much as it can in one go."""
    document = shape.document
    return Planner(document.top, document.rows, document.findings, state, limits).run()


class Planner:
    """Plans the tasks of a document, or of one of its states.

    Args:
        top: the whole document.
        rows: the tasks; None when they are no list.
        has_event: an event led to them.
    """

    def __init__(
        self,
        top: Tree,
        rows: list[Row] | None,
        findings: list[Finding],
        state: Rendering,
        limits: Limits,
        *,
        has_event: bool = False,
    ) -> None:
        self._top = top
        self._rows = rows
        declared = self._top.get("variables") if isinstance(self._top, Map) else None
        self._results = Results(state, declared if isinstance(declared, Map) else (), has_event=has_event)
        self._given = Given(state.settled, state.names, state.own)
        self._templates = state.templates
        self._check_time = state.check_time
        self._limits = limits
        self._findings = list(findings)

    @property
    def findings(self) -> list[Finding]:
        """What was found so far."""
        return self._findings

    def run(self) -> Draft:
        """Check the document and plan its tasks."""
        if not isinstance(self._top, Map):
            if not self._findings:
                self._add("wrong_type", "a template is a mapping with `tasks`", ())
            return Draft(None, self._findings)
        top = self.head()
        forms = self.forms()
        if "tasks" in self._top:
            top["tasks"] = stand_in(self._top["tasks"], self._given) if self._rows is None else forms
        self._findings += [*kind_of(self._top), *check_form(top)]
        self._findings += not_written_out(self._top.get("tasks"), self._given, ("tasks",))
        self.check_own(top, forms)
        return self.graph(top, forms)

    def head(self) -> dict[str, Any]:
        """All of the document but its tasks and states, as the form check sees it."""
        self._results.look_at_top(self._top)
        return {name: self._top_field(name, value) for name, value in self._top.items() if name not in APART}

    def forms(self) -> list[Json]:
        """The tasks as the form check sees them."""
        forms = [self._fields(number, row) for number, row in enumerate(self._rows or ())]
        for number, row in enumerate(self._rows or ()):
            self._findings += bad_fields(number, row.outline)
            self._results.look_at(number, row)
        return forms

    def graph(self, top: dict[str, Any], forms: list[Json]) -> Draft:
        """Plan the tasks; with all findings so far."""
        return self._graph(
            top, [form for number, fields in enumerate(forms) if (form := form_of(number, fields))]
        )

    def _add(self, code: str, message: str, path: Path, hint: str = "") -> None:
        self._findings.append(Finding(code, message, path=path, hint=hint))

    def _top_field(self, name: str, value: Tree) -> Json:
        if name == "services":
            return seen(value, self._given, self._findings)
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
                fields[name] = self._field(value, given, ("tasks", number, name))
        return fields

    def _field(self, value: Tree, given: Given, path: Path) -> Json:
        if path[-1] in TASK_VALUE:
            return resolved(value, given, path, self._findings)
        return substitute(value, given.values) if path[-1] in TERMS else stand_in(value, given)

    def look_at_state(self, tree: Map) -> None:
        """The fields of the state that the tasks stand in."""
        self._results.look_at_top(tree)

    def check_own(self, top: dict[str, Any], forms: list[Json]) -> None:
        """Compare what says the id of the scenario."""
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
        services = Services(self._top.get("services"), top.get("services"))
        for form in forms:
            self._findings += conflicts(form, services)
            self._findings += unknown_scenarios(form, self._templates)
        self._findings += services.problems(form.service for form in forms)
        names = Names(forms, self._given.own, self._limits)
        self._findings += names.findings
        if any(finding.code == "too_many_tasks" for finding in names.findings):
            return Draft(None, self._findings)
        if forms and not names.tasks:
            self._add("no_tasks", "every `count` is 0, so nothing is left to do", ("tasks",))
        graph = Graph(len(names.tasks), self._limits.edges)
        try:
            return self._wired(top, forms, services, names, graph)
        except TooManyEdges:
            self._add("too_many_edges", f"the graph has more than {self._limits.edges} edges", ("tasks",))
            return Draft(None, self._findings)

    def _wired(
        self, top: dict[str, Any], forms: list[Form], services: Services, names: Names, graph: Graph
    ) -> Draft:
        """Raises TooManyEdges."""
        rows = self._rows or []
        fillings = [self._wire(form, rows[form.number], names, graph) for form in forms]
        undoes = undone_by(forms, names, self._findings)
        ended: set[int] = set()
        if names.has_levels:
            ended = add_end(names, graph, undoes, self._limits.edges, self._check_time)
        joins = joins_of(forms, names, graph, ended, self._findings)
        if ended:
            joins.at_end = parents_at_end(names, graph)
        heights, order = graph.heights()
        self._findings += cycles(names, graph, order)
        self._findings += queue_mismatches(forms, graph)
        self._findings = self._results.check(names, graph, order, self._findings)
        if any(finding.severity == "error" for finding in self._findings):
            return Draft(None, self._findings)
        tasks = tasks_of(forms, fillings, names, graph, services, Ruling(rows, services, joins, undoes))
        sequence = sorted(range(len(tasks)), key=heights.__getitem__)
        version = top.get("version") or "1.0.0"
        weight = weight_of(fillings, graph)
        plan = Plan(top.get("name"), version, tasks, sequence, weight, self._results.words)
        return Draft(plan, self._findings)

    def _wire(self, form: Form, row: Row, names: Names, graph: Graph) -> Filling:
        """Add the edges that a task names, and make what its fields will be filled from."""
        self._check_time()
        after, before = (self._named(form, said, names) for said in LISTS)
        opened = row.outline.filled
        if row.outline.references:
            given = self._given_in(row)
            for name, value in row.outline.references:
                path = ("tasks", form.number, name)
                linked = link(value, name, path, given, names, self._findings)
                before += in_order(form, linked.targets, names, path, self._findings, waits=True)
                opened = (*opened, (name, linked.tree))
        self._connect(form, before, after, graph)
        taken = self._results.taken_by(form, row)
        return Filling(row.outline.base, opened, row, len(form.copies), taken)

    def _named(self, form: Form, said: str, names: Names) -> list[int]:
        """Tasks that `consumers` or `needs` name."""
        path = ("tasks", form.number, said)
        found = targets_of(form.fields.get(said), names, path, self._findings)
        return in_order(form, found, names, path, self._findings, waits=said == "needs")

    def _connect(self, form: Form, before: list[int], after: list[int], graph: Graph) -> None:
        for names_itself in set(form.copies) & {*before, *after}:
            field_name = "consumers" if names_itself in after else "needs"
            self._add("self_edge", f"{form.name!r} waits for itself", ("tasks", form.number, field_name))
            return
        for task in form.copies:
            graph.add(task, after)
        for task in before:
            graph.add(task, form.copies)


def form_of(number: int, fields: Json) -> Form | None:
    """What can be worked with, even when something else about the task is wrong."""
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
        return None
    own_id, count = fields.get("id"), fields.get("count")
    if isinstance(count, str) and count.isdigit() and len(count) < 10:
        count = int(count)
    usable = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    held = fields.get("gate") is not None or fields.get("scenario") is not None
    return Form(
        number=number,
        name=str(fields["name"]),
        service=OWN_SERVICE if held else str(fields.get("service")),
        own_id=str(own_id) if isinstance(own_id, str) else None,
        count=count if usable else None,
        fields=fields,
        level=_level(fields),
    )


def _level(fields: dict[str, Json]) -> int:
    if is_true(fields.get("finally")):
        return FINALLY
    return ORDINARY if fields.get("compensates") is None else UNDOING
