"""Which tasks there are, after `count`, and what they are called inside their scenario."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from orchestrator.templates.limits import Limits
from orchestrator.templates.problems import Finding
from orchestrator.templates.shape import LocalId
from orchestrator.templates.spelling import Spelling
from orchestrator.templates.tree import Json

OWN_SERVICE: Final = "orchestrator"
"""Service of tasks that no worker does."""
ORDINARY: Final = 0
UNDOING: Final = 1
FINALLY: Final = 2
"""Levels of tasks: `compensates` makes one that undoes another; a task starts when all of the levels below have ended."""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One task as the document has it. `copies` are the indexes of the tasks that it makes."""

    number: int
    """Its place in `tasks` of the document."""
    name: str
    service: str
    own_id: str | None
    count: int | None
    fields: dict[str, Json]
    """Structural fields, resolved."""
    level: int = ORDINARY
    copies: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Named:
    """One task: the form that it is a copy of, its local id, its index among the copies (from 1, None without `count`)."""

    form: Form
    key: str
    index: int | None


class Names:
    """All tasks of a scenario and what can be said to name them."""

    def __init__(self, forms: list[Form], own: str | None, limits: Limits) -> None:
        self.tasks: list[Named] = []
        self.findings: list[Finding] = []
        self.has_levels = any(form.level != ORDINARY for form in forms)
        self._own = own
        self._by_key: dict[str, list[int]] = {}
        self._by_group: dict[str, list[int]] = {}
        self._by_name: dict[str, list[int]] = {}
        if sum(1 if form.count is None else form.count for form in forms) > limits.max_tasks:
            message = f"the scenario has more than {limits.max_tasks} tasks"
            self.findings.append(Finding("too_many_tasks", message, path=("tasks",)))
        else:
            self._add_all(forms)

    def find(self, word: str) -> list[int] | None:
        """Indexes of the tasks that a word names: by local id, then by `name`. None when it names nothing."""
        found = self._by_key.get(word)
        if found is None:
            found = self._by_group.get(word)
        if found is None and not isinstance(word, LocalId):
            found = self._by_name.get(word)
        return found

    def hint(self, word: str) -> str:
        """The closest name that exists."""
        near = self.spelling.closest(word)
        return f"did you mean {near!r}?" if near else ""

    @cached_property
    def spelling(self) -> Spelling:
        """All words that name a task, for who misspelt one."""
        return Spelling({**self._by_key, **self._by_group, **self._by_name})

    def _add_all(self, forms: list[Form]) -> None:
        alone = Counter(form.name for form in forms if form.own_id is None)
        used: Counter[str] = Counter()
        for form in forms:
            self._by_name.setdefault(form.name, [])
            if form.own_id is not None and form.count is not None:
                self._by_group.setdefault(form.own_id, [])
            for key, index in _keys(form, alone[form.name] == 1, used):
                self._add(Named(form, key, index))

    def _add(self, task: Named) -> None:
        form, position = task.form, len(self.tasks)
        self.tasks.append(task)
        form.copies.append(position)
        self._by_name[form.name].append(position)
        if form.own_id is not None and form.count is not None:
            self._by_group[form.own_id].append(position)
        if task.key in self._by_key or task.key == self._own:
            other = "the scenario itself" if task.key == self._own else f"tasks[{self._first(task.key)}]"
            message = f"the id {task.key!r} is taken by {other}"
            path = ("tasks", form.number, "name" if form.own_id is None else "id")
            self.findings.append(Finding("duplicate_id", message, path=path, hint="every id is given once"))
        self._by_key.setdefault(task.key, [position])

    def _first(self, key: str) -> int:
        return self.tasks[self._by_key[key][0]].form.number


def _keys(form: Form, alone: bool, used: Counter[str]) -> Iterator[tuple[str, int | None]]:
    """Local ids of the copies. Without an id, tasks of one name are numbered through the document."""
    if form.count is None and (form.own_id is not None or alone):
        yield form.own_id or form.name, None
        return
    for index in range(1, (1 if form.count is None else form.count) + 1):
        number = index
        if form.own_id is None:
            used[form.name] += 1
            number = used[form.name]
        yield f"{form.own_id or form.name}_{number}", None if form.count is None else index
