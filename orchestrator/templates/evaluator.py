"""Evaluates conditions: a few operations on JSON values, each of bounded cost. Pure."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

Json = Any


class CannotResolve(Exception):
    """What a task wanted from the results of others cannot be had.

    `code`: `no_result` (nothing there, or not that part of it), `wrong_type`, `too_many_items`, `too_large`,
    `bad_condition`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Missing:
    """What is not there."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = _Missing()
FILTERS: Final = {"length": 0, "lower": 0, "upper": 0, "default": 2, "int": 1, "float": 1}
"""Filters, and how many arguments they take at most."""
TESTS: Final = ("defined", "undefined", "none")
COMPARISONS: Final = ("eq", "ne", "gt", "gteq", "lt", "lteq", "in", "notin")
_ORDERED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt, "gteq": operator.ge, "lt": operator.lt, "lteq": operator.le,
}  # fmt: skip
_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod,
}  # fmt: skip
_MAX_BITS: Final = 256


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see: values taken from run time, by number, MISSING for those not there; variables by name."""

    takes: Sequence[Json]
    variables: Mapping[str, Json]


def evaluate(test: Json, scope: Scope) -> Json:
    """Value of an expression as `conditions.py` writes it; MISSING for what is not there. Raises CannotResolve."""
    return _OPERATIONS[test[0]](test, scope)


def part_of(value: Json, key: Json) -> Json:
    """`value[key]` of a mapping or list; MISSING when it is not there."""
    if isinstance(value, dict):
        return value.get(key, MISSING) if isinstance(key, str) else MISSING
    whole = isinstance(key, int) and not isinstance(key, bool)
    if isinstance(value, list) and whole and -len(value) <= key < len(value):
        return value[key]
    return MISSING


def text_of(value: Json) -> str:
    """Text of a value inside other text: itself, else its JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def shown(value: Json) -> str:
    """What kind of value it is, for messages."""
    words: dict[type, str] = {
        dict: "a mapping",
        list: "a list",
        str: "a text",
        bool: "true or false",
        type(None): "null",
    }
    return words.get(type(value), "a number")


def _at(test: Json, scope: Scope) -> Json:
    return part_of(evaluate(test[1], scope), evaluate(test[2], scope))


def _and(test: Json, scope: Scope) -> Json:
    return evaluate(test[1], scope) and evaluate(test[2], scope)


def _or(test: Json, scope: Scope) -> Json:
    return evaluate(test[1], scope) or evaluate(test[2], scope)


def _compare(test: Json, scope: Scope) -> bool:
    left = evaluate(test[1], scope)
    for comparison, operand in test[2]:
        right = evaluate(operand, scope)
        if left is MISSING or right is MISSING or not _holds(comparison, left, right):
            return False
        left = right
    return True


def _holds(comparison: str, left: Json, right: Json) -> bool:
    if comparison in ("eq", "ne"):
        return bool((left == right) is (comparison == "eq"))
    if comparison in ("in", "notin"):
        return _contains(right, left) is (comparison == "in")
    if left is None or right is None:
        return False
    numbers = all(isinstance(side, (int, float)) for side in (left, right))
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise CannotResolve("bad_condition", f"{shown(left)} and {shown(right)} have no order")
    return _ORDERED[comparison](left, right)


def _contains(whole: Json, part: Json) -> bool:
    if isinstance(whole, str) and isinstance(part, str):
        return part in whole
    if isinstance(whole, dict):
        return isinstance(part, str) and part in whole
    if isinstance(whole, list):
        return part in whole
    raise CannotResolve("bad_condition", f"{shown(part)} cannot be in {shown(whole)}")


def _calculated(test: Json, scope: Scope) -> Json:
    left, right = evaluate(test[1], scope), evaluate(test[2], scope)
    if left is MISSING or right is MISSING:
        return MISSING
    return _bounded(lambda: _ARITHMETIC[test[0]](_number(left), _number(right)))


def _sign(test: Json, scope: Scope) -> Json:
    value = evaluate(test[1], scope)
    if value is MISSING:
        return MISSING
    return -_number(value) if test[0] == "neg" else _number(value)


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CannotResolve("bad_condition", f"{shown(value)} is not a number to calculate with")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise CannotResolve("bad_condition", "a number is too large")
    return value


def _bounded(calculate: Callable[[], Json]) -> Json:
    try:
        return calculate()
    except ArithmeticError as error:
        raise CannotResolve("bad_condition", f"the numbers cannot be used so: {error}") from error


def _filtered(test: Json, scope: Scope) -> Json:
    value = evaluate(test[2], scope)
    given = [evaluate(argument, scope) for argument in test[3:]]
    if test[1] == "default":
        instead, or_empty = [*given, "", False][:2] if len(given) < 2 else given
        return instead if value is MISSING or (or_empty and not value) else value
    return MISSING if value is MISSING else _FILTERED[test[1]](value, *given)


def _length(value: Json) -> int:
    if isinstance(value, (str, list, dict)):
        return len(value)
    raise CannotResolve("bad_condition", f"{shown(value)} has no length")


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    raise CannotResolve("bad_condition", f"{shown(value)} is not a text")


def _int(value: Json, default: Json = 0) -> Json:
    try:
        return int(value) if isinstance(value, (str, int, float)) else default
    except (ValueError, OverflowError):
        number = _float(value, None)
        return default if number is None or number - number != 0 else int(number)


def _float(value: Json, default: Json = 0.0) -> Json:
    try:
        return float(value) if isinstance(value, (str, int, float)) else default
    except (ValueError, OverflowError):
        return default


_FILTERED: Final[dict[str, Callable[..., Json]]] = {
    "length": _length,
    "lower": lambda value: _text(value).lower(),
    "upper": lambda value: _text(value).upper(),
    "int": _int,
    "float": _float,
}


def _tested(test: Json, scope: Scope) -> bool:
    value = evaluate(test[2], scope)
    return value is None if test[1] == "none" else (value is MISSING) is (test[1] == "undefined")


_OPERATIONS: Final[dict[str, Callable[[Json, Scope], Json]]] = {
    "const": lambda test, scope: test[1],
    "var": lambda test, scope: scope.variables[test[1]],
    "take": lambda test, scope: scope.takes[test[1]],
    "list": lambda test, scope: [evaluate(item, scope) for item in test[1:]],
    "not": lambda test, scope: not evaluate(test[1], scope),
    "at": _at,
    "and": _and,
    "or": _or,
    "compare": _compare,
    "filter": _filtered,
    "test": _tested,
    "neg": _sign,
    "pos": _sign,
    **dict.fromkeys(_ARITHMETIC, _calculated),
}
