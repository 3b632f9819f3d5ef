"""Strict JSON: what a careless reader would take in silently is an error here."""

import json
import re
from typing import Any, Final

import orjson

MAX_DEPTH: Final = 64
MAX_SAFE_INTEGER: Final = 2**53
_MAX_NUMBER_CHARS: Final = 400

# A string, also one that never ends: matching it to the end of the text keeps the scan linear.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BadJson(ValueError):
    """A text that is not strict JSON. `line` and `column` are 1-based, 0 when unknown."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def parse(data: bytes) -> Any:
    """Read strict JSON.

    Refused beyond what is not JSON: NaN and infinities (also `1e999`), duplicate keys, lone surrogates, more than
    64 levels, integers beyond ±2^53 (other languages would round them).

    Raises:
        BadJson: with the reason; never with a value of the text.
    """
    _check_depth(data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadJson(f"Byte {error.start + 1} is not UTF-8.") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        raise BadJson(f"This is not JSON: {error.msg}.", error.lineno, error.colno) from error
    try:
        orjson.dumps(value)  # what orjson cannot write, no part of the system could store
    except TypeError as error:
        raise BadJson("A string holds a lone surrogate (\\ud800 to \\udfff), which is not text.") from error
    return value


def _check_depth(data: bytes) -> None:
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise BadJson(f"Nested deeper than {MAX_DEPTH} levels.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadJson("An object has the same key twice.")
    return value


def _constant(name: str) -> Any:
    raise BadJson(f"{name} is not JSON.")


def _float(text: str) -> float:
    value = float(text) if len(text) <= _MAX_NUMBER_CHARS else float("inf")
    if value in (float("inf"), float("-inf")):
        raise BadJson("A number is too large.")
    return value


def _integer(text: str) -> int:
    if len(text) > 17 or abs(value := int(text)) > MAX_SAFE_INTEGER:
        raise BadJson("An integer is beyond ±2^53: send it as a string.")
    return value
