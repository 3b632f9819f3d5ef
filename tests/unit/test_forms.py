"""Forms: which JSON Schemas may be one, and what they say of a value."""

from typing import Any

import pytest

from orchestrator.forms import DIALECT, MAX_FORM_DEPTH, MAX_FORM_WEIGHT, Form, FormError, check_form
from tests.unit.templates.build import one


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """References to references: small to write, 2 ** levels parts."""
    defs: dict[str, Any] = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(levels)
    } | {f"a{levels}": {"type": "integer"}}
    return {"$defs": defs, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string", "maxLength": 5},
        {"$schema": DIALECT, "$defs": {"name": {"type": "string"}}, "items": {"$ref": "#/$defs/name"}},
        {"properties": {"$ref": {"type": "string"}, "$id": {"format": "email"}}},
        {"const": {"$ref": "https://elsewhere.invalid/"}},
        {"pattern": "^[a-z]+$"},
        {"patternProperties": {"^(a+)+$": {"pattern": "^(a|aa)*.{1,200}$"}}},
        {"properties": {"pattern": {"type": "string"}, "a": {"const": {"pattern": "(?=a)"}}}},
        doubling(3),
    ],
)
def test_a_plain_schema_is_a_form(schema: dict[str, Any]) -> None:
    assert check_form(schema) == []


@pytest.mark.parametrize(
    ("schema", "pointer", "word"),
    [
        (True, "", "object"),
        ({"$ref": "https://elsewhere.invalid/form.json"}, "/$ref", "only `#/$defs/"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "/properties/a/$ref", "only `#/$defs/"),
        ({"$ref": "#"}, "/$ref", "only `#/$defs/"),
        (
            {"dependentSchemas": {"default": {"$ref": "#"}}},
            "/dependentSchemas/default/$ref",
            "only `#/$defs/",
        ),
        ({"$ref": "#/$defs/nowhere"}, "", "does not exist"),
        ({"properties": {"a": {"$id": "https://elsewhere.invalid/"}}}, "/properties/a/$id", "cannot be used"),
        ({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "", "refers to itself"),
        (doubling(20), "", f"more than {MAX_FORM_WEIGHT} parts"),
        (nested(MAX_FORM_DEPTH), "", "nested deeper"),
        (nested(5_000), "", "nested deeper"),
        ({"description": "x" * 20_000}, "", "bytes"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", "dialect"),
        ({"type": "text"}, "/type", "not valid"),
        ({"$defs": 5, "$ref": "#/$defs/a"}, "/$defs", "object"),
        ({"format": "nonsense"}, "/format", "Unknown format"),
        ({"pattern": "(?=a)"}, "/pattern", "looks around"),
        ({"pattern": r"^(a)\1$"}, "/pattern", "looks around or back"),
        ({"pattern": "("}, "/pattern", "no regular expression"),
        ({"pattern": "a{1,100000}"}, "/pattern", "too large"),
        ({"$defs": {"a": {"pattern": "(?<!a)b"}}}, "/$defs/a/pattern", "looks around"),
        (
            {"properties": {"a": {"patternProperties": {"(?!a)": {}}}}},
            "/properties/a/patternProperties/(?!a)",
            "looks around",
        ),
        ({"allOf": [{"pattern": "^.{1,900}$"}] * 5}, "/allOf/2/pattern", "too large together"),
        (
            {"$defs": {"a": {"pattern": "^.{1,900}$"}}, "allOf": [{"$ref": "#/$defs/a"}] * 5},
            "/allOf/1/$ref/pattern",
            "too large together",
        ),
    ],
)
def test_what_reaches_out_or_could_be_slow_is_refused(schema: Any, pointer: str, word: str) -> None:
    [error] = check_form(schema)
    assert error.pointer == pointer
    assert word in error.message


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^(a|a?)+$", "(x+x+)+y", "^([a-z]+)*[0-9]$"])
def test_patterns_that_keep_others_busy_for_years_decide_on_a_large_value(pattern: str) -> None:
    text = ("x" if "x" in pattern else "a") * 65_535 + "!"
    [error] = Form({"pattern": pattern}).errors(text)
    assert "does not match" in error.message
    assert Form({"patternProperties": {pattern: {"type": "null"}}}).errors({text: 1}) == []


def test_errors_of_a_value_have_pointers_and_never_the_value() -> None:
    form = Form({"properties": {"a/b": {"type": "string", "format": "email", "maxLength": 3}}})
    errors = form.errors({"a/b": "a secret"})

    assert [error.pointer for error in errors] == ["/a~1b", "/a~1b"]
    assert "secret" not in str(errors)
    assert form.errors({"a/b": 1}) == [FormError("/a~1b", 'The value is not of type "string"')]
    assert form.errors({}) == []


def test_a_large_form_tells_the_first_error_of_a_large_value_and_collects_no_others() -> None:
    """Listed, these would be 18 million errors: minutes, and more memory than there is."""
    form = Form({"type": "array", "items": {"anyOf": [{"type": "string"}] * 900}})

    [error] = form.errors([1] * 20_000)
    assert error.pointer == "/0"
    assert "The value is not valid under any" in error.message
    assert len(form.errors([1, 2])) == 2


GATE = """
tasks:
  - name: Ask
    gate:
      title: Which?
      form:
        properties: {code: {type: string, pattern: "^(?=.*[a-z])a$"}}
"""


def test_a_template_with_a_pattern_that_looks_around_is_refused_at_its_line() -> None:
    problem = one(GATE)
    assert (problem.file, problem.line, problem.column) == ("t.yml", 7, 9)
    assert problem.path == "tasks[0].gate.form"
    assert "/properties/code/pattern: the pattern cannot be used" in problem.message
