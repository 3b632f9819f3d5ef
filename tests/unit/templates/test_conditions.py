"""`when`: what may stand there, what is said about the rest, and what it comes to."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.templates.conditions import condition_of
from orchestrator.templates.evaluator import MISSING, CannotResolve, Scope, evaluate
from orchestrator.templates.problems import Refused
from orchestrator.templates.runtime import Known, passes
from orchestrator.templates.state import PREFIX
from tests.unit.templates.build import build, one, task, tasks
from tests.unit.templates.test_injection import JSON, LOOKS

HEAD = "variables: {LANG: en, N: 3, OPTIONS: {mode: fast}, NOTHING: null, LIST: [1, 2]}\n"
RESULT = {"score": 0.9, "lang": "de", "empty": "", "none": None, "parts": [1, {"a": "x"}], "n": 2}


def when(expression: str, result: Any = RESULT, status: str = "success", **variables: Any) -> bool:
    """Whether it holds after one task with this result."""
    written = json.dumps(expression)
    text = HEAD + tasks(task("A"), task("B", needs="[A]", when=written))
    first, second = build(text, **variables).tasks
    on_ready = json.loads(json.dumps(second.on_ready))
    return passes(on_ready, {first.id: Known(status, result, "ref")})


def said(expression: str) -> tuple[str, str]:
    problem = one(HEAD + tasks(task("A"), task("B", needs="[A]", when=json.dumps(expression))))
    assert (problem.line, problem.column, problem.path) == (8, 11, "tasks[1].when")
    return problem.code, f"{problem.message} ({problem.hint})"


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("result('A').score > 0.8 and LANG != 'ru'", True),
        ("result('A').score > 0.8 and LANG == 'ru'", False),
        ("result('A')['score'] <= 0.9", True),
        ("0.5 < result('A').score < 0.8", False),
        ("result('A').lang in ['de', 'en']", True),
        ("result('A').lang not in ('de', 'en')", False),
        ("'e' in LANG", True),
        ("'a' in result('A').parts[1]", True),
        ("result('A').parts[-1].a == 'x'", True),
        ("result('A').parts | length == N - 1", True),
        ("result('A').parts[result('A').n - 1].a | upper == 'X'", True),
        (
            "result('A').n * 2 + 1 == 5 and 7 // 2 == 3 and 7 % 4 == 3 and 1 / 2 == 0.5 and -N == -3 and +N == 3",
            True,
        ),
        ("OPTIONS.mode == 'fast'", True),
        ("OPTIONS.nope == 'fast'", False),
        ("OPTIONS['mode'] | length", True),
        ("LIST[1] == 2 and 2 in LIST", True),
        ("NOTHING is none and result('A').none is none", True),
        ("NOTHING is not none", False),
        ("result('A').nope is defined", False),
        ("result('A').nope is undefined and result('A').nope.more[0] is undefined", True),
        ("result('A').nope == 1 or result('A').nope != 1", False),
        ("result('A').nope > 1 or result('A').nope <= 1 or 1 in result('A').nope", False),
        ("result('A').nope in [1]", False),
        ("result('A').nope not in [1]", False),
        ("result('A').nope", False),
        ("not result('A').nope", True),
        ("not result('A').nope > 1", True),
        ("result('A').nope + 1 > 0", False),
        ("result('A').nope | length > 0", False),
        ("result('A').nope | default(5) == 5", True),
        ("result('A').none | default(5) is none", True),
        ("result('A').none | default(5, true) == 5", True),
        ("(result('A').empty or 'x') == 'x'", True),
        ("result('A').none > 1 or result('A').none <= 1", False),
        ("result('A').none == none and none != 1", True),
        ("'12' | int == 12 and 'x' | int == 0 and 'x' | int(7) == 7 and '1.9' | int == 1", True),
        ("'1.5' | float == 1.5 and 'x' | float == 0 and none | float(2) == 2", True),
        ("'ABC' | lower == 'abc'", True),
        ("true and not false", True),
        ("status('A') == 'success'", True),
        ("status('A') in ['failed', 'skipped']", False),
        ("result_ref('A') == 'ref'", True),
        ("results('A').score == [0.9]", True),
        ("'a' < 'b'", True),
        ("result('A') == result('A')", True),
    ],
)
def test_what_a_condition_comes_to(expression: str, holds: bool) -> None:
    assert when(expression) is holds


@pytest.mark.parametrize("status", ["failed", "skipped", "cancelled"])
def test_what_did_not_succeed_has_a_status_and_no_result(status: str) -> None:
    assert when(f"status('A') == '{status}'", status=status)
    assert when("result('A') is undefined and result_ref('A') is undefined", status=status)


def test_variables_have_the_values_of_the_request() -> None:
    assert when("LANG == 'ru' and N == 7", LANG="ru", N=7)
    assert not when("LANG == 'ru' and N == 7", LANG="en", N=7)


@pytest.mark.parametrize(
    ("expression", "code", "says"),
    [
        ("result('A').x >", "bad_condition", "compare with"),
        ("result('A').x = 1", "bad_condition", "compare with"),
        ("result('A').x && true", "bad_condition", "and, or, not"),
        ("", "bad_condition", ""),
        ("N > 1 }} x", "bad_condition", ""),
        ("(" * 900, "bad_condition", "deep"),
        ("(" * 900 + "1" + ")" * 900, "bad_condition", ""),
        ("not " * 100 + "N", "bad_condition", "too large"),
        (" + ".join(["N"] * 300), "bad_condition", "too large"),
        ("N == " + "1" * 2_000, "bad_condition", "longer than 2000"),
        ("N == " + "9" * 30, "number_range", ""),
        ("N == 1e999", "number_range", ""),
        (r"LANG == '\ud800'", "bad_text", "surrogate"),
        ("LANGG == 'en'", "unknown_variable", "did you mean 'LANG'"),
        ("i > 1", "unknown_variable", "declare"),
        ("item.x", "unknown_variable", "foreach"),
        ("reslt('A')", "not_allowed", "did you mean 'result'"),
        ("range(3)", "not_allowed", "only result, results"),
        ("'a'.upper()", "not_allowed", ""),
        ("result('A').keys()", "not_allowed", ""),
        ("result(LANG)", "bad_condition", "in quotes"),
        ("result()", "bad_condition", "in quotes"),
        ("result('A', 'B')", "bad_condition", "in quotes"),
        ("result(name='A')", "bad_condition", "in quotes"),
        ("result('A') | lenght", "unknown_filter", "did you mean 'length'"),
        ("LIST | map('upper')", "unknown_filter", "length, lower"),
        ("N | default(1, 2, 3)", "bad_condition", "at most 2"),
        ("N | default(default_value=1)", "bad_condition", "without names"),
        ("N is odd", "unknown_test", "defined"),
        ("N is defined(1)", "bad_condition", "no arguments"),
        ("result('A').__class__", "not_allowed", "__class__"),
        ("OPTIONS['_x']", "not_allowed", "_x"),
        ("OPTIONS._x", "not_allowed", "_x"),
        ("N ** 99", "not_allowed", "**"),
        ("LANG ~ 'x' == 1", "not_allowed", "~"),
        ("1 if N else 2", "not_allowed", "if"),
        ("{'a': 1} == OPTIONS", "not_allowed", "mapping"),
        ("LIST[0:1]", "not_allowed", "slice"),
        ("result('Aa').x", "unknown_reference", "'A'"),
        ("status('C') == 'x'", "unknown_reference", ""),
        ("result('B').x", "not_upstream", ""),
    ],
)
def test_anything_else_is_told_with_its_place(expression: str, code: str, says: str) -> None:
    found = said(expression)
    assert found[0] == code
    assert says in found[1]


@pytest.mark.parametrize(
    "value",
    ["\"{{ result('A').ok }}\"", "{{ result('A').ok }}", "'{{ N }} > 1'", "{{ N }}", '"LANG == {{ LANG }}"'],
)
def test_braces_are_told_to_be_left_out(value: str) -> None:
    problem = one(HEAD + tasks(task("A"), task("B", needs="[A]", when=value)))
    assert problem.code == "bad_condition"
    assert "leave `{{ }}` out" in problem.hint
    assert problem.line == 8


@pytest.mark.parametrize("value", ["5", "[a]", "true"])
def test_what_is_no_text_is_no_condition(value: str) -> None:
    assert one(tasks(task("A", when=value))).code == "wrong_type"


def test_in_quotes_a_value_may_stand_to_name_a_task_of_a_loop() -> None:
    text = "variables: {N: 2}\n" + tasks(
        "{% for i in range(N) %}\n"
        + task("T", id="t_{{ i }}")
        + task("U", id="u_{{ i }}", needs="['t_{{ i }}']", when="\"result('t_{{ i }}').ok == '{{ i }}'\"")
        + "{% endfor %}\n"
    )
    scenario = build(text)
    for number in (0, 1):
        first, second = scenario.tasks[2 * number : 2 * number + 2]
        on_ready = second.on_ready or {}
        assert on_ready["when"]["takes"][0]["ids"] == [first.id]
        assert passes(on_ready, {first.id: Known("success", {"ok": str(number)}, "")})
    assert len(build(text, N=3).tasks) == 6


LOOK_ALIKES = [*LOOKS, "') or true or ('", "' == '' or '"]


# Without their texts in the names of the tests: those differ from run to run.
@pytest.mark.parametrize("look", LOOK_ALIKES, ids=range(len(LOOK_ALIKES)))
def test_a_value_in_quotes_never_becomes_part_of_the_expression(look: str) -> None:
    text = "variables: {P: ''}\n" + tasks(
        task("A"), task("B", needs="[A]", when="\"result('A') == '{{ P }}'\"")
    )
    first, second = build(text, P=look).tasks

    assert passes(second.on_ready or {}, {first.id: Known("success", look, "")})
    assert not passes(second.on_ready or {}, {first.id: Known("success", look + "x", "")})


def test_a_part_is_named_by_a_value_in_quotes_too() -> None:
    text = "variables: {K: a, M: {a: 1, b: 2}}\n" + tasks(task("A", when="\"M['{{ K }}'] == 1\""))
    assert passes(build(text).tasks[0].on_ready or {}, {})
    assert not passes(build(text, K="b").tasks[0].on_ready or {}, {})
    assert one(text, K="_b").code == "not_allowed"


def test_one_plan_does_not_serve_another_condition() -> None:
    text = "variables: {W: A}\n" + tasks(
        task("A"), task("B"), task("C", needs="[A, B]", when="\"result('{{ W }}').ok\"")
    )
    words = [build(text, W=word).tasks[-1].on_ready["when"]["takes"][0]["word"] for word in ("A", "B", "A")]  # type: ignore[index]
    assert words == ["A", "B", "A"]


def test_a_condition_about_items_is_asked_for_each() -> None:
    text = tasks(task("A", foreach="[1, 5]", when='"item > 3 and index == 2"'))
    on_ready = build(text).tasks[0].on_ready or {}

    assert passes(on_ready, {})
    assert [passes(on_ready, {}, item=item, index=index) for index, item in enumerate([1, 5], 1)] == [
        False,
        True,
    ]


def test_a_condition_about_something_else_is_asked_once_for_all() -> None:
    text = tasks(task("A"), task("B", needs="[A]", foreach="[1]", when="\"result('A') == 1\""))
    first, second = build(text).tasks
    assert not passes(second.on_ready or {}, {first.id: Known("success", 2, "")})


def test_variables_of_many_conditions_are_paid_for() -> None:
    text = "variables: {P: ''}\ntasks:\n{% for i in range(40) %}\n  - {name: A, service: s, when: \"P == ''\"}\n{% endfor %}\n"
    assert one(text, P="x" * 1_000_000).code == "output_too_large"


@pytest.mark.parametrize(
    "expression",
    [
        "result('A').lang > 1", "result('A').parts < 1", "1 in result('A').n", "1 in LANG", "result('A').lang + 1", "result('A').none + 1",
        "N / 0 == 1", "N % 0 == 1", "result('A').n | length", "result('A').n | lower", "true + 1 == 2", "result('A').big * 2 > 1",
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_an_error_and_not_false(expression: str) -> None:
    with pytest.raises(CannotResolve) as caught:
        when(expression, {**RESULT, "big": 2**300})
    assert caught.value.code == "bad_condition"
    assert caught.value.message


NAMES = [
    "N",
    "LANG",
    "LIST",
    "OPTIONS",
    "NOTHING",
    "item",
    "index",
    "result('A')",
    "result('A').a",
    "result('A')[0]",
    "status('A')",
]
ATOMS = st.one_of(
    st.sampled_from(NAMES), st.integers(-(2**53) + 1, 2**53 - 1).map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["'x'", "''", "true", "none", "[]", "[1, 'a']", "1e308", "9007199254740991"]),
)  # fmt: skip
WORDS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or"]
AFTER = [
    "| length", "| int", "| float", "| lower", "| upper", "| default(1)", "| default(0, true)", "is defined", "is none", ".a", "[0]", "['a']",
    "| abs", "()",
]  # fmt: skip
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(WORDS), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, st.sampled_from(AFTER)).map(lambda parts: f"({parts[0]}) {parts[1]}"),
        inner.map(lambda one: f"(not {one})"),
        inner.map(lambda one: f"(-{one})"),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    ),
    max_leaves=12,
)
PIECES = st.lists(
    st.sampled_from([*NAMES, *WORDS, *AFTER, "(", ")", "[", "]", "{", "}", "'", '"', ",", ".", "|", "{{", "}}", "1", " ", "\n", PREFIX]),
    max_size=25,
).map(" ".join)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(expression=st.one_of(EXPRESSIONS, PIECES), values=st.lists(JSON, min_size=6, max_size=6))
def test_random_expressions_end_in_a_value_or_one_of_two_errors(expression: str, values: list[Any]) -> None:
    variables = {"N": 3, "LANG": "en", "LIST": [1, "a"], "OPTIONS": {"a": 1}, "NOTHING": values[0]}
    try:
        condition = condition_of(expression, PREFIX, str, variables, has_items=True)
    except Refused:
        return
    test = json.loads(json.dumps(condition.test))
    takes = [(values * 20)[number] if number % 5 else MISSING for number in range(len(condition.takes))]
    try:
        bool(evaluate(test, Scope(takes, variables)))
    except CannotResolve as error:
        assert error.code == "bad_condition"
