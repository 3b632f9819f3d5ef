"""What the tasks of a document take from other tasks at run time: looked through and checked when the graph is known."""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.templates.conditions import Condition, condition_of, with_braces
from orchestrator.templates.deferred import EVENT_PARTS, OF_EVENT, OF_ITEMS, OF_TASKS, RUN_TIME, Deferred
from orchestrator.templates.graph import Graph
from orchestrator.templates.naming import Form, Names
from orchestrator.templates.outline import TASK_VALUE, TERMS, Row
from orchestrator.templates.problems import Finding, Path, Refused, shown
from orchestrator.templates.runtime import MAX_ITEMS
from orchestrator.templates.state import END, Rendering, to_text
from orchestrator.templates.tree import Items, Map, Slot, Text, Tree

_BOILERPLATE: Final = ("created_at", "updated_at", "result_ref")
_OF_GATE: Final = ("title", "message", "form", "draft", "default")
_PARTS_OF_EVENT: Final = "it has `event.name`, `.by`, `.from`, and in `.data` what was sent with it"
_AT_ONCE: Final = 4_096
"""Tasks whose descendants are looked for in one go: bits of a number for each task."""
Words = Mapping[str, tuple[int, ...]]
"""Tasks, as their indexes, by the word that names them."""


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """What a task takes at run time: `condition` from `when`, `items` from `foreach` (None without it), `terms` with values in
    them, as (name, tree)."""

    condition: Condition | None
    items: Tree
    terms: tuple[tuple[str, Tree], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Use:
    form: Form
    path: Path
    deferred: Deferred


class Results:
    """What the tasks of one document, or of one of its states, take from run time. `words` are there after `check`."""

    def __init__(self, state: Rendering, variables: Collection[str], *, has_event: bool = False) -> None:
        self.words: dict[str, tuple[int, ...]] = {}
        self._deferred = state.deferred
        self._values = state.values
        self._names = state.names
        self._prefix = state.prefix
        self._token = re.compile(f"{state.prefix}([0-9]+){END}")
        self._most = state.limits.edges
        self._variables = variables
        self._has_event = has_event
        self._conditions: dict[tuple[str, tuple[str, ...], bool], Condition] = {}
        self._uses: list[_Use] = []
        self._findings: list[Finding] = []
        self._places: set[Path] = set()

    def look_at_top(self, top: Map) -> None:
        """Nothing outside of tasks may wait for results."""
        for name, tree in top.items() if self._deferred else ():
            for path, deferred in (
                _places(tree, self._deferred, (name,)) if name not in ("tasks", "states") else ()
            ):
                self._refuse(path, deferred)

    def look_at(self, number: int, row: Row) -> None:
        """Nothing that shapes the scenario may wait for results."""
        mine = self._deferred_in(row)
        for name, tree in row.outline.tree.items() if mine and isinstance(row.outline.tree, Map) else ():
            for path, deferred in _places(tree, mine, ("tasks", number, name)) if name in TASK_VALUE else ():
                self._refuse(path, deferred)

    def taken_by(self, form: Form, row: Row) -> Taken | None:
        """Look through one task. None when it takes nothing."""
        tree, number = row.outline.tree, form.number
        mine = self._deferred_in(row)
        if not mine and "when" not in tree and "foreach" not in tree:
            return None
        terms: dict[str, Tree] = {}
        for name, field in tree.items() if mine else ():
            for path, deferred in _places(field, mine, ("tasks", number, name)):
                if self._may_stand(path, deferred, form, tree):
                    self._uses.append(_Use(form, path, deferred))
                if name in ("gate", "variables"):
                    terms[name] = field
        items = tree.get("foreach")
        if items is not None:
            self._check_items(items, row, ("tasks", number, "foreach"))
        condition = self._condition(tree.get("when"), form, row, has_items=items is not None)
        if condition is None and items is None and not mine:
            return None
        return Taken(condition, items, tuple(terms.items()))

    def check(self, names: Names, graph: Graph, order: list[int], findings: list[Finding]) -> list[Finding]:
        """All findings: those of before, but for consequences of ours, and ours. `order` are the tasks that no cycle holds."""
        known = [use for use in self._uses if self._is_known(use, names)]
        if sum(len(self.words[use.deferred.word]) * len(use.form.copies) for use in known) > self._most:
            message = f"the tasks take more than {self._most} results of others"
            self._findings.append(Finding("too_many_edges", message, path=("tasks",)))
        elif len(order) == len(names.tasks):
            for use in _strangers(known, self.words, graph, order):
                self._findings.append(_not_upstream(use))
        others = [finding for finding in findings if finding.path not in self._places]
        return others + self._findings

    def _deferred_in(self, row: Row) -> dict[int, Deferred]:
        """By the numbers that the tokens have in the outline."""
        if not self._deferred or row.numbers is None:
            return self._deferred
        numbers = enumerate(row.numbers)
        return {own: self._deferred[number] for own, number in numbers if number in self._deferred}

    def _may_stand(self, path: Path, deferred: Deferred, form: Form, tree: Map) -> bool:
        """Whether a value may come later here. What may not is a finding."""
        name = str(path[2])
        if name in _BOILERPLATE or name in TASK_VALUE or name == "when":
            return False
        of_gate = name == "gate" and len(path) > 3 and path[3] in _OF_GATE
        if name in TERMS and name not in ("foreach", "variables") and not of_gate:
            self._refuse(path, deferred)
        elif name.endswith(("_task_id", "_task_ids")):
            self._refuse(path, deferred, "name the task itself, or rename the field")
        elif deferred.of in OF_ITEMS and ("foreach" not in tree or name == "foreach"):
            message = f"{deferred.of!r} is known in a task with `foreach`, outside of that field"
            self._findings.append(Finding("unknown_variable", message, path=path))
        elif deferred.of == OF_EVENT and (wrong := self._wrong_event(deferred)):
            self._findings.append(Finding("unknown_variable", wrong, path=path, hint=_PARTS_OF_EVENT))
        else:
            self._places.add(path)
            return deferred.of in OF_TASKS
        return False

    def _wrong_event(self, deferred: Deferred) -> str:
        if not self._has_event:
            return "'event' is known in the tasks of `states`"
        if deferred.path and deferred.path[0] not in EVENT_PARTS:
            return f"an event has no {str(deferred.path[0])!r}"
        return ""

    def _refuse(
        self, path: Path, deferred: Deferred, hint: str = "only template fields can wait for results"
    ) -> None:
        self._places.add(path)
        message = f"{deferred!r} is known only at run time, and what stands here shapes the scenario"
        self._findings.append(Finding(RUN_TIME, message, path=path, hint=hint))

    def _check_items(self, tree: Tree, row: Row, path: Path) -> None:
        value = row.values(self._values)[tree.number] if isinstance(tree, Slot) else tree
        if isinstance(value, Deferred):
            if value.of not in ("result", "results", *OF_ITEMS, OF_EVENT):  # of those it is said already
                self._findings.append(Finding("wrong_type", f"{value!r} is no list", path=path))
        elif not isinstance(value, list):
            hint = (
                "write it without quotes"
                if isinstance(value, Text)
                else "write a list, or a value that is one"
            )
            found = "a text" if isinstance(value, Text) else shown(value)
            self._findings.append(
                Finding("wrong_type", f"`foreach` is a list, not {found}", path=path, hint=hint)
            )
        elif len(value) > MAX_ITEMS:
            message = f"`foreach` has {len(value)} items, more than {MAX_ITEMS}"
            self._findings.append(Finding("too_many_tasks", message, path=path))

    def _condition(self, tree: Tree, form: Form, row: Row, *, has_items: bool) -> Condition | None:
        if not isinstance(tree, (str, Slot, Text)):
            return None  # the form check says so
        path: Path = ("tasks", form.number, "when")
        try:
            condition = self._read(tree, row, has_items=has_items)
        except Refused as error:
            self._places.add(path)
            self._findings.append(Finding(error.code, str(error), path=path, hint=error.hint))
            return None
        for taken in condition.takes:
            if taken.of == OF_EVENT and (wrong := self._wrong_event(taken)):
                self._findings.append(Finding("unknown_variable", wrong, path=path, hint=_PARTS_OF_EVENT))
        self._uses += [_Use(form, path, taken) for taken in condition.takes if taken.of in OF_TASKS]
        return condition

    def _read(self, tree: str | Slot | Text, row: Row, *, has_items: bool) -> Condition:
        """Tokens are counted anew from 0, so that those of a loop are read once. Raises Refused."""
        parts = (tree,) if isinstance(tree, str) else (tree.number,) if isinstance(tree, Slot) else tree.parts
        count, numbers = itertools.count(), row.numbers
        text = "".join(
            part if isinstance(part, str) else f"{self._prefix}{next(count)}{END}" for part in parts
        )
        tokens = [part if numbers is None else numbers[part] for part in parts if isinstance(part, int)]
        words = tuple(map(self._word, tokens))
        condition = self._conditions.get((text, words, has_items))
        if condition is None:
            condition = condition_of(
                text,
                self._prefix,
                lambda inside: self._token.sub(lambda found: words[int(found[1])], inside),
                self._variables,
                has_items=has_items,
                has_event=self._has_event,
            )
            self._conditions[text, words, has_items] = condition
        return condition

    def _word(self, number: int) -> str:
        if number in self._deferred:
            raise with_braces()
        value = to_text(self._values[number])
        return self._names.get(value, value)

    def _is_known(self, use: _Use, names: Names) -> bool:
        word = use.deferred.word
        if word in self.words:
            return True
        found = names.find(word)
        if found is None:
            message = f"{use.deferred!r}: {shown(word)} names no task of this scenario"
            self._findings.append(Finding("unknown_reference", message, path=use.path, hint=names.hint(word)))
            return False
        self.words[word] = tuple(found)
        return True


def _places(tree: Tree, deferred: Mapping[int, Deferred], path: Path) -> Iterator[tuple[Path, Deferred]]:
    """Where deferred values stand in a tree; tokens have the numbers of the tree."""
    if isinstance(tree, Map):
        for name, item in tree.items():
            yield from _places(item, deferred, (*path, name))
    elif isinstance(tree, Items):
        for index, item in enumerate(tree):
            yield from _places(item, deferred, (*path, index))
    elif isinstance(tree, Slot):
        if tree.number in deferred:
            yield path, deferred[tree.number]
    elif isinstance(tree, Text):
        yield from (
            (path, deferred[part]) for part in tree.parts if isinstance(part, int) and part in deferred
        )


def _not_upstream(use: _Use) -> Finding:
    word, of = use.deferred.word, use.deferred.of
    what = "status" if of == "status" else "result"
    message = f"{word!r} is not upstream of this task, so its {what} may not be there yet"
    return Finding("not_upstream", message, path=use.path, hint=f"add `needs: [{word}]`")


def _strangers(uses: list[_Use], words: Words, graph: Graph, order: list[int]) -> Iterator[_Use]:
    """Uses of tasks that do not all stand upstream of the user."""
    sources = sorted({source for use in uses for source in words[use.deferred.word]})
    told: set[int] = set()
    for start in range(0, len(sources), _AT_ONCE):
        bits = {source: 1 << bit for bit, source in enumerate(sources[start : start + _AT_ONCE])}
        above = _above(graph, order, bits)
        wanted = {
            word: _together(bits.get(task, 0) for task in words[word])
            for word in {use.deferred.word for use in uses}
        }
        for use in uses:
            bits_wanted = wanted[use.deferred.word]
            if id(use) not in told and any(bits_wanted & ~above[task] for task in use.form.copies):
                told.add(id(use))
                yield use


def _above(graph: Graph, order: list[int], bits: Mapping[int, int]) -> list[int]:
    """For each task the bits of all that stand upstream."""
    above = [0] * len(graph.after)
    for task in order:
        passed = above[task] | bits.get(task, 0)
        if passed:
            for after in graph.after[task]:
                above[after] |= passed
    return above


def _together(bits: Iterable[int]) -> int:
    whole = 0
    for bit in bits:
        whole |= bit
    return whole
