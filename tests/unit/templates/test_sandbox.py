"""Attacks by a template: each ends as a TemplateError with a stable code, soon and in little memory."""

import importlib
import tracemalloc
from typing import Any

import pytest

from orchestrator.templates import Limits
from tests.unit.templates.build import build, codes, task, tasks

SMALL = Limits(max_seconds=3, max_ticks=200_000)


def said(expression: str) -> set[str]:
    return codes(tasks(task("A", prompt=f"'{{{{ {expression} }}}}'")), limits=SMALL)


def ran(block: str) -> set[str]:
    return codes(block + "\n" + tasks(task("A")), limits=SMALL)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ('"".__class__.__mro__', "not_allowed"),
        ('""["__class__"]', "unknown_variable"),
        ('"" | attr("__class__")', "unknown_filter"),
        ("range.__init__", "not_allowed"),
        ('range["__globals__"]', "unknown_variable"),
        ("SHORT_UUID.func_globals", "unknown_variable"),
        ('"%s" % "a"', "bad_expression"),
        ('"%200000000d" % 1', "bad_expression"),
        ('"{:200000000d}".format(1)', "unknown_variable"),
        ('"{0.__class__}".format_map({})', "unknown_variable"),
        ('"a".center(200000000)', "unknown_variable"),
        ('"a".ljust(200000000)', "unknown_variable"),
        ('"a" | center(200000000)', "unknown_filter"),
        ('"a" | format', "unknown_filter"),
        ('"a" * 200000000', "template_memory"),
        ('[1] * 200000000', "template_memory"),
        ('200000000 * "a"', "template_memory"),
        ("10 ** (10 ** 7)", "template_memory"),
        ("2 ** (2 ** (2 ** (2 ** 2)))", "template_memory"),
        ("2 ** 100", "number_range"),
        ('"a".zfill(200000000)', "unknown_variable"),
        ('("a" * 1000).replace("a", "b" * 100000)', "template_memory"),
        ('("a" * 1000) | replace("a", "b" * 100000)', "template_memory"),
        ('[1] * 50000 | join("x" * 100000)', "bad_expression"),
        ('([1] * 50000) | join("x" * 100000)', "template_memory"),
        ('("x" * 100000).join([1] * 50000)', "template_memory"),
        ("range(10 ** 12) | list", "template_memory"),
        ("range(10 ** 30) | list", "template_memory"),
        ("range(200001)", "template_memory"),
        ("lipsum()", "unknown_variable"),
        ("cycler(1)", "unknown_variable"),
        ("joiner()", "unknown_variable"),
        ("self", "not_json"),
        ("self.__init__", "not_allowed"),
        ("self.blocks", "unknown_variable"),
        ("[1].append(2)", "unknown_variable"),
        ("{}.update({})", "unknown_variable"),
        ("1 .bit_length()", "unknown_variable"),
        ("1.5 | round(10 ** 9) | nope", "unknown_filter"),
        ("[1, 2] | random", "unknown_filter"),
        ("SHORT_UUID()", "bad_expression"),
        ("SHORT_UUID(now)", "not_json"),
        ("1 / 0", "bad_expression"),
        ("none + 1", "bad_expression"),
        ('"a" + 1', "bad_expression"),
        ("5()", "not_callable"),
        ("range(1, 2, 0)", "bad_expression"),
        ("(" * 3_000 + "1" + ")" * 3_000, "template_too_complex"),
        ("+".join(["1"] * 5_000), "template_too_complex"),
        ("-" * 5_000 + "1", "template_too_complex"),
        ("1" + "[0]" * 5_000, "template_too_complex"),
        ("9" * 6_000, "template_too_complex"),
    ],
)  # fmt: skip
def test_an_expression_cannot_leave_its_box(expression: str, code: str) -> None:
    assert said(expression) == {code}


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "template_timeout"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}", "template_timeout"),
        ("{% macro f() %}{{ f() }}{% endmacro %}#{{ f() }}", "template_too_complex"),
        ("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}#{{ f(40) }}", "template_timeout"),
        ("{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}", "template_memory"),
        ("{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}", "template_memory"),
        ("{% set ns = namespace(a=2) %}{% for i in range(60) %}{% set ns.a = ns.a * ns.a %}{% endfor %}", "template_memory"),
        ("{% set a %}" + "x" * 10_000 + "{% endset %}{% set b %}{% for i in range(1000) %}{{ a }}{% endfor %}{% endset %}", "template_memory"),
        ("{% for i in range(99999) %}" + "#" * 1_000 + "\n{% endfor %}", "output_too_large"),
        ("{% set a = 'x' * 100000 %}{% for i in range(9999) %}# {{ a }}\n{% endfor %}", "output_too_large"),
        ("{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = ns.l + [i] %}{% endfor %}", "template_memory"),
        ("{% set ns = namespace(l=[]) %}{% for i in range(999) %}{% set ns.l = [ns.l] %}{% endfor %}# {{ ns.l }}", "too_deep"),
        ("{% include 'etc/passwd' %}", "not_allowed"),
        ("{% import 'x' as y %}", "not_allowed"),
        ("{% from 'x' import y %}", "not_allowed"),
        ("{% extends 'x' %}", "not_allowed"),
        ("{% block a %}{% endblock %}", "not_allowed"),
        ("{% filter upper %}{% endfilter %}", "not_allowed"),
        ("{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}", "not_allowed"),
        ("{% autoescape true %}{% endautoescape %}", "not_allowed"),
        ("{% for i in [] recursive %}{% endfor %}", "not_allowed"),
        ("{% for i in 5 %}{% endfor %}", "bad_expression"),
        ("{% set SHORT_UUID = 1 %}", "not_allowed"),
        ("{% macro now() %}{% endmacro %}", "not_allowed"),
        ("{% debug %}", "template_syntax"),
        ("{% do 1 %}", "template_syntax"),
        ("{% if 1 %}" * 200 + "{% endif %}" * 200, "template_too_complex"),
        ("{% for i in [1] %}" * 40 + "{% endfor %}" * 40, "template_too_complex"),
    ],
)  # fmt: skip
def test_a_block_cannot_either(block: str, code: str) -> None:
    assert ran(block) == {code}


def test_a_long_elif_chain_is_answered() -> None:
    assert ran("{% if 0 %}" + "{% elif 0 %}" * 3_000 + "{% endif %}") == {"template_too_complex"}


GROWN = "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}"
GROWN_TUPLES = GROWN.replace("[ns.a, ns.a]", "(ns.a, ns.a)").replace("a=[1]", "a=(1, 1)")


@pytest.mark.parametrize(
    "expression",
    [
        "ns.a | string",
        "ns.a | upper",
        "ns.a | trim",
        "ns.a | replace('1', '2')",
        "ns.a | tojson",
        "ns.a == ns.b",
        "ns.a != ns.b",
        "ns.a < ns.b",
        "ns.a in [ns.b]",
        "[ns.b].count(ns.a)",
        "[ns.b].index(ns.a)",
        "ns.a is eq(ns.b)",
        "[ns.a] | select('eq', ns.b) | list",
        "[ns.a, ns.b] | sort | length",
        "[ns.a, ns.b] | min | length",
        "{'x': ns.a} | dictsort(by='value') | length",
        "ns.a is lower",
        "SHORT_UUID(ns.a)",
        "ns.a ~ 'x'",
        "[ns.a] | join",
        "{}[ns.a]",
        "[1][ns.a:]",
        "{ns.a: 1}",
        "{}.get(ns.a)",
        "dict([[ns.a, 1]])",
        "namespace([[ns.a, 1]])",
    ],
)
@pytest.mark.parametrize("grown", [GROWN, GROWN_TUPLES], ids=["lists", "tuples"])
def test_lists_that_share_their_items_are_as_large_as_they_look(grown: str, expression: str) -> None:
    found = ran(f"{grown}{{% set c = {expression} %}}# {{{{ c }}}}")

    assert found <= {"template_timeout", "output_too_large", "too_deep", "not_json", "bad_expression"}


@pytest.mark.parametrize("place", ["rows.parse", "plan.link", "plan.check_form", "filling._filled"])
def test_the_time_runs_until_the_last_task_is_made(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name = (f"orchestrator.templates.{place}").rsplit(".", 1)
    late, seconds = importlib.import_module(module), [0.0]
    original = getattr(late, name)

    def slow(*given: Any, **more: Any) -> Any:
        seconds[0] = 100.0
        return original(*given, **more)

    monkeypatch.setattr(late, name, slow)
    monkeypatch.setattr("orchestrator.templates.state.time.perf_counter", lambda: seconds[0])
    text = "variables: {P: x}\n" + tasks(
        task("A"), task("B", a_id="A", prompt="'{{ P }} 1'"), task("C", b_id="B")
    )

    assert codes(text) == {"template_timeout"}


def test_attacks_stay_small() -> None:
    tracemalloc.start()
    for expression in ('"a" * 200000000', "range(10 ** 9) | list", "10 ** (10 ** 7)"):
        said(expression)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


def test_what_templates_need_works() -> None:
    text = "variables: {L: [b, a], M: {k: v}, P: ' Some text '}\n" + tasks(
        task(
            "A",
            params="\"{{ L | sort | join(', ') }}|{{ M.k }}|{{ M.get('x', 1) }}|{{ P.strip().upper() }}|{{ P | trim | length }}|"
            "{{ L | map('upper') | list | join }}|{{ 7 // 2 + 2 ** 3 % 5 }}|{{ '-'.join(L) }}|{{ L[0] }}|{{ P[1:5] }}|"
            "{{ 'x' if L is defined else 'y' }}|{{ P | replace('t', 'T') }}|{{ [3, 1] | sum }}|{{ 2.567 | round(1) }}|{{ M | tojson }}\"".replace(
                '"{"', ""
            ),
        ).replace("params", "prompt")
    )
    prompt = build(text).tasks[0].fields["prompt"]
    assert prompt == 'a, b|v|1|SOME TEXT|9|BA|6|b-a|b|Some|x| Some TexT |4|2.6|{"k":"v"}'


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("dict(a=1)", {"a": 1}),
        ("dict({'a': 1}, b=[2])", {"a": 1, "b": [2]}),
        ("dict([['a', 1]])", {"a": 1}),
        ("{'n': {1: 'one'}[1]}", {"n": "one"}),
        ("{'same': [1, [2]] == [1, [2]], 'other': [1] == [2]}", {"same": True, "other": False}),
        ("{'in': [1] in [[2], [1]], 'chain': 1 < 2 <= 2}", {"in": True, "chain": True}),
        ("{'at': [5, 6].index(6), 'times': [5, 5].count(5)}", {"at": 1, "times": 2}),
        ("{'text': [1, true] | string, 'upper': {'a': 1} | upper}", {"text": "[1,true]", "upper": '{"A":1}'}),
        ("{'get': {'a': 1}.get('b', 2), 'sorted': [[2], [1]] | sort}", {"get": 2, "sorted": [[1], [2]]}),
    ],
)
def test_mappings_and_comparisons_work(expression: str, value: object) -> None:
    assert build(tasks(task("A", params=f"{{{{ {expression} }}}}"))).tasks[0].fields["params"] == value


def test_macros_and_set_blocks_give_values() -> None:
    block = "variables: {P: 'a'}\n{% macro shout(x) %}<{{ x }}!>{% endmacro %}{% set both %}{{ P }}-{{ shout(P) }}{% endset %}\n"
    scenario = build(block + tasks(task("A", prompt='"{{ both | upper }} {{ shout(both) }}"')), P='q"\n: {x}')
    assert scenario.tasks[0].fields["prompt"] == 'Q"\n: {X}-<Q"\n: {X}!> <q"\n: {x}-<q"\n: {x}!>!>'


def test_loop_variables_and_namespaces_work() -> None:
    block = "{% set ns = namespace(n=0) %}{% for x in [5, 6] %}{% set ns.n = ns.n + x * loop.index %}{% endfor %}\n"
    text = block + tasks(task("A", params="{{ {'n': ns.n} }}"))
    assert build(text).tasks[0].fields["params"] == {"n": 17}


def test_a_loop_knows_where_it_is() -> None:
    block = "{% for x in [5, 6] %}# {{ loop.length }}\n{% if loop.last %}{% set last = x %}{% endif %}{% endfor %}"
    text = (
        block
        + "tasks:\n{% for x in 'ab' %}"
        + task("{{ x }}", params="{{ {'i': loop.index, 'n': loop.length, 'last': loop.last} }}")
        + "{% endfor %}"
    )
    assert [item.fields["params"]["last"] for item in build(text).tasks] == [False, True]
