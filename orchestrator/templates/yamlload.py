"""YAML as this format has it: JSON types, no anchors, no tags, no duplicate keys, every value with its place."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml import events
from yaml._yaml import CParser

from orchestrator.templates.problems import Finding, mark_of
from orchestrator.templates.state import END, MAX_INT
from orchestrator.templates.tree import Items, Json, Map, Slot, Text, Tree

_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+|\.(?=[eE])|(?<=[0-9])\.)?(?:[eE][-+]?[0-9]+)?"
)
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NULLS: Final = ("", "~", "null", "Null", "NULL")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(_NULLS),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMERIC: Final = frozenset("+-.0123456789")
_NOTHING: Final = object()
_NODES_PER_LOOK: Final = 1_024


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document and what is wrong with it. `nodes` counts its keys, values and containers."""

    tree: Tree
    findings: list[Finding]
    nodes: int = 0


def parse(text: str, prefix: str, max_depth: int, check_time: Callable[[], None] | None = None) -> Parsed:
    """Parse one document. Syntax errors end the parse; everything else is collected. `check_time` is called now and then."""
    builder = _Builder(prefix, max_depth, check_time or _no_hurry)
    try:
        builder.read(text)
    except yaml.YAMLError as error:
        return Parsed(None, [*builder.findings, _syntax(error, text)])
    return Parsed(builder.root if builder.root is not _NOTHING else None, builder.findings, builder.nodes)


def _no_hurry() -> None:
    pass


class _Builder:
    def __init__(self, prefix: str, max_depth: int, check_time: Callable[[], None]) -> None:
        self.root: Tree = _NOTHING
        self.findings: list[Finding] = []
        self.nodes = 0
        self._check_time = check_time
        self._prefix = prefix
        self._token = re.compile(f"{prefix}([0-9]+){END}")
        self._max_depth = max_depth
        self._stack: list[tuple[Map | Items | None, Any]] = []
        self._into: Map | Items | None = None
        self._key: Any = _NOTHING
        self._documents = 0

    def read(self, text: str) -> None:
        parser = CParser(text)
        handlers = {
            events.ScalarEvent: self._scalar,
            events.MappingStartEvent: self._map_start,
            events.MappingEndEvent: self._end,
            events.SequenceStartEvent: self._items_start,
            events.SequenceEndEvent: self._end,
            events.AliasEvent: self._alias,
            events.DocumentStartEvent: self._document,
        }
        ignored = self._ignored
        get_event = parser.get_event
        while (event := get_event()) is not None:
            handlers.get(type(event), ignored)(event)

    def _ignored(self, event: Any) -> None:
        pass

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _stop(event, "more than one document")

    def _alias(self, event: Any) -> None:
        self._refuse(
            "yaml_alias",
            f"the alias *{event.anchor} is not allowed",
            event,
            "write the value out, or use a loop",
        )
        self._put(None, mark_of(event.start_mark.line, event.start_mark.column))

    def _scalar(self, event: Any) -> None:
        if event.anchor is not None or event.tag is not None:
            self._refuse_extras(event)
        start = event.start_mark
        value, style = event.value, event.style
        if self._prefix in value:
            value = self._with_tokens(value, not style)
        elif not style:
            value = self._plain(value, event)
        self._put(value, mark_of(start.line, start.column))

    def _with_tokens(self, text: str, plain: bool) -> Slot | Text:
        parts: list[str | int] = [
            int(part) if index % 2 else part for index, part in enumerate(self._token.split(text)) if part
        ]
        if plain and len(parts) == 1 and isinstance(parts[0], int):
            return Slot(parts[0])
        return Text(tuple(parts))

    def _plain(self, text: str, event: Any) -> Json:
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMERIC:
            return text
        number: int | float
        if _INT.fullmatch(text):
            number = int(text) if len(text) < 400 else MAX_INT + 1
            in_range = abs(number) <= MAX_INT
        elif _FLOAT.fullmatch(text) and any(map(str.isdigit, text)):
            number = float(text)
            in_range = math.isfinite(number)
        elif _NOT_FINITE.fullmatch(text):
            number, in_range = 0, False
        else:
            return text
        if not in_range:
            self._refuse(
                "number_range", f"the number {text[:40]} is not one that JSON can carry", event, "quote it"
            )
        return number

    def _put(self, value: Tree, mark: int) -> None:
        self.nodes += 1
        if not self.nodes % _NODES_PER_LOOK:
            self._check_time()
        into = self._into
        if isinstance(into, Map):
            if self._key is _NOTHING:
                self._key = self._checked_key(into, value, mark)
            else:
                into[self._key] = value
                into.marks[self._key] = mark
                self._key = _NOTHING
        elif into is None:
            self.root = value
        else:
            into.append(value)
            into.marks.append(mark)

    def _checked_key(self, into: Map, key: Tree, mark: int) -> str:
        if not isinstance(key, str):
            what = "put together by `{{ }}`" if isinstance(key, (Slot, Text)) else f"{type(key).__name__}"
            self.findings.append(
                Finding("yaml_key", f"a key is {what}, not a literal text", mark, hint="quote it")
            )
            return f"<key at {mark}>"
        if key in into.marks:
            self.findings.append(Finding("yaml_duplicate_key", f"the key {key!r} stands here twice", mark))
        elif key == "<<":
            self.findings.append(Finding("yaml_key", "merge keys are not allowed", mark))
        return key

    def _map_start(self, event: Any) -> None:
        self._start(Map(), event)

    def _items_start(self, event: Any) -> None:
        self._start(Items(), event)

    def _start(self, container: Map | Items, event: Any) -> None:
        if event.anchor is not None or event.tag is not None:
            self._refuse_extras(event)
        if len(self._stack) >= self._max_depth:
            raise _stop(event, f"nested deeper than {self._max_depth} levels")
        if isinstance(self._into, Map) and self._key is _NOTHING:
            raise _stop(event, "a key is not a literal text")
        self._put(container, mark_of(event.start_mark.line, event.start_mark.column))
        self._stack.append((self._into, self._key))
        self._into, self._key = container, _NOTHING

    def _end(self, event: Any) -> None:
        self._into, self._key = self._stack.pop()

    def _refuse_extras(self, event: Any) -> None:
        if event.anchor is not None:
            self._refuse("yaml_alias", f"the anchor &{event.anchor} is not allowed", event)
        if event.tag is not None:
            self._refuse("yaml_tag", f"the tag {event.tag[:60]} is not allowed", event)

    def _refuse(self, code: str, message: str, event: Any, hint: str = "") -> None:
        mark = mark_of(event.start_mark.line, event.start_mark.column)
        self.findings.append(Finding(code, message, mark, hint=hint))


class _Stop(yaml.MarkedYAMLError):
    pass


def _stop(event: Any, problem: str) -> _Stop:
    return _Stop(problem=problem, problem_mark=event.start_mark)


def _syntax(error: yaml.YAMLError, text: str) -> Finding:
    mark = getattr(error, "problem_mark", None)
    message = getattr(error, "problem", None) or getattr(error, "reason", None) or "the text is not YAML"
    context = getattr(error, "context", None)
    code = (
        "too_deep" if "nested deeper" in message else "yaml_key" if "a key is" in message else "yaml_syntax"
    )
    opened = getattr(error, "context_mark", None)
    if context == "while scanning a quoted scalar" and opened is not None:
        return Finding(code, "the quote that opens here is not closed", mark_of(opened.line, opened.column))
    if mark is not None:
        hint = "an indent is off, or a quote above is not closed" if message.endswith("expected key") else ""
        return Finding(
            code, f"{context}: {message}" if context else message, mark_of(mark.line, mark.column), hint=hint
        )
    position = min(getattr(error, "position", None) or 0, len(text))
    line = text.count("\n", 0, position)
    return Finding(code, message, mark_of(line, position - (text.rfind("\n", 0, position) + 1)))
