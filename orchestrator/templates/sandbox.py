"""The sandbox: Jinja2 with what a scenario needs, by allow-lists, and every step paid for."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import orjson
from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as DEFAULT_TESTS
from jinja2.utils import Namespace

from orchestrator.templates.problems import Refused
from orchestrator.templates.state import CURRENT, Rendering, to_text

EACH_TURN: Final = "each turn"
TILDE: Final = "texts in a row"
ID_OF: Final = "id of"
NOW: Final = "frozen now"
"""Names of our own filters that the compiler puts in; no template can write a name with a space."""

_FILTERS: Final = (
    "abs", "capitalize", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last", "length", "count",
    "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort",
    "string", "title", "tojson", "trim", "unique", "upper",
)  # fmt: skip
_TESTS: Final = (
    "boolean", "defined", "divisibleby", "eq", "==", "equalto", "even", "false", "float", "ge", ">=", "gt", ">", "greaterthan",
    "in", "integer", "iterable", "le", "<=", "lower", "lt", "<", "lessthan", "mapping", "ne", "!=", "none", "number", "odd",
    "sequence", "string", "true", "undefined", "upper",
)  # fmt: skip
_LOOP: Final = (
    "index",
    "index0",
    "revindex",
    "revindex0",
    "first",
    "last",
    "length",
    "previtem",
    "nextitem",
    "depth",
    "depth0",
)
_MAX_BITS: Final = 256


def short_uuid(name: object) -> str:
    """`SHORT_UUID(name)` of the templates."""
    return CURRENT.get().id_of(to_text(name))


def now() -> str:
    """`now()` of the templates: the moment of the request, the same all through."""
    return CURRENT.get().now


def bounded_range(*args: int) -> range:
    """`range` of at most `max_items` numbers."""
    numbers = range(*args)
    try:
        CURRENT.get().charge(len(numbers), items=True)
    except OverflowError as error:
        raise Refused("template_memory", "a range is longer than any list may be") from error
    return numbers


def _join(items: Iterable[object], between: object = "", attribute: str | None = None) -> str:
    state, separator = CURRENT.get(), to_text(between)
    if attribute is not None:
        raise Refused("bad_expression", "join takes no attribute", "use `| map(attribute=...) | join`")
    texts = [_text(state, item) for item in items]
    state.charge(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _tilde(items: list[object]) -> str:
    """`a ~ b ~ c`."""
    state = CURRENT.get()
    texts = [
        item if type(item) is str else str(item) if type(item) is int else _text(state, item)
        for item in items
    ]
    state.charge(sum(map(len, texts)))
    return "".join(texts)


def _text(state: Rendering, value: object) -> str:
    if type(value) is str:
        return value
    return to_text(state.plain(value))


def _replace(text: object, old: str, new: str, count: int = -1) -> str:
    whole = to_text(text)
    found = whole.count(old) if count is None or count < 0 else min(count, whole.count(old))
    CURRENT.get().charge(len(whole) + max(0, found * (len(new) - len(old))))
    return whole.replace(old, new, -1 if count is None else count)


def _tojson(value: object) -> str:
    return orjson.dumps(CURRENT.get().plain(value)).decode()


def _round(value: float, precision: int = 0) -> float:
    return round(value, max(-15, min(15, precision)))


def _sum(items: Iterable[float], attribute: None = None, start: float = 0) -> float:
    return sum((+item for item in items), start=+start)


def _each_turn(items: Iterable[Any]) -> Iterator[Any]:
    tick = CURRENT.get().tick
    for item in items:
        tick()
        yield item


def _paid(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, with its call and its result counted."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        state = CURRENT.get()
        state.tick()
        result = function(*args, **kwargs)
        if isinstance(result, (str, list)):
            state.charge(len(result), items=isinstance(result, list))
        return result

    return run


_OWN_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "join": _join,
    "replace": _replace,
    "round": _round,
    "tojson": _tojson,
    "sum": _sum,
}
_TEXTMETHODS: Final[dict[str, Callable[..., Any]]] = {
    name: getattr(str, name)
    for name in (
        "capitalize", "count", "endswith", "find", "isalnum", "isalpha", "isdigit", "islower", "isspace", "isupper", "lower", "lstrip",
        "partition", "removeprefix", "removesuffix", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith",
        "strip", "title", "upper",
    )
} | {"join": lambda between, items: _join(items, between), "replace": _replace}  # fmt: skip
METHODS: Final[dict[type, dict[str, Callable[..., Any]]]] = {
    str: {name: _paid(method) for name, method in _TEXTMETHODS.items()},
    dict: {name: getattr(dict, name) for name in ("get", "items", "keys", "values")},
    list: {name: getattr(list, name) for name in ("count", "index")},
}
GLOBALS: Final[dict[str, Callable[..., Any]]] = {
    "SHORT_UUID": short_uuid, "now": now, "range": bounded_range, "namespace": Namespace, "dict": dict,
}  # fmt: skip
_CALLABLE: Final = frozenset(GLOBALS.values())


@pass_context
def _finalize(_context: Context, value: object) -> str:
    return CURRENT.get().token(value)


def _concat(parts: Iterable[str]) -> str:
    """Join what a macro or a `{% set %}` block put out: a value like any other from here on, without tokens."""
    texts, state = list(parts), CURRENT.get()
    state.charge(sum(map(len, texts)))
    whole = state.expand("".join(texts))
    state.charge(len(whole))
    return whole


class Sandbox(ImmutableSandboxedEnvironment):
    """No loader, strict undefined, JSON values only; see `docs/templates.md` for what is allowed."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))
    concat = staticmethod(_concat)

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            finalize=_finalize,
            autoescape=False,
            optimized=False,
            cache_size=0,
            loader=None,
        )
        known = {name: DEFAULT_FILTERS[name] for name in _FILTERS} | _OWN_FILTERS
        self.filters = {name: _paid(known[name]) for name in known} | {
            EACH_TURN: _each_turn,
            TILDE: _tilde,
            ID_OF: short_uuid,
            NOW: lambda _: now(),
        }
        self.tests = {name: DEFAULT_TESTS[name] for name in _TESTS}
        self.globals = dict(GLOBALS)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call one of ours, a method of ours, or a macro; nothing else is callable."""
        CURRENT.get().tick()
        if type(obj) is Macro:
            return context.call(obj, *args, **kwargs)
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        if type(obj) is functools.partial or (obj.__hash__ is not None and obj in _CALLABLE):
            return obj(*args, **kwargs)
        if isinstance(obj, Undefined):
            return str(obj)  # raises, and says its name
        raise Refused("not_callable", f"a {type(obj).__name__} cannot be called")

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: a method of the allow-list, a key of a mapping, a field of a loop or namespace."""
        method = METHODS.get(type(obj), {}).get(attribute)
        if method is not None:
            return functools.partial(method, obj)
        if isinstance(obj, dict):
            return self.getitem(obj, attribute)
        allowed = isinstance(obj, LoopContext) and attribute in _LOOP
        if allowed or (isinstance(obj, Namespace) and not attribute.startswith("_")):
            return getattr(obj, attribute, None) if allowed else self._of_namespace(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]` of a mapping, list or text; undefined when it is not there."""
        if not isinstance(obj, (dict, list, tuple, str, range)):
            return self.undefined(obj=obj, name=argument)
        try:
            found = obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)
        if isinstance(argument, slice):
            CURRENT.get().charge(len(found), items=not isinstance(found, str))
        return found

    def _of_namespace(self, obj: Namespace, attribute: str) -> Any:
        try:
            return getattr(obj, attribute)
        except AttributeError:
            return self.undefined(obj=obj, name=attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An arithmetic operator, on numbers of a sane size, or `+` and `*` on texts and lists of a sane length."""
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            _check_numbers(operator, left, right)
        elif not isinstance(left, Undefined) and not isinstance(right, Undefined):
            _check_sequences(operator, left, right)
        return self.binop_table[operator](left, right)


def _check_numbers(operator: str, left: float, right: float) -> None:
    bits = [side.bit_length() if isinstance(side, int) else 64 for side in (left, right)]
    power = operator == "**"
    if power and abs(right) > _MAX_BITS:
        raise Refused("template_memory", "an exponent is too large")
    if (bits[0] * abs(right) if power else max(bits)) > _MAX_BITS:
        raise Refused("template_memory", "a number is too large")


def _check_sequences(operator: str, left: Any, right: Any) -> None:
    state = CURRENT.get()
    if operator == "+" and isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
        return state.charge(len(left) + len(right), items=not isinstance(left, str))
    if operator == "*" and isinstance(left, int):
        left, right = right, left
    if operator == "*" and isinstance(left, (str, list, tuple)) and isinstance(right, int):
        return state.charge(len(left) * max(0, right), items=not isinstance(left, str))
    raise Refused(
        "bad_expression", f"{operator!r} does not work on {type(left).__name__} and {type(right).__name__}"
    )


ENVIRONMENT: Final = Sandbox()
