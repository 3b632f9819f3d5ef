"""What a finished graph shows: cycles, and declared counters that it contradicts."""

from collections.abc import Iterator

from orchestrator.templates.graph import Graph
from orchestrator.templates.naming import Form, Names
from orchestrator.templates.problems import Finding, shown


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
