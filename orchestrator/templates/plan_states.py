"""From a document with states to its plan: each state's tasks are planned by themselves, then where the states lead is checked."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from orchestrator.templates.checks import not_written_out
from orchestrator.templates.defaults import Services
from orchestrator.templates.deferred import RUN_TIME
from orchestrator.templates.document import StateForm, check_form
from orchestrator.templates.limits import Limits
from orchestrator.templates.naming import FINALLY, ORDINARY, Form
from orchestrator.templates.plan import Draft, Planner, form_of
from orchestrator.templates.planned import Plan, StatePlan
from orchestrator.templates.problems import Finding, Path, did_you_mean, shown
from orchestrator.templates.shape import Shape, resolved, stand_in
from orchestrator.templates.state import Given, Rendering
from orchestrator.templates.tree import Json, Map

_WAYS: Final = ("then", "otherwise")


def draft_states(shape: Shape, state: Rendering, limits: Limits) -> Draft:
    """Check the document and plan all its states. Finds as much as it can in one go."""
    return _States(shape, state, limits).run()


class _States:
    def __init__(self, shape: Shape, state: Rendering, limits: Limits) -> None:
        document = shape.document
        self._top: Map = document.top
        self._rows = document.states or {}
        self._head = Planner(document.top, [], document.findings, state, limits)
        self._planners = {
            name: Planner(document.top, rows, [], state, limits, has_event=True)
            for name, rows in self._rows.items()
        }
        self._given = Given(state.settled, state.names, state.own)
        self._limits = limits
        self._findings: list[Finding] = []

    def run(self) -> Draft:
        top = self._head.head()
        forms = {name: planner.forms() for name, planner in self._planners.items()}
        states = {name: self._fields(name, tree, forms) for name, tree in self._top["states"].items()}
        self._findings += check_form({**top, "states": states})
        self._head.check_own(top, [])
        self._findings += self._head.findings
        drafts = {name: self._drafted(name, top, forms[name]) for name in self._planners}
        self._findings += self._of_services(top, forms)
        known = {name: states[name] for name in self._rows}
        self._findings += _ways(known, list(states), top.get("initial"))
        self._findings += _kinds(known)
        self._check_size(drafts)
        later = {finding.path for finding in self._findings if finding.code == RUN_TIME}
        self._findings = [one for one in self._findings if one.path not in later or one.code == RUN_TIME]
        if any(finding.severity == "error" for finding in self._findings):
            return Draft(None, self._findings)
        return Draft(_plan(top, known, drafts), self._findings)

    def _fields(self, state: str, tree: Json, forms: Mapping[str, list[Json]]) -> Json:
        """A state as the form check sees it."""
        if not isinstance(tree, Map):
            message = "a state is a mapping, written out"
            self._findings.append(Finding("wrong_type", message, path=("states", state)))
            return {}
        fields: dict[str, Json] = {}
        for name, value in tree.items():
            path: Path = ("states", state, name)
            if name == "tasks" and isinstance(value, list):
                fields[name] = forms[state]
            elif name in ("tasks", "description"):
                fields[name] = stand_in(value, self._given)
                self._findings += not_written_out(value, self._given, path) if name == "tasks" else ()
            else:
                fields[name] = resolved(value, self._given, path, self._findings)
        return fields

    def _drafted(self, state: str, top: dict[str, Any], forms: list[Json]) -> Plan | None:
        """The plan of its tasks; None without any, or when something is wrong with them."""
        planner = self._planners[state]
        planner.look_at_state(self._top["states"][state])
        planner.check_own({}, forms)
        drafted = planner.graph(top, forms)
        for finding in drafted.findings:
            if finding.path[:1] != ("services",):
                self._findings.append(replace(finding, path=("states", state, *finding.path)))
        self._findings += _too_late(state, forms)
        return drafted.plan if forms else None

    def _of_services(self, top: dict[str, Any], forms: Mapping[str, list[Json]]) -> Iterator[Finding]:
        all_forms = [form for some in forms.values() for form in _forms(some)]
        services = Services(self._top.get("services"), top.get("services"))
        return services.problems(form.service for form in all_forms)

    def _check_size(self, plans: Mapping[str, Plan | None]) -> None:
        if sum(len(plan.tasks) for plan in plans.values() if plan) > self._limits.max_tasks:
            message = f"the states have more than {self._limits.max_tasks} tasks"
            self._findings.append(Finding("too_many_tasks", message, path=("states",)))


def _forms(fields: list[Json]) -> list[Form]:
    return [form for number, one in enumerate(fields) if (form := form_of(number, one))]


def _too_late(state: str, fields: list[Json]) -> Iterator[Finding]:
    """Tasks that would run at the end of a scenario."""
    for form in _forms(fields):
        if form.level != ORDINARY:
            name = "finally" if form.level == FINALLY else "compensates"
            message = f"a task of a state cannot have `{name}`"
            hint = "give it a state of its own, and lead there by `then` and `otherwise`"
            path: Path = ("states", state, "tasks", form.number, name)
            yield Finding("conflicting_fields", message, path=path, hint=hint)


def _targets(state: str, fields: dict[str, Json]) -> Iterator[tuple[Path, Json]]:
    """Where a state leads."""
    on, after = fields.get("on"), fields.get("after")
    for event, target in on.items() if isinstance(on, dict) else ():
        yield ("states", state, "on", event), target
    for name in _WAYS:
        yield ("states", state, name), fields.get(name)
    if isinstance(after, dict) and (len(after) == 1 or "to" in after):
        name = "to" if "to" in after else next(iter(after))
        yield ("states", state, "after", name), after[name]


def _ways(states: Mapping[str, dict[str, Json]], names: list[str], initial: Json) -> Iterator[Finding]:
    """Names of states that are none; or when there are no such, states that nothing leads to."""
    ways = [way for name, fields in states.items() for way in _targets(name, fields)]
    wrong = False
    for path, target in [(("initial",), initial), *ways]:
        if isinstance(target, str) and target not in names:
            message, wrong = f"there is no state {shown(target)}", True
            yield Finding("unknown_state", message, path=path, hint=did_you_mean(target, names))
    reached = [initial or next(iter(names), "")]
    for name in reached:  # grows
        for _, target in _targets(name, states.get(name, {})):
            if isinstance(target, str) and target not in reached:
                reached.append(target)
    for name in names:
        if not wrong and name not in reached:
            message = f"nothing leads to the state {name!r}"
            yield Finding("unreachable_state", message, path=("states", name), severity="warning")


def _kinds(states: Mapping[str, dict[str, Json]]) -> Iterator[Finding]:
    """A state goes on, or ends the scenario."""
    for name, fields in states.items():
        given = {field for field, value in fields.items() if value is not None and value != {}}
        more = sorted(given & {"on", "tasks", "then", "otherwise", "after"})
        path: Path = ("states", name)
        if "end" in given and more:
            message = f"a state with `end` is the last one, so it has no `{more[0]}`"
            yield Finding("conflicting_fields", message, path=(*path, more[0]))
        elif not given & {"end", "on", "then", "after"}:
            hint = "give it `on`, `then` or `after`; or `end: success`, if it is the last one"
            yield Finding("dead_end", f"no way leads out of the state {name!r}", path=path, hint=hint)
        for way in _WAYS:
            if way in given and "tasks" not in given:
                message = f"`{way}` is where its tasks lead, and it has none"
                yield Finding(
                    "missing_field", message, path=(*path, way), hint="`after` leads on by the clock"
                )


def _plan(
    top: dict[str, Any], states: Mapping[str, dict[str, Json]], plans: Mapping[str, Plan | None]
) -> Plan:
    planned = tuple(_state(name, fields, plans.get(name)) for name, fields in states.items())
    weight = sum(plan.weight for plan in plans.values() if plan)
    version, initial = top.get("version") or "1.0.0", top.get("initial") or planned[0].name
    return Plan(top.get("name"), version, [], [], weight, {}, states=planned, initial=str(initial))


def _state(name: str, fields: dict[str, Json], plan: Plan | None) -> StatePlan:
    form = StateForm.model_validate({key: value for key, value in fields.items() if key != "tasks"})
    after = (form.after.delay, form.after.to) if form.after else None
    return StatePlan(name, plan, dict(form.on or {}), form.then, form.otherwise, after, form.end)
