"""What expressions of a template may call: filters, tests, methods and functions, by allow-lists, and every step paid for."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

import orjson
from jinja2 import Undefined
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.utils import Namespace

from orchestrator.templates.deferred import OF_EVENT, OF_ITEMS, OF_TASKS, Deferred, Of
from orchestrator.templates.problems import Refused
from orchestrator.templates.state import CURRENT, Rendering, to_text

EACH_TURN: Final = "each turn"
TILDE: Final = "texts in a row"
COMPARED: Final = "compared value"
KEY: Final = "key of a mapping"
ID_OF: Final = "id of"
NOW: Final = "frozen now"
"""Names of our own filters that the compiler puts in; no template can write a name with a space."""

_FILTERS: Final = (
    "abs", "dictsort", "first", "float", "groupby", "int", "items", "last", "length", "count",
    "list", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique",
)  # fmt: skip
_OF_TEXTS: Final = ("capitalize", "lower", "title", "trim", "upper")
"""Filters of texts: of anything else they take the text that `{{ }}` would give."""
_FLAT: Final = frozenset(
    ("abs", "count", "d", "default", "first", "float", "int", "items", "last", "length", "list", "map", "reject", "rejectattr",
     "reverse", "round", "select", "selectattr", "sum")
)  # fmt: skip
"""Filters that do not care what lies inside of the items they get."""
_TESTS: Final = (
    "boolean", "defined", "divisibleby", "eq", "==", "equalto", "even", "false", "float", "ge", ">=", "gt", ">", "greaterthan",
    "in", "integer", "iterable", "le", "<=", "lt", "<", "lessthan", "mapping", "ne", "!=", "none", "number", "odd",
    "sequence", "string", "true", "undefined",
)  # fmt: skip
_DEFAULT_FILTERS: Final = cast(dict[str, Callable[..., Any]], JINJA_FILTERS)
_DEFAULT_TESTS: Final = cast(dict[str, Callable[..., Any]], JINJA_TESTS)
_NESTED: Final = (list, tuple, dict)


def short_uuid(name: object) -> str:
    """`SHORT_UUID(name)` of the templates."""
    state = CURRENT.get()
    return state.id_of(_text(state, name))


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


def new_dict(*given: Any, **fields: Any) -> dict[Any, Any]:
    """`dict(a=1)` of the templates; `dict(mapping)` and `dict(pairs)` work, too."""
    pairs = [_pairs(one) for one in given]
    return {key: value for some in [*pairs, fields.items()] for key, value in some}


def new_namespace(*given: Any, **fields: Any) -> Namespace:
    """`namespace(a=1)` of the templates."""
    return Namespace(new_dict(*given, **fields))


def _pairs(given: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in given.items() if isinstance(given, dict) else given:
        yield key_of(key), value


def of_task(of: Of) -> Callable[[object], Deferred]:
    """`result(word)` and its likes: what the tasks named so will have given."""

    def function(word: object) -> Deferred:
        state = CURRENT.get()
        text = _text(state, word)
        return Deferred(of, state.names.get(text, text))

    return function


def key_of(value: Any) -> Any:
    """A key: to hash or to show one that nests would take any time."""
    if type(value) is Deferred:
        raise value.refusal()
    if value is None or isinstance(value, (str, int, float, Undefined)):
        return value
    raise Refused("not_json", f"a key is {type(value).__name__}, not text")


def _compared(value: Any) -> Any:
    """An operand, paid for by all that lies inside: a list of lists that share their items is larger than it looks."""
    if isinstance(value, _NESTED):
        CURRENT.get().look_through(value)
    elif type(value) is Deferred:
        raise value.refusal()
    return value


def _default(value: Any, default: Any = "", boolean: bool = False) -> Any:
    if type(value) is Deferred:
        return value.otherwise(CURRENT.get().plain(default), or_empty=bool(boolean))
    return _DEFAULT_FILTERS["default"](value, default, boolean)


def _join(items: Iterable[object], between: object = "", attribute: str | None = None) -> str:
    state = CURRENT.get()
    separator = _text(state, between)
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
    whole = _text(CURRENT.get(), text)
    found = whole.count(old) if count is None or count < 0 else min(count, whole.count(old))
    CURRENT.get().charge(len(whole) + max(0, found * (len(new) - len(old))))
    return whole.replace(old, new, -1 if count is None else count)


def _tojson(value: object) -> str:
    return orjson.dumps(CURRENT.get().plain(value)).decode()


def _string(value: object) -> str:
    return _text(CURRENT.get(), value)


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called with a text whatever it is given."""

    @functools.wraps(function)
    def run(value: object, *args: Any, **kwargs: Any) -> Any:
        return function(_string(value), *args, **kwargs)

    return run


def _index(items: list[Any], value: Any) -> int:
    if value not in items:
        raise Refused("bad_expression", "the list does not hold this value")
    return items.index(value)


def _round(value: float, precision: int = 0) -> float:
    return round(value, max(-15, min(15, precision)))


def _sum(items: Iterable[float], attribute: None = None, start: float = 0) -> float:
    return sum((+item for item in items), start=+start)


def _each_turn(items: Iterable[Any]) -> Iterator[Any]:
    tick = CURRENT.get().tick
    for item in items:
        tick()
        yield item


def _paid(function: Callable[..., Any], *, flat: bool = False) -> Callable[..., Any]:
    """The function, with its call and its result counted; so are, unless it is `flat`, its arguments with all that lies inside."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        state = CURRENT.get()
        state.tick()
        for value in () if flat else (*args, *kwargs.values()):
            _compared(value)
        result = function(*args, **kwargs)
        if isinstance(result, (str, list)):
            state.charge(len(result), items=isinstance(result, list))
        return result

    return run


_OWN_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "d": _default,
    "default": _default,
    "join": _join,
    "replace": _replace,
    "round": _round,
    "string": _string,
    "sum": _sum,
    "tojson": _tojson,
    **{name: _of_text(_DEFAULT_FILTERS[name]) for name in _OF_TEXTS},
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
    dict: {"get": lambda mapping, key, default=None: mapping.get(key_of(key), default)}
    | {name: getattr(dict, name) for name in ("items", "keys", "values")},
    list: {"count": _paid(list.count), "index": _paid(_index)},
}
GLOBALS: Final[dict[str, Callable[..., Any]]] = {
    "SHORT_UUID": short_uuid, "now": now, "range": bounded_range, "namespace": new_namespace, "dict": new_dict,
}  # fmt: skip

OF_RUN_TIME: Final[dict[str, Any]] = {of: of_task(of) for of in OF_TASKS} | {
    of: Deferred(of) for of in (*OF_ITEMS, OF_EVENT)
}
"""Names for what is known only at run time. Unlike those of GLOBALS they may be taken for variables and loops, which hide them."""

_KNOWN: Final[dict[str, Callable[..., Any]]] = {
    name: _DEFAULT_FILTERS[name] for name in _FILTERS
} | _OWN_FILTERS
FILTERS: Final[dict[str, Callable[..., Any]]] = {
    name: _paid(function, flat=name in _FLAT) for name, function in _KNOWN.items()
} | {
    EACH_TURN: _each_turn,
    TILDE: _tilde,
    COMPARED: _compared,
    KEY: key_of,
    ID_OF: short_uuid,
    NOW: lambda _: now(),
}
TESTS: Final[dict[str, Callable[..., Any]]] = {
    name: _paid(function)
    for name, function in (
        {name: _DEFAULT_TESTS[name] for name in _TESTS}
        | {name: _of_text(_DEFAULT_TESTS[name]) for name in ("lower", "upper")}
    ).items()
}
