"""What the joins of a scenario come to in its graph."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic_core import PydanticCustomError

from orchestrator.templates.graph import Graph
from orchestrator.templates.join import Meaning, meaning_of
from orchestrator.templates.naming import FINALLY, Form, Names
from orchestrator.templates.problems import Finding, shown


@dataclass(slots=True)
class Joins:
    """What the joins of a scenario come to, by indexes of tasks. A task in none of these needs success of all."""

    need: dict[int, int] = field(default_factory=dict)
    all_done: set[int] = field(default_factory=set)
    tolerated: set[int] = field(default_factory=set)
    """Tasks that fail without failing the scenario: all that wait for them need only some, or pass it on."""
    at_end: dict[int, int] = field(default_factory=dict)
    """Tasks of the end, with the number of tasks of the end that each waits for."""


def joins_of(
    forms: Iterable[Form], names: Names, graph: Graph, ended: set[int], findings: list[Finding]
) -> Joins:
    """Read the joins of all tasks, and look whether the graph lets them come true.

    Those that wait for the end of all others, `ended`, have no choice.
    """
    joins = Joins(all_done=ended.copy())
    for form in forms:
        if form.fields.get("join") is None:
            continue
        if ended.isdisjoint(form.copies):
            _read(form, graph, joins, findings)
        elif form.level == FINALLY:
            message = "`join` of a `finally` task is about other `finally` tasks; this one waits until all have ended"
            findings.append(Finding("conflicting_fields", message, path=("tasks", form.number, "join")))
    if joins.need:
        levels = [task.form.level for task in names.tasks]
        # From the ends to the beginnings: the failure of a chain is that of its last task.
        for task in reversed(graph.heights()[1]):
            same = [one for one in graph.after[task] if levels[one] == levels[task]]
            if same and all(one in joins.need or _passes_on(one, joins) for one in same):
                joins.tolerated.add(task)
    return joins


def _passes_on(task: int, joins: Joins) -> bool:
    """Whether a failure before a task becomes its own end, which is tolerated."""
    return task in joins.tolerated and task not in joins.all_done


def _read(form: Form, graph: Graph, joins: Joins, findings: list[Finding]) -> None:
    said = form.fields["join"]
    try:
        meaning = meaning_of(said)
    except PydanticCustomError:
        return  # the form check says so
    degrees = [graph.indegree[task] for task in form.copies]
    findings += _problems(form, meaning, said, min(degrees, default=1))
    for task, degree in zip(form.copies, degrees, strict=True):
        if meaning == "all_done" and degree:
            joins.all_done.add(task)
        elif isinstance(meaning, int) and degree:
            joins.need[task] = meaning


def _problems(form: Form, meaning: Meaning, said: object, waits: int) -> Iterator[Finding]:
    path = ("tasks", form.number, "join")
    if waits == 0 and meaning is not None:
        message = f"{form.name} waits for nothing, so `join` changes nothing"
        yield Finding("useless_join", message, path=path, severity="warning")
    elif isinstance(meaning, int) and meaning > waits:
        tasks = "1 task" if waits == 1 else f"{waits} tasks"
        message = f"{shown(said)} cannot come true: {form.name} waits for {tasks}"
        yield Finding("impossible_join", message, path=path)
