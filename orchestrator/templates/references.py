"""Words that name tasks: `consumers`, `needs`, and the fields `..._id` and `..._ids`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.templates.naming import Names
from orchestrator.templates.outline import is_composed
from orchestrator.templates.problems import Finding, Path
from orchestrator.templates.shape import LocalId, with_local_ids
from orchestrator.templates.state import Given
from orchestrator.templates.tree import Items, Json, Slot, Text, Tree, substitute

_Word = tuple[Json, tuple[Tree], int | None]
"""What stands there, its tree, its place in the list if it is one."""


@dataclass(frozen=True, slots=True)
class TaskIds:
    """In place of a field's value: the ids of these tasks, and what else stood between them."""

    parts: tuple[Any, ...]
    """An int is the index of a task, a one-element tuple holds a tree."""
    many: bool


@dataclass(frozen=True, slots=True)
class Linked:
    """A field's value and the tasks that it names."""

    tree: Tree
    targets: list[int]


def targets_of(words: Json, names: Names, path: Path, findings: list[Finding]) -> list[int]:
    """Tasks named by `consumers` or `needs`. A word that names nothing is a finding, one that stands twice a warning."""
    listed = [words] if isinstance(words, str) else words if isinstance(words, list) else []
    targets: list[int] = []
    for place, word in enumerate(listed):
        if not isinstance(word, str):
            continue  # the form check says so
        found = names.find(word)
        where = path if isinstance(words, str) else (*path, place)
        if found is None:
            code = "unknown_consumer" if path[-1] == "consumers" else "unknown_need"
            findings.append(
                Finding(
                    code, f"{str(word)!r} names no task of this scenario", path=where, hint=names.hint(word)
                )
            )
        targets += found or ()
    if len(listed) > 1:
        _warn_of_twice([word for word in listed if isinstance(word, str)], path, findings)
    return list(dict.fromkeys(targets))  # a word said 5,000 times is one edge, not 5,000 times all copies


def _warn_of_twice(words: Iterable[str], path: Path, findings: list[Finding]) -> None:
    for word, times in Counter(words).items():
        if times > 1:
            message = f"{str(word)!r} stands here {times} times; it counts once"
            findings.append(Finding("duplicate_edge", message, path=path, severity="warning"))


def link(
    tree: Tree, field_name: str, path: Path, given: Given, names: Names, findings: list[Finding]
) -> Linked:
    """Put task ids in place of the words that name tasks, in a field `..._id` or `..._ids`."""
    linker = _Linker(field_name, path, given, names, findings)
    return linker.link_many(tree) if field_name.endswith("_ids") else linker.link_one(tree)


class _Linker:
    def __init__(
        self, field_name: str, path: Path, given: Given, names: Names, findings: list[Finding]
    ) -> None:
        self._must = field_name.endswith(("_task_id", "_task_ids"))
        self._path = path
        self._given = given
        self._names = names
        self._findings = findings

    def link_one(self, tree: Tree) -> Linked:
        found = self._find(self._word(tree), self._path)
        if found is None:
            return Linked(tree, [])
        if len(found) > 1:
            message = f"names {len(found)} tasks where one id goes"
            hint = f"call the field {self._path[-1]}s to get them all"
            self._findings.append(Finding("ambiguous_reference", message, path=self._path, hint=hint))
        return Linked(TaskIds(tuple(found), many=False), found)

    def link_many(self, tree: Tree) -> Linked:
        """Every item of a list, or one word, stands for all tasks that it names."""
        if isinstance(tree, Slot) and isinstance(self._given.values[tree.number], list):
            items = with_local_ids(self._given.values[tree.number], self._given.names)
            if not self._must and not any(isinstance(item, LocalId) for item in items):
                return Linked(tree, [])
            words: list[_Word] = [(item, (item,), index) for index, item in enumerate(items)]
        elif isinstance(tree, Items):
            words = [(self._word(item), (item,), index) for index, item in enumerate(tree)]
        else:
            words = [(self._word(tree), (tree,), None)]
        return self._collect(tree, words)

    def _collect(self, tree: Tree, words: list[_Word]) -> Linked:
        parts: list[Any] = []
        targets: list[int] = []
        named = False
        for word, original, index in words:
            found = self._find(word, self._path if index is None else (*self._path, index))
            named = named or found is not None
            parts += [original] if found is None else found
            targets += found or ()
        return (
            Linked(TaskIds(tuple(parts), many=True), list(dict.fromkeys(targets)))
            if named
            else Linked(tree, [])
        )

    def _word(self, tree: Tree) -> Json:
        """What an author wrote there. A value alone, not made by `SHORT_UUID`, is the user's data and names nothing."""
        if isinstance(tree, Slot):
            value = with_local_ids(self._given.values[tree.number], self._given.names)
        elif isinstance(tree, Text):
            value = substitute(tree, self._given.values)
            if is_composed(tree):
                return value
            value = with_local_ids(value, self._given.names)
        else:
            return tree
        return value if self._must or isinstance(value, LocalId) else None

    def _find(self, word: Json, path: Path) -> list[int] | None:
        if word is None or word == "" or (isinstance(word, LocalId) and word == self._given.own):
            return None
        found = self._names.find(word) if isinstance(word, str) else None
        if found is None and (self._must or isinstance(word, LocalId)):
            hint = self._names.hint(word) if isinstance(word, str) else "give the id or the name of a task"
            self._tell(f"{word!r} names no task of this scenario", path, hint)
        elif found is None and isinstance(word, str) and (meant := self._names.spelling.slip(word)):
            hint = (
                f'did you mean {meant!r}? Data that looks like a task\'s name is written "{{{{ {word!r} }}}}"'
            )
            self._tell(f"{word!r} names no task of this scenario, so none is waited for", path, hint)
        return found

    def _tell(self, message: str, path: Path, hint: str) -> None:
        severity: Any = "error" if self._must else "warning"
        self._findings.append(Finding("unknown_reference", message, path=path, hint=hint, severity=severity))
