"""What a finished graph shows: cycles, and declared counters that it contradicts."""

from collections.abc import Iterator

from orchestrator.templates.graph import Graph
from orchestrator.templates.naming import Form, Names
from orchestrator.templates.outline import Outline
from orchestrator.templates.problems import Finding, Path, shown
from orchestrator.templates.state import Given
from orchestrator.templates.tree import Map, Slot, Tree


def cycles(names: Names, graph: Graph, order: list[int]) -> Iterator[Finding]:
    """Each cycle with its way, by local ids. `order` are the tasks that no cycle holds back."""
    if len(order) == len(names.tasks):
        return
    for cycle in graph.cycles(order):
        keys = [names.tasks[task].key for task in cycle]
        told = keys if len(keys) <= 12 else [*keys[:6], f"... {len(keys) - 11} more ...", *keys[-5:]]
        message = f"tasks wait for each other: {' -> '.join([*told, keys[0]])}"
        path = ("tasks", names.tasks[cycle[0]].form.number)
        yield Finding("cycle", message, path=path, hint="take one of these edges away")


def bad_fields(number: int, outline: Outline) -> Iterator[Finding]:
    """Names that no field of a task may have, and such as look like a field of the format which the task does not have."""
    for name in outline.refused:
        message = f"{shown(name)} cannot be a field of a task"
        yield Finding("reserved_field", message, path=("tasks", number, name), hint="rename it")
    for name, meant in outline.slips:
        yield Finding(
            "unknown_field",
            f"{shown(name)} is no field of the format, so it only travels to the worker",
            path=("tasks", number, name),
            hint=f"did you mean {meant!r}?",
            severity="warning",
        )


def kind_of(top: Map) -> Iterator[Finding]:
    """Whether a document has tasks or states."""
    if "tasks" not in top and "states" not in top:
        yield Finding("missing_field", "'tasks' is missing", path=("tasks",))
    if "tasks" in top and "states" in top:
        message, hint = "a template has `tasks` or `states`", "the tasks of a state stand in it"
        yield Finding("conflicting_fields", message, path=("states",), hint=hint)
    elif "states" in top and not isinstance(top["states"], Map):
        yield Finding("wrong_type", "`states` is a mapping of names to states, written out", path=("states",))
    if "initial" in top and "states" not in top:
        message = "`initial` names one of the `states`, which are missing"
        yield Finding("conflicting_fields", message, path=("initial",))


def not_written_out(tree: Tree, given: Given, path: Path) -> Iterator[Finding]:
    """Tasks that are a value: it would only be data."""
    if isinstance(tree, Slot) and isinstance(given.values[tree.number], list):
        hint = "`{% for %}` makes one task of each item"
        yield Finding("wrong_type", "`tasks` is a list that is written out", path=path, hint=hint)


def queue_mismatches(forms: list[Form], graph: Graph) -> Iterator[Finding]:
    """Declared `queue` that is not the number of tasks waited for."""
    for form in forms:
        declared = form.fields.get("queue")
        if declared is None or not str(declared).isdigit():
            continue  # the form check says so
        degrees = (graph.indegree[task] for task in form.copies)
        real = next((degree for degree in degrees if str(degree) != str(declared)), None)
        if real is not None:
            tasks = "1 task" if real == 1 else f"{real} tasks"
            yield Finding(
                "queue_mismatch",
                f"queue is {shown(declared)}, but {form.name} waits for {tasks}",
                path=("tasks", form.number, "queue"),
                hint="the graph decides; leave `queue` out",
                severity="warning",
            )
