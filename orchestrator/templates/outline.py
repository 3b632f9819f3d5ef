"""What the text of a task tells before its values are there; found once for all tasks of the same text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from orchestrator.templates.document import RESERVED
from orchestrator.templates.spelling import field_meant
from orchestrator.templates.terms import OF_SERVICE, TermsForm
from orchestrator.templates.tree import Items, Json, Map, Slot, Text, Tree, has_tokens, substitute

Use = Literal["value", "ids", "kind"]
"""How a token's value matters: whole, only if `SHORT_UUID` made it, or only its type."""
Input = tuple[int, Use]
Field = tuple[str, Tree]

TASK_VALUE: Final = frozenset(
    ("id", "scenario_id", "service", "name", "queue", "status", "consumers", "needs", "count", "retry", "timeout", "timeouts",
     "join", "optional", "finally", "compensates")
)  # fmt: skip
"""Structural fields that shape the plan."""
TERMS: Final = frozenset((*TermsForm.model_fields, "when", "foreach"))
"""Structural fields that are filled for every request."""
LISTS: Final = ("consumers", "needs")
_TASK_OWN: Final = TASK_VALUE | TERMS | {"created_at", "updated_at", "result_ref"}
"""Fields of a task that do not travel to the worker as template fields."""
_MAX_NAME: Final = 128


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """One task as its text has it.

    Attributes:
        inputs: tokens whose values shape the graph.
        settled: fields as the form check sees them, except the `unsettled`, whose values decide.
        base: template fields in their order; None for `filled`, which values go into, and `references`, which may name tasks.
        terms: structural fields that are filled for every request.
        refused: names that no field may have. slips: names with the field that each looks like.
    """

    tree: Tree
    inputs: tuple[Input, ...]
    settled: dict[str, Json] = field(default_factory=dict)
    unsettled: tuple[Field, ...] = ()
    base: dict[str, Json] = field(default_factory=dict)
    filled: tuple[Field, ...] = ()
    references: tuple[Field, ...] = ()
    terms: tuple[Field, ...] = ()
    refused: tuple[str, ...] = ()
    slips: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One item of `tasks`. `numbers` tells which tokens of the document those of the outline, counted from 0, are.

    None: the outline has the document's own.
    """

    outline: Outline
    numbers: tuple[int, ...] | None

    def values(self, values: list[Json]) -> list[Json]:
        """The values for the tokens of the outline, of those of the document."""
        return values if self.numbers is None else [values[number] for number in self.numbers]


def outline_of(task: Tree) -> Outline:
    """Look through the tree of one task."""
    if not isinstance(task, Map):
        return Outline(task, tuple(tokens(task, "kind")) if isinstance(task, (Slot, Text)) else ())
    own = [(name, value) for name, value in task.items() if name not in _TASK_OWN]
    references = tuple(one for one in own if is_reference(one[0]))
    filled = tuple(one for one in own if has_tokens(one[1]) and not is_reference(one[0]))
    waiting = dict((*filled, *references))
    return Outline(
        task,
        tuple(dict.fromkeys(_inputs(task))),
        {name: _settled(name, value) for name, value in task.items() if not _is_open(name, value)},
        tuple((name, value) for name, value in task.items() if _is_open(name, value)),
        {name: None if name in waiting else substitute(value, []) for name, value in own},
        filled,
        references,
        tuple((name, value) for name, value in task.items() if name in TERMS),
        tuple(name for name in task if not _is_allowed(name)),
        tuple((name, meant) for name in task if (meant := field_meant(name)) and meant not in task),
    )


def is_reference(field_name: str) -> bool:
    """Whether a field may name tasks: `..._id` or `..._ids`, but not the task's own."""
    return field_name.endswith(("_id", "_ids")) and field_name != "scenario_id"


def is_composed(text: Text) -> bool:
    """Whether the author wrote something around the tokens, as in `"slide_{{ i }}"`."""
    return any(isinstance(part, str) and not part.isspace() for part in text.parts)


def tokens(tree: Tree, use: Use) -> Iterator[Input]:
    """The tokens of a field that is used so."""
    if isinstance(tree, Slot):
        yield tree.number, use
    elif isinstance(tree, Text):
        whole: Use = "value" if use == "ids" and is_composed(tree) else use
        yield from ((part, whole) for part in tree.parts if isinstance(part, int))
    elif isinstance(tree, (Map, Items)) and use != "kind":
        for item in tree.values() if isinstance(tree, Map) else tree:
            yield from tokens(item, use)


def inputs_of_services(tree: Tree) -> Iterator[Input]:
    """Tokens of `services` whose values shape the plan; terms are filled for every request."""
    if not isinstance(tree, Map):
        yield from tokens(tree, "value")
        return
    for one in tree.values():
        for name, value in one.items() if isinstance(one, Map) else [("", one)]:
            if name not in OF_SERVICE:
                yield from tokens(value, "value")
            elif isinstance(value, Slot):
                yield from tokens(value, "kind")


def inputs_of_states(tree: Tree) -> Iterator[Input]:
    """Tokens of `states` whose values shape the plan, but for those of the tasks."""
    if not isinstance(tree, Map):
        yield from tokens(tree, "kind")
        return
    for state in tree.values():
        for name, value in state.items() if isinstance(state, Map) else [("", state)]:
            if name != "tasks" or not isinstance(value, Items):
                yield from tokens(value, "kind" if name == "description" else "value")


def _inputs(task: Map) -> Iterator[Input]:
    for name, value in task.items():
        use = _use_of(name)
        if use != "kind" or isinstance(value, Slot):
            yield from tokens(value, use)


def _use_of(field_name: str) -> Use:
    if field_name in TASK_VALUE or field_name == "when" or field_name.endswith(("_task_id", "_task_ids")):
        return "value"
    return "ids" if is_reference(field_name) else "kind"


def _is_open(name: str, value: Tree) -> bool:
    return has_tokens(value) if name in TASK_VALUE or name in TERMS else isinstance(value, Slot)


def _settled(name: str, value: Tree) -> Json:
    return "text" if isinstance(value, Text) else value


def _is_allowed(name: str) -> bool:
    return name not in RESERVED and name.isidentifier() and len(name) <= _MAX_NAME
