"""`when` of a task: an expression, read with Jinja's grammar, allowed by a list, turned into plain lists for `evaluator.py`.

No text of a request becomes part of it: variables are named, and what `{{ }}` gives inside of quotes is put in when the
expression has been read.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.parser import Parser

from orchestrator.templates.deferred import OF_EVENT, OF_ITEMS, OF_TASKS, Deferred
from orchestrator.templates.evaluator import COMPARISONS, FILTERS, TESTS
from orchestrator.templates.problems import Refused, did_you_mean
from orchestrator.templates.sandbox import ENVIRONMENT
from orchestrator.templates.state import scalar

Json = Any
MAX_TEXT: Final = 2_000
MAX_NODES: Final = 200
MAX_DEPTH: Final = 30
_GRAMMAR: Final = "compare with ==, !=, <, >, in; combine with and, or, not"
_BINARY: Final[dict[type[nodes.Expr], str]] = {
    nodes.Add: "+", nodes.Sub: "-", nodes.Mul: "*", nodes.Div: "/", nodes.FloorDiv: "//", nodes.Mod: "%",
}  # fmt: skip
_SIGNS: Final[dict[type[nodes.Expr], str]] = {nodes.Neg: "neg", nodes.Pos: "pos", nodes.Not: "not"}
_BOTH: Final[dict[type[nodes.Expr], str]] = {nodes.And: "and", nodes.Or: "or"}


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A condition that can be evaluated.

    `test` is the expression for `evaluator.evaluate`; `takes` are the values from run time that it uses, by their number in
    `test`; `variables` are the names of those it uses; `each`: it is about one item of a `foreach`.
    """

    test: Json
    takes: tuple[Deferred, ...]
    variables: tuple[str, ...]
    each: bool


def condition_of(
    text: str,
    prefix: str,
    expand: Callable[[str], str],
    variables: Collection[str],
    *,
    has_items: bool,
    has_event: bool = False,
) -> Condition:
    """Read a condition in which values may stand as tokens with this prefix, for `expand` to put in.

    Raises Refused for what is not a condition.
    """
    if len(text) > MAX_TEXT:
        raise Refused("bad_condition", f"a condition is longer than {MAX_TEXT} characters")
    try:
        tree = _parsed(text)
    except jinja2.TemplateSyntaxError as error:
        if prefix in text or "{{" in text:
            raise with_braces() from error
        raise Refused("bad_condition", f"not a condition: {error.message}", _GRAMMAR) from error
    except (RecursionError, ValueError) as error:
        raise Refused("bad_condition", "the condition nests too deeply to be read") from error
    reader = _Reader(expand, variables, has_items, has_event)
    test = reader.read(tree, MAX_DEPTH)
    each = any(taken.of in OF_ITEMS for taken in reader.takes)
    return Condition(test, tuple(reader.takes), tuple(reader.variables), each)


def with_braces() -> Refused:
    """What to raise for `{{ }}` in a condition, but inside of its quotes."""
    hint = "leave `{{ }}` out and name the variable; inside of quotes it may stand"
    return Refused("bad_condition", "`when` is an expression by itself", hint)


@lru_cache(maxsize=256)
def _parsed(text: str) -> nodes.Expr:
    parser = Parser(ENVIRONMENT, text, state="variable")
    tree = parser.parse_expression()
    if not parser.stream.eos:
        rest = parser.stream.current
        raise jinja2.TemplateSyntaxError(f"{rest.value!r} is not expected here", rest.lineno)
    return tree


class _Reader:
    def __init__(
        self, expand: Callable[[str], str], variables: Collection[str], has_items: bool, has_event: bool
    ) -> None:
        self.takes: list[Deferred] = []
        self.variables: dict[str, None] = {}
        self._expand = expand
        self._known = variables
        self._has_items = has_items
        self._has_event = has_event
        self._nodes = 0

    def read(self, node: nodes.Expr, depth: int) -> Json:
        """The node as a list: what to do, then with what."""
        self._nodes += 1
        if self._nodes > MAX_NODES or depth <= 0:
            raise Refused("bad_condition", "the condition is too large")
        taken = self._taken(node)
        if taken is not None:
            self.takes.append(taken)
            return ["take", len(self.takes) - 1]
        kind = type(node)
        if isinstance(node, nodes.BinExpr) and (kind in _BINARY or kind in _BOTH):
            both = [self.read(node.left, depth - 1), self.read(node.right, depth - 1)]
            return [_BINARY.get(kind) or _BOTH[kind], *both]
        if isinstance(node, nodes.UnaryExpr):
            return [_SIGNS[kind], self.read(node.node, depth - 1)]
        read = _READERS.get(kind)
        return read(self, node, depth - 1) if read is not None else _not_allowed(node)

    def _taken(self, node: nodes.Expr) -> Deferred | None:
        """`result('X').a`, `item.b[0]`, `status('X')`: what is to be taken at run time, with the literal way into it."""
        if isinstance(node, (nodes.Getattr, nodes.Getitem)):
            key = node.attr if isinstance(node, nodes.Getattr) else self._literal(node.arg)
            whole = self._taken(node.node) if key is not None else None
            return whole.part(key) if whole is not None else None
        if isinstance(node, nodes.Call):
            return self._of_task(node)
        return self._by_itself(node.name) if isinstance(node, nodes.Name) else None

    def _by_itself(self, name: str) -> Deferred | None:
        if name in self._known:
            return None
        if name in OF_ITEMS and not self._has_items:
            raise Refused("unknown_variable", f"{name!r} is known in a task with `foreach`")
        if name in OF_ITEMS:
            return Deferred("item" if name == "item" else "index")
        return Deferred(OF_EVENT) if name == OF_EVENT and self._has_event else None

    def _of_task(self, node: nodes.Call) -> Deferred:
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        of = next((one for one in OF_TASKS if one == name), None)
        if of is None:
            hint = did_you_mean(name, OF_TASKS) or f"only {', '.join(OF_TASKS)} can"
            raise Refused("not_allowed", f"{name or 'this'!r} cannot be called in a condition", hint)
        word = self._literal(node.args[0]) if len(node.args) == 1 else None
        if not isinstance(word, str) or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise Refused("bad_condition", f"{of}() takes the name of a task in quotes")
        return Deferred(of, word)

    def _literal(self, node: nodes.Node) -> str | int | None:
        if isinstance(node, nodes.Const) and isinstance(node.value, (str, int)):
            return self._text(node.value) if isinstance(node.value, str) else node.value
        negative = isinstance(node, nodes.Neg) and self._literal(node.node)
        return -negative if type(negative) is int else None

    def _text(self, text: str) -> str:
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Refused("bad_text", "a text holds half of a surrogate pair") from error
        return self._expand(text)

    def const(self, node: nodes.Const, _depth: int) -> Json:
        """A literal."""
        return ["const", self._text(node.value) if isinstance(node.value, str) else scalar(node.value)]

    def name(self, node: nodes.Name, _depth: int) -> Json:
        """A variable."""
        if node.name not in self._known:
            hint = did_you_mean(node.name, (*self._known, *OF_TASKS)) or "declare it under `variables:`"
            raise Refused("unknown_variable", f"{node.name!r} is not a variable", hint)
        self.variables[node.name] = None
        return ["var", node.name]

    def at(self, node: nodes.Getattr | nodes.Getitem, depth: int) -> Json:
        """A part of something."""
        key = ["const", node.attr] if isinstance(node, nodes.Getattr) else self.read(node.arg, depth)
        if key[0] == "const" and str(key[1]).startswith("_"):
            raise Refused("not_allowed", f"the attribute {key[1]!r} is not given to templates")
        return ["at", self.read(node.node, depth), key]

    def compare(self, node: nodes.Compare, depth: int) -> Json:
        """`a < b <= c`."""
        rest = [[one.op, self.read(one.expr, depth)] for one in node.ops if one.op in COMPARISONS]
        return ["compare", self.read(node.expr, depth), rest]

    def items(self, node: nodes.List | nodes.Tuple, depth: int) -> Json:
        """`['a', 'b']`."""
        return ["list", *[self.read(item, depth) for item in node.items]]

    def filter(self, node: nodes.Filter, depth: int) -> Json:
        """`x | length`."""
        if node.name not in FILTERS:
            hint = did_you_mean(node.name, FILTERS) or f"there are {', '.join(FILTERS)}"
            raise Refused("unknown_filter", f"conditions have no filter {node.name!r}", hint)
        most = FILTERS[node.name]
        if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) > most:
            raise Refused("bad_condition", f"{node.name} takes at most {most} arguments, without names")
        given = [self.read(argument, depth) for argument in node.args]
        return ["filter", node.name, self.read(node.node, depth), *given]

    def test(self, node: nodes.Test, depth: int) -> Json:
        """`x is defined`."""
        if node.name not in TESTS:
            hint = did_you_mean(node.name, TESTS) or f"there are {', '.join(TESTS)}"
            raise Refused("unknown_test", f"conditions have no test {node.name!r}", hint)
        if node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise Refused("bad_condition", f"the test {node.name!r} takes no arguments")
        return ["test", node.name, self.read(node.node, depth)]


_READERS: Final[dict[type[nodes.Expr], Callable[[_Reader, Any, int], Json]]] = {
    nodes.Const: _Reader.const, nodes.Name: _Reader.name, nodes.Getattr: _Reader.at, nodes.Getitem: _Reader.at,
    nodes.Compare: _Reader.compare, nodes.List: _Reader.items, nodes.Tuple: _Reader.items, nodes.Filter: _Reader.filter,
    nodes.Test: _Reader.test,
}  # fmt: skip


def _not_allowed(node: nodes.Expr) -> NoReturn:
    words = {
        nodes.Pow: "`**`",
        nodes.Concat: "`~`",
        nodes.CondExpr: "`if ... else`",
        nodes.Dict: "a mapping",
        nodes.Slice: "a slice",
    }
    raise Refused(
        "not_allowed", f"{words.get(type(node), type(node).__name__)} is not part of conditions", _GRAMMAR
    )
