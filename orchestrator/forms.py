"""Forms: JSON Schemas (Draft 2020-12) that what a person decides must satisfy. A form is small, refers to nothing outside itself
and cannot be made slow, whoever wrote it; nothing of this does I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import jsonschema_rs
import orjson

MAX_FORM_BYTES: Final = 16_384
MAX_FORM_DEPTH: Final = 24
MAX_FORM_WEIGHT: Final = 2_000
"""Parts of a form with every `$ref` in place of what it names: references in references grow without bound."""
MAX_PATTERN_BYTES: Final = 1 << 20
"""Of a pattern as it is compiled: up to there it takes a fraction of a second for the largest value, beyond it minutes."""
MAX_PATTERNS_BYTES: Final = 2 << 20
"""Of all patterns of a form, with every `$ref` in place of what it names."""
LEAST_PATTERN_BYTES: Final = 1 << 10
MAX_ERRORS: Final = 20
MAX_LISTED: Final = 20_000
"""Parts of the form times parts of the value up to which more than the first error is told: to list errors all are collected,
and a large form finds one or more in each part of a large value."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_LOCAL: Final = "#/$defs/"
_BARRED: Final = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary")
_VALUES: Final = ("const", "enum", "default", "examples")
"""Keywords that hold values, not schemas."""
_NAMES: Final = ("properties", "patternProperties", "dependentSchemas", "$defs")
"""Keywords that hold schemas by names, which may look like keywords."""

Json = Any


@dataclass(frozen=True, slots=True)
class FormError:
    """What is wrong at a JSON Pointer (of the value, or of the form itself). Messages never hold the value."""

    pointer: str
    message: str


class BadForm(ValueError):
    """The form cannot be used. `errors` tells why."""

    def __init__(self, errors: list[FormError]) -> None:
        super().__init__("; ".join(f"{error.pointer or 'form'}: {error.message}" for error in errors))
        self.errors = errors


def check_form(schema: Json) -> list[FormError]:
    """What is wrong with a form; empty when it can be used."""
    try:
        Form(schema)
    except BadForm as error:
        return error.errors
    return []


class Form:
    """A form that can be used. Raises BadForm."""

    def __init__(self, schema: Json) -> None:
        if errors := _size_errors(schema) or list(islice(_barred(schema), MAX_ERRORS)):
            raise BadForm(errors)
        self._parts = _weight(schema, schema)
        if self._parts > MAX_FORM_WEIGHT:
            detail = f"it has more than {MAX_FORM_WEIGHT} parts, or refers to itself"
            raise BadForm([FormError("", detail)])
        if unusable := _pattern_error(schema):
            raise BadForm([unusable])
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema,
                validate_formats=True,
                ignore_unknown_formats=False,
                offline=True,
                mask="The value",
                pattern_options=jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES),
            )
        except ValueError as error:  # ValidationError is one
            raise BadForm([_of_schema(error)]) from error

    def errors(self, value: Json) -> list[FormError]:
        """What is wrong with a value, at most `MAX_ERRORS`, of large ones the first; empty when it satisfies the form."""
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as first:
            is_small = self._parts * (orjson.dumps(value).count(b",") + 1) <= MAX_LISTED
            found = islice(self._validator.iter_errors(value), MAX_ERRORS) if is_small else [first]
            return [FormError(pointer(error.instance_path), error.message) for error in found]
        return []


def pointer(path: Any) -> str:
    """JSON Pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _size_errors(schema: Json) -> list[FormError]:
    if not isinstance(schema, dict):
        return [FormError("", "a form is an object of JSON Schema")]
    if _depth(schema) > MAX_FORM_DEPTH:
        return [FormError("", f"it is nested deeper than {MAX_FORM_DEPTH} levels")]
    if len(orjson.dumps(schema)) > MAX_FORM_BYTES:
        return [FormError("", f"it takes more than {MAX_FORM_BYTES} bytes")]
    if schema.get("$schema", DIALECT) not in (DIALECT, DIALECT + "#"):
        return [FormError("/$schema", f"the only dialect is {DIALECT}")]
    return []


def _depth(value: Json) -> int:
    """Levels of a value, counted no further than one above the limit."""
    level, depth = [value], 0
    while level and depth <= MAX_FORM_DEPTH:
        depth += 1
        level = [part for one in level for _, part in _parts(one) if isinstance(part, dict | list)]
    return depth


def _parts(value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(i), part) for i, part in enumerate(value))


def _barred(schema: Json, at: str = "", *, named: bool = False) -> Iterator[FormError]:
    """Words that reach out of the form. `named`: the keys are names of properties, whatever they look like."""
    for key, part in _parts(schema):
        place = at + pointer([key])
        if isinstance(schema, Mapping) and not named:
            if key in _VALUES:
                continue
            if key in _BARRED:
                yield FormError(place, f"`{key}` cannot be used in a form")
            elif key == "$ref" and not _is_local(part):
                yield FormError(place, f"only `{_LOCAL}...` of the form itself can be referred to")
        yield from _barred(part, place, named=not named and key in _NAMES)


def _is_local(ref: Json) -> bool:
    return isinstance(ref, str) and ref.startswith(_LOCAL) and not set("/%~") & set(ref[len(_LOCAL) :])


def _meant(ref: str, root: Json) -> Json:
    """What a local reference names, if it is there."""
    definitions = root.get("$defs")
    return definitions.get(ref.removeprefix(_LOCAL)) if isinstance(definitions, dict) else None


def _weight(schema: Json, root: Json, above: int = 0) -> int:
    """Parts of a schema with its references followed. More than the limit for one that refers to itself."""
    weight = 1
    if above > MAX_FORM_DEPTH * 4:
        return MAX_FORM_WEIGHT + 1
    for key, part in _parts(schema):
        if weight > MAX_FORM_WEIGHT:
            break
        if key == "$ref" and _is_local(part):
            part = _meant(part, root)
        weight += _weight(part, root, above + 1)
    return weight


def _pattern_error(schema: Json) -> FormError | None:
    """What is wrong with the first pattern that cannot be used."""
    left = MAX_PATTERNS_BYTES
    for place, pattern in _patterns(schema, schema):
        size = _compiled_bytes(pattern)
        if size is None:
            return FormError(
                place,
                "the pattern cannot be used: it is no regular expression, it looks around or back, or it is too large "
                "(repetitions count written out; for lengths there is `maxLength`)",
            )
        left -= size
        if left < 0:
            return FormError(place, "the patterns up to here are too large together")
    return None


def _patterns(schema: Json, root: Json, at: str = "", *, named: bool = False) -> Iterator[tuple[str, str]]:
    """Patterns with their places, those behind a reference once for each reference."""
    for key, part in _parts(schema):
        place = at + pointer([key])
        if isinstance(schema, Mapping) and not named:
            if key in _VALUES:
                continue
            if key == "$ref" and _is_local(part):
                part = _meant(part, root)
            elif key == "pattern" and isinstance(part, str):
                yield place, part
            elif key == "patternProperties" and isinstance(part, Mapping):
                yield from ((place + pointer([name]), name) for name in part)
        yield from _patterns(part, root, place, named=not named and key in _NAMES)


@lru_cache(maxsize=1_024)
def _compiled_bytes(pattern: str) -> int | None:
    """How large a pattern is, to the next power of two; None: it cannot be used. No engine tells, so one tries."""
    size = LEAST_PATTERN_BYTES
    while size <= MAX_PATTERN_BYTES:
        options = jsonschema_rs.RegexOptions(size_limit=size)
        try:
            jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
        except ValueError:
            size *= 2
        else:
            return size
    return None


def _of_schema(error: ValueError) -> FormError:
    message = getattr(error, "message", "") or str(error).partition("\n")[0]
    return FormError(pointer(getattr(error, "instance_path", ())), message.partition(". ")[0])
