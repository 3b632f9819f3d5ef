"""What the graph can depend on: the document without the values that only pass through.

The graph follows from the text and from the few values that stand where structure stands. `Shape.key` gathers just
those, so a plan can be kept by text and key, and a later request with other prompts reuses it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from orchestrator.templates.cache import Cache
from orchestrator.templates.problems import Finding, Path
from orchestrator.templates.state import Rendering, to_text
from orchestrator.templates.tree import Items, Json, Map, Slot, Text, Tree, substitute

Use = Literal["value", "ids", "kind"]
"""How a token's value matters: whole, only if `SHORT_UUID` made it, or only its type."""

TOP_VALUE: Final = frozenset(("scenario_id", "version", "name"))
TASK_VALUE: Final = frozenset(
    ("id", "scenario_id", "service", "name", "queue", "status", "consumers", "needs", "count")
)
TASK_OWN: Final = TASK_VALUE | {"created_at", "updated_at", "result_ref"}
"""Fields of a task that do not travel to the worker as template fields."""


class LocalId(str):
    """The name that `SHORT_UUID` was given: names a task by its id only, never by its `name`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"SHORT_UUID({str(self)!r})"


def is_reference(field_name: str) -> bool:
    """Whether a field may name tasks: `..._id` or `..._ids`, but not the task's own."""
    return field_name.endswith(("_id", "_ids")) and field_name != "scenario_id"


def use_of(field_name: str) -> Use:
    """How the value of a task's field matters to the graph."""
    if field_name in TASK_VALUE or field_name.endswith(("_task_id", "_task_ids")):
        return "value"
    return "ids" if is_reference(field_name) else "kind"


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A parsed text. `inputs` are the tokens whose values shape the graph; `plans` keeps the
    graphs by `key`; a graph weighs its tasks and 100 more."""

    tree: Tree
    findings: list[Finding]
    inputs: tuple[tuple[int, Use], ...]
    plans: Cache[Any] = field(default_factory=lambda: Cache(20_000))

    def key(self, state: Rendering) -> tuple[Json, ...]:
        """The values that shape the graph, in a form that tells 1 from True from 1.0, and needs no scenario id."""
        return tuple([_key_part(state, state.values[number], use) for number, use in self.inputs])


def shape_of(tree: Tree, findings: list[Finding]) -> Shape:
    """Find out which tokens matter."""
    return Shape(tree, findings, tuple(dict.fromkeys(_inputs(tree))))


def _inputs(tree: Tree) -> Iterator[tuple[int, Use]]:
    if not isinstance(tree, Map):
        return
    for name, value in tree.items():
        if name != "tasks":
            yield from _tokens(value, "value" if name in TOP_VALUE else "kind")
        elif isinstance(value, Items):
            for task in value:
                yield from _task_inputs(task)


def _task_inputs(task: Tree) -> Iterator[tuple[int, Use]]:
    if isinstance(task, (Slot, Text)):
        yield from _tokens(task, "kind")
    if isinstance(task, Map):
        for name, value in task.items():
            use = use_of(name)
            if use != "kind" or isinstance(value, Slot):
                yield from _tokens(value, use)


def _tokens(tree: Tree, use: Use) -> Iterator[tuple[int, Use]]:
    if isinstance(tree, Slot):
        yield tree.number, use
    elif isinstance(tree, Text):
        whole: Use = "value" if use == "ids" and is_composed(tree) else use
        yield from ((part, whole) for part in tree.parts if isinstance(part, int))
    elif isinstance(tree, (Map, Items)) and use != "kind":
        for item in tree.values() if isinstance(tree, Map) else tree:
            yield from _tokens(item, use)


def is_composed(text: Text) -> bool:
    """Whether the author wrote something around the tokens, as in `"slide_{{ i }}"`."""
    return any(isinstance(part, str) and not part.isspace() for part in text.parts)


def _key_part(state: Rendering, value: Json, use: Use) -> Json:
    if use == "kind":
        return type(value).__name__
    local = with_local_ids(value, state.names)
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


def resolved(tree: Tree, state: Rendering, path: Path, findings: list[Finding]) -> Json:
    """The value of a structural field, with local ids. An id inside other text is refused: it names nothing."""
    if isinstance(tree, Slot):
        return with_local_ids(state.values[tree.number], state.names)
    if isinstance(tree, Text):
        values = [state.values[part] for part in tree.parts if isinstance(part, int)]
        if any(type(value) is str and value in state.names for value in values):
            if len(tree.parts) == 1:
                return with_local_ids(values[0], state.names)
            findings.append(Finding("id_in_text", "SHORT_UUID() must stand alone here", path=path))
        return to_text(values[0]) if len(tree.parts) == 1 else substitute(tree, state.values)
    if isinstance(tree, Items):
        return [resolved(item, state, (*path, index), findings) for index, item in enumerate(tree)]
    return tree


def stand_in(tree: Tree, state: Rendering) -> Json:
    """A value of the right type for a field whose content does not matter."""
    if isinstance(tree, Slot):
        return state.values[tree.number]
    return "text" if isinstance(tree, Text) else tree
