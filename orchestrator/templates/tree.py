"""A parsed document: JSON with places, and with holes where values go.

Where the text holds tokens, the tree holds `Slot` (a plain scalar that is one token: the value itself goes in) and
`Text` (a quoted or mixed scalar: texts go in).
"""

from dataclasses import dataclass
from typing import Any

from orchestrator.templates.problems import Path
from orchestrator.templates.state import to_text

Json = Any
Tree = Any
"""Slot, Text, Map, Items, or a JSON scalar."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands for the value of token `number`."""

    number: int


@dataclass(frozen=True, slots=True)
class Text:
    """Text with the values of tokens in it: literal parts and token numbers, in order."""

    parts: tuple[str | int, ...]


class Map(dict[str, Tree]):
    """A mapping; `marks` holds the place of every key's value."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: dict[str, int] = {}


class Items(list[Tree]):
    """A list; `marks` holds the place of every item."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: list[int] = []


def substitute(tree: Tree, values: list[Json]) -> Json:
    """The tree with values in place of the tokens."""
    kind = type(tree)
    if kind is Slot:
        return values[tree.number]
    if kind is Text:
        return "".join([part if type(part) is str else to_text(values[part]) for part in tree.parts])
    if kind is Map:
        return {key: substitute(item, values) for key, item in tree.items()}
    if kind is Items:
        return [substitute(item, values) for item in tree]
    return tree


def size_of(tree: Json) -> int:
    """About as many characters as a value has."""
    if isinstance(tree, str):
        return len(tree)
    if isinstance(tree, dict):
        return sum(len(key) + size_of(value) for key, value in tree.items())
    return sum(map(size_of, tree)) if isinstance(tree, list) else 8


def has_tokens(tree: Tree) -> bool:
    """Whether a tree depends on values."""
    if isinstance(tree, Map):
        return any(map(has_tokens, tree.values()))
    if isinstance(tree, Items):
        return any(map(has_tokens, tree))
    return isinstance(tree, (Slot, Text))


def at(tree: Tree, path: Path) -> Tree:
    """What stands at a path; None when it does not go all the way."""
    for part in path:
        if isinstance(tree, Map) and part in tree:
            tree = tree[str(part)]
        elif isinstance(tree, Items) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree


def mark_at(tree: Tree, path: Path) -> int:
    """Place of a path; of the deepest part that exists when it does not go all the way."""
    mark = 0
    for part in path:
        if isinstance(tree, Map) and part in tree.marks:
            mark, tree = tree.marks[str(part)], tree[str(part)]
        elif isinstance(tree, Items) and isinstance(part, int) and part < len(tree):
            mark, tree = tree.marks[part], tree[part]
        else:
            break
    return mark
