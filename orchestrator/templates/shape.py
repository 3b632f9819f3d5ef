"""What the graph can depend on: the document without the values that only pass through.

The graph follows from the text and from the few values that stand where structure stands. `Shape.key` gathers just
those, so a plan can be kept by text and key, and a later request with other prompts reuses it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.templates.cache import Cache
from orchestrator.templates.outline import Input, Row, Use, inputs_of_services, inputs_of_states, tokens
from orchestrator.templates.problems import Finding, Path
from orchestrator.templates.rows import Document
from orchestrator.templates.state import Given, to_text
from orchestrator.templates.tree import Items, Json, Map, Slot, Text, Tree, substitute

PLANS_BYTES: Final = 16 * 1024 * 1024
TOP_VALUE: Final = frozenset(("scenario_id", "version", "name", "initial"))
_APART: Final = ("tasks", "services", "states")


class LocalId(str):
    """The name that `SHORT_UUID` was given: names a task by its id only, never by its `name`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"SHORT_UUID({str(self)!r})"


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A parsed text. `inputs` are the tokens outside of tasks whose values shape the graph; each task knows its own.

    `plans` keeps the graphs by `key`.
    """

    document: Document
    inputs: tuple[Input, ...]
    plans: Cache[Any] = field(default_factory=lambda: Cache(PLANS_BYTES))

    @property
    def weight(self) -> int:
        """About as many bytes as it takes now, with its plans."""
        return self.document.weight + self.plans.weight

    def key(self, given: Given) -> tuple[Json, ...]:
        """The values that shape the graph, in a form that tells 1 from True from 1.0, and needs no scenario id."""
        return tuple([_key_part(given, number, use) for number, use in self.all_inputs()])

    def all_inputs(self) -> Iterator[Input]:
        """Tokens of the whole document whose values shape the graph."""
        yield from self.inputs
        for row in self.document.all_rows():
            yield from _inputs_of(row)


def shape_of(document: Document) -> Shape:
    """Find out which tokens matter."""
    top = document.top if isinstance(document.top, Map) else {}
    fields = ((name, value) for name, value in top.items() if name not in _APART)
    found = [one for name, value in fields for one in tokens(value, "value" if name in TOP_VALUE else "kind")]
    found += inputs_of_services(top.get("services"))
    found += inputs_of_states(top.get("states"))
    return Shape(document, tuple(dict.fromkeys(found)))


def _inputs_of(row: Row) -> Iterator[Input]:
    if row.numbers is None:
        return iter(row.outline.inputs)
    return ((row.numbers[number], use) for number, use in row.outline.inputs)


def _key_part(given: Given, number: int, use: Use) -> Json:
    value = given.values[number]
    if use == "kind":
        return type(value).__name__
    local = with_local_ids(value, given.names)
    if use == "ids":
        local = [
            item for item in (local if isinstance(local, list) else [local]) if isinstance(item, LocalId)
        ]
    return local if type(local) is str else (type(local).__name__, repr(local))


def with_local_ids(value: Json, names: dict[str, str]) -> Json:
    """The value with `LocalId` in place of every id that `SHORT_UUID` made."""
    if type(value) is str:
        return LocalId(names[value]) if value in names else value
    if type(value) is list:
        return [with_local_ids(item, names) for item in value]
    return value


def resolved(tree: Tree, given: Given, path: Path, findings: list[Finding]) -> Json:
    """The value of a structural field, with local ids. An id inside other text is refused: it names nothing."""
    if isinstance(tree, Slot):
        return with_local_ids(given.values[tree.number], given.names)
    if isinstance(tree, Text):
        values = [given.values[part] for part in tree.parts if isinstance(part, int)]
        if any(type(value) is str and value in given.names for value in values):
            if len(tree.parts) == 1:
                return with_local_ids(values[0], given.names)
            findings.append(Finding("id_in_text", "SHORT_UUID() must stand alone here", path=path))
        return to_text(values[0]) if len(tree.parts) == 1 else substitute(tree, given.values)
    if isinstance(tree, Items):
        return [resolved(item, given, (*path, index), findings) for index, item in enumerate(tree)]
    if isinstance(tree, Map):
        return {name: resolved(item, given, (*path, name), findings) for name, item in tree.items()}
    return tree


def stand_in(tree: Tree, given: Given) -> Json:
    """A value of the right type for a field whose content does not matter."""
    if isinstance(tree, Slot):
        return given.values[tree.number]
    return "text" if isinstance(tree, Text) else tree
