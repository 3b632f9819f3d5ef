"""The end of a scenario: compensations run when all ordinary tasks have ended, `finally` tasks after those.

Such a task waits for every ordinary one, not only for the last of each branch: a task that is skipped ends before what it
waited for does.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from orchestrator.templates.graph import Graph, TooManyEdges
from orchestrator.templates.naming import FINALLY, ORDINARY, UNDOING, Form, Names
from orchestrator.templates.problems import Finding, Path

_SAID: Final = {
    UNDOING: "undoes another when all ordinary tasks have ended",
    FINALLY: "runs when all else has ended",
}


def in_order(
    form: Form, others: list[int], names: Names, path: Path, findings: list[Finding], *, waits: bool
) -> list[int]:
    """Those of `others` that `form` may wait for, or that may wait for it. The first that may not is a finding."""
    if not names.has_levels:
        return others
    refused: dict[int, Form] = {}
    for other in others:
        there = names.tasks[other].form
        if (there.level > form.level) if waits else (there.level < form.level):
            refused[other] = there
    if refused:
        there = next(iter(refused.values()))
        early, late = (form, there) if waits else (there, form)
        message = f"{early.name!r} cannot wait for {late.name!r}, which {_SAID[late.level]}"
        findings.append(Finding("wrong_order", message, path=path))
    return [other for other in others if other not in refused]


def undone_by(forms: Iterable[Form], names: Names, findings: list[Finding]) -> dict[int, int]:
    """Compensation -> the task that it undoes, as indexes of tasks."""
    undoes: dict[int, int] = {}
    for form in forms:
        word = form.fields.get("compensates")
        if not isinstance(word, str):
            continue
        path = ("tasks", form.number, "compensates")
        found = names.find(word)
        if found is None:
            message = f"{str(word)!r} names no task of this scenario"
            findings.append(Finding("unknown_reference", message, path=path, hint=names.hint(word)))
        elif len(found) != 1:
            message = f"names {len(found)} tasks where one is to be undone"
            findings.append(
                Finding("ambiguous_reference", message, path=path, hint="give the tasks an `id` each")
            )
        elif names.tasks[found[0]].form.level != ORDINARY:
            message = "only an ordinary task can be undone"
            findings.append(Finding("wrong_order", message, path=path))
        else:
            undoes.update(dict.fromkeys(form.copies, found[0]))
    return undoes


def add_end(
    names: Names, graph: Graph, undoes: Mapping[int, int], max_edges: int, check_time: Callable[[], None]
) -> set[int]:
    """Add the edges of the end. Returns the tasks that wait until all before them ended, however. Raises TooManyEdges."""
    by_level: dict[int, list[int]] = {ORDINARY: [], UNDOING: [], FINALLY: []}
    for position, task in enumerate(names.tasks):
        by_level[task.form.level].append(position)
    ordinary, undoing, last = by_level[ORDINARY], by_level[UNDOING], by_level[FINALLY]
    if undoes:
        _reverse(graph, undoes, _nearest(names, graph, set(undoes.values()), max_edges, check_time))
    first_undoing = _without_parents_in(undoing, graph)
    first_last = sorted({*_without_parents_in(last, graph), *_children_of(ordinary + undoing, last, graph)})
    for before in ordinary:
        graph.add(before, first_undoing + first_last)
    for before in undoing:
        graph.add(before, first_last)
    return {*undoing, *first_last}


def parents_at_end(names: Names, graph: Graph) -> dict[int, int]:
    """For every task of the end, how many tasks of the end it waits for; it waits for no other once the scenario is cancelled."""
    ends = [task for task, named in enumerate(names.tasks) if named.form.level != ORDINARY]
    parents = dict.fromkeys(ends, 0)
    for task in ends:
        for after in graph.after[task]:
            parents[after] += 1
    return parents


def _without_parents_in(tasks: list[int], graph: Graph) -> list[int]:
    later = {after for task in tasks for after in graph.after[task]}
    return [task for task in tasks if task not in later]


def _children_of(parents: list[int], some: list[int], graph: Graph) -> set[int]:
    return set(some) & {after for task in parents for after in graph.after[task]} if some else set()


def _reverse(graph: Graph, undoes: Mapping[int, int], near: Mapping[int, frozenset[int]]) -> None:
    """If B comes after A, what undoes B runs before what undoes A."""
    compensations: dict[int, list[int]] = defaultdict(list)
    for compensation, task in undoes.items():
        compensations[task].append(compensation)
    for task, compensating in compensations.items():
        for later in near.get(task, ()):
            for first in compensations[later]:
                graph.add(first, compensating)


def _nearest(
    names: Names, graph: Graph, undone: set[int], max_size: int, check_time: Callable[[], None]
) -> dict[int, frozenset[int]]:
    """The `undone` tasks that come next on the ways from each ordinary task. Raises TooManyEdges for more than `max_size`."""
    near: dict[int, frozenset[int]] = {}
    _, order = graph.heights()
    for task in reversed(order):
        check_time()
        if names.tasks[task].form.level != ORDINARY:
            continue
        found: frozenset[int] = frozenset()
        for after in graph.after[task]:
            ahead = frozenset((after,)) if after in undone else near.get(after, frozenset())
            if found and not ahead <= found:
                found |= ahead
                max_size -= len(found)
            found = found or ahead
        if max_size < 0:
            raise TooManyEdges
        near[task] = found
    return near
