"""Reads a rendered template: the list under `tasks` is cut into its items first, and items of the same text are read once.

A loop makes thousands of items that differ only in the tokens of their values, and reading YAML is the dearest part of
a new scenario.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from orchestrator.templates.outline import Outline, Row, outline_of
from orchestrator.templates.problems import Finding
from orchestrator.templates.state import END, Rendering
from orchestrator.templates.tree import Items, Map, Tree
from orchestrator.templates.yamlload import parse

_TASKS: Final = re.compile(r"^tasks:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*( *)-(?=[ \n])", re.MULTILINE)
_NODE_BYTES: Final = 200
_ROW_BYTES: Final = 120
_TOKEN_BYTES: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A parsed text. `rows` are the items of `tasks`, None when that is no list; `weight` is about the bytes of all this.

    `states`: the same rows for each state, of a template that has `states` in place of `tasks`.
    """

    top: Tree
    rows: list[Row] | None
    findings: list[Finding]
    weight: int
    states: Mapping[str, list[Row]] | None = None

    def all_rows(self) -> Iterator[Row]:
        """Those of the tasks, or of all states."""
        yield from self.rows or ()
        for rows in (self.states or {}).values():
            yield from rows


def read(text: str, state: Rendering) -> Document:
    """Read one document. Raises Refused (too late)."""
    head, items = _cut(text)
    cut = _Pieces(state).read(head, items) if items else None
    if cut is not None:
        return cut
    parsed = parse(text, state.prefix, state.limits.max_depth, state.check_time)
    top = parsed.tree if isinstance(parsed.tree, Map) else Map()
    weight = _NODE_BYTES * parsed.nodes + 2 * len(text)
    return Document(parsed.tree, _rows_of(top), parsed.findings, weight, _states_of(top))


def _rows_of(tree: Map) -> list[Row] | None:
    tasks = tree.get("tasks")
    return [Row(outline_of(task), None) for task in tasks] if isinstance(tasks, Items) else None


def _states_of(top: Map) -> dict[str, list[Row]] | None:
    states = top.get("states")
    if not isinstance(states, Map) or "tasks" in top:
        return None
    return {name: _rows_of(state) or [] for name, state in states.items() if isinstance(state, Map)}


def _cut(text: str) -> tuple[str, list[str]]:
    """The text before the items of `tasks`, and the items. None of them when it is not plain to see where they begin.

    Every line that is indented like an item, or less, must begin one. Then an item can only be cut in two within quotes or
    brackets, which the first half would leave open: such a piece is not YAML, and the text is read whole.
    """
    found = _TASKS.search(text)
    if found is None:
        return "", []
    indent = len(found[1])
    lines = re.compile(rf"^ {{0,{indent}}}[^ \n#]", re.MULTILINE).finditer(text, found.start(1))
    begin = re.compile(rf" {{{indent}}}-(?:[ \n]|\Z)")
    starts = []
    for line in lines:
        if not begin.match(text, line.start()):
            return "", []
        starts.append(line.start())
    return text[: starts[0]], [text[start:end] for start, end in pairwise([*starts, len(text)])]


class _Pieces:
    def __init__(self, state: Rendering) -> None:
        self._prefix = state.prefix
        self._depth = state.limits.max_depth
        self._check_time: Callable[[], None] = state.check_time
        self._split = re.compile(f"{state.prefix}([0-9]+){END}").split
        self._outlines: dict[tuple[str, ...], Outline] = {}
        self._weight = 0

    def read(self, head: str, items: list[str]) -> Document | None:
        """None: something is wrong, or the pieces are none."""
        parsed = parse(head, self._prefix, self._depth, self._check_time)
        if parsed.findings or not isinstance(parsed.tree, Map) or parsed.tree.get("tasks", "") is not None:
            return None
        self._weight = _NODE_BYTES * parsed.nodes
        rows: list[Row] = []
        for row in map(self._row, items):
            if row is None:
                return None
            rows.append(row)
        return Document(parsed.tree, rows, [], self._weight)

    def _row(self, item: str) -> Row | None:
        self._check_time()
        parts = self._split(item)
        literal = tuple(parts[::2])
        outline = self._outlines.get(literal) or self._outline(literal)
        if outline is None:
            return None
        self._outlines[literal] = outline
        self._weight += _ROW_BYTES + _TOKEN_BYTES * (len(literal) - 1)
        return Row(outline, tuple(map(int, parts[1::2])))

    def _outline(self, literal: tuple[str, ...]) -> Outline | None:
        text = literal[0] + "".join(
            f"{self._prefix}{number}{END}{part}" for number, part in enumerate(literal[1:])
        )
        parsed = parse(text, self._prefix, self._depth - 1, self._check_time)
        if parsed.findings or not isinstance(parsed.tree, Items) or len(parsed.tree) != 1:
            return None
        self._weight += 2 * _NODE_BYTES * parsed.nodes + 2 * len(text)
        return outline_of(parsed.tree[0])
