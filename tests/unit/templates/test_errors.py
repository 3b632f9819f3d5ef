"""Everything that is wrong is said: what, where, and what to do."""

import pytest

from orchestrator.templates import Limits, TemplateError, load_template
from tests.unit.templates.build import build, codes, one, problems, task, tasks

GOOD = tasks(task("A"))


def place(text: str, **more: object) -> tuple[str, int, int]:
    problem = one(text, **more)
    return problem.code, problem.line, problem.column


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("tasks:\n  - name: A\n    service: s\n    prompt: {{ X }}\n", "unknown_variable", 4, 16),
        ("tasks:\n  - name: A\n   service: s\n", "yaml_syntax", 3, 4),
        ("tasks:\n  - name: {{ \n", "template_syntax", 2, 11),
        ("a: 1\ntasks:\n  - name: {% if %}\n", "template_syntax", 3, 11),
        ("name: T\ntasks: []\n", "no_tasks", 2, 8),
        ("name: T\ntasks: {a: 1}\n", "wrong_type", 2, 8),
        ("name: T\ntask:\n" + GOOD, "unknown_field", 2, 6),
        ("tasks:\n  - name: A\n", "missing_field", 2, 5),
        ("tasks:\n  - name: A\n    service: Big Service\n", "bad_service", 3, 14),
        ('tasks:\n  - name: "A\\nB"\n    service: s\n', "bad_name", 2, 11),
        ('tasks:\n  - name: A\n    service: "s\\n"\n', "bad_service", 3, 14),
        (tasks(task("A", consumers="[A]")), "self_edge", 4, 16),
        (tasks(task("A", needs="[Aa]")), "unknown_need", 4, 13),
        (tasks(task("A", consumers="\n      - B\n      - C"), task("B")), "unknown_consumer", 6, 9),
        (tasks(task("A", id="x"), task("B", id="x")), "duplicate_id", 7, 9),
        (tasks(task("A", status="failed")), "wrong_type", 4, 13),
        (tasks(task("A", queue="yes")), "wrong_type", 4, 12),
        (tasks(task("A", count="-1")), "wrong_type", 4, 12),
        (tasks(task("A", token="x")), "reserved_field", 4, 12),
        (tasks(task("A", params="[1]")), "wrong_type", 4, 13),
        (tasks(task("A", prompt="5")), "wrong_type", 4, 13),
        (tasks(task("A", prompt="a\n    prompt: b")), "yaml_duplicate_key", 5, 5),
        (tasks(task("A", params="&x {a: 1}")), "yaml_alias", 4, 13),
        (tasks(task("A", params="{when: !!timestamp 2020-01-01}")), "yaml_tag", 4, 20),
        (tasks(task("A", params="{1: a}")), "yaml_key", 4, 14),
        (tasks(task("A", params="{[a]: b}")), "yaml_key", 4, 14),
        (tasks(task("A", params="{a: .nan}")), "number_range", 4, 17),
        (tasks(task("A", params="{a: 1e999}")), "number_range", 4, 17),
        (tasks(task("A", params="{a: 9007199254740993}")), "number_range", 4, 17),
        (GOOD + "---\na: 1\n", "yaml_syntax", 4, 1),
        ("variables:\n  A: 1\n  B: {{ 2 }}\n" + GOOD, "jinja_in_head", 3, 6),
        ("variables:\n  A: 1\n  A: 2\n" + GOOD, "yaml_duplicate_key", 3, 3),
        ("variables:\n  now: 1\n" + GOOD, "bad_variable_name", 2, 8),
        ("variables: [1]\n" + GOOD, "wrong_type", 1, 1),
        ("version: 1.0\n" + GOOD, "wrong_type", 1, 10),
        (tasks(task("A", prompt="{{ 1 | nope }}")), "unknown_filter", 4, 13),
        (tasks(task("A", prompt="{{ 1 is nope }}")), "unknown_test", 4, 13),
        (tasks(task("A", prompt='"{{ 1 / 0 }}"')), "bad_expression", 4, 14),
        (tasks(task("A", prompt='"{{ now }}"')), "not_json", 4, 14),
        (tasks(task("A", prompt='"{{ [1] | map(\'upper\') }}"')), "not_json", 4, 14),
        (tasks(task("A", params="{{ {1: 2} }}")), "not_json", 4, 13),
        (tasks(task("A", prompt='"{{ \'\\ud800\' }}"')), "bad_text", 4, 14),
        (tasks(task("A", params="{ {{ 'a' }}: 1 }")), "yaml_key", 4, 15),
        (GOOD + "# a\x85b\n", "bad_text", 4, 4),
        (GOOD + "# a\u2028b\n", "bad_text", 4, 4),
        ("- a\n", "wrong_type", 1, 1),
        ("", "wrong_type", 1, 1),
    ],
)  # fmt: skip
def test_a_problem_has_its_code_line_and_column(text: str, code: str, line: int, column: int) -> None:
    assert place(text) == (code, line, column)


def test_lines_are_those_of_the_file_also_after_a_loop() -> None:
    text = (
        "tasks:\n{%- for i in range(3) %}\n  - id: a{{ i }}\n    name: A\n    service: s\n{%- endfor %}\n"
        "{# two\n lines #}\n  - {name: B, service: s, needs: [a0, a1, '{{ 'a' }}{{ 9 }}', nothing]}\n"
    )
    found = problems(text)
    assert [(problem.code, problem.line, problem.column) for problem in found] == [
        ("unknown_need", 9, 43),
        ("unknown_need", 9, 63),
    ]


def test_lines_inside_a_loop_are_told_once_with_their_number() -> None:
    text = (
        "tasks:\n{% for i in range(5) %}\n  - name: A{{ i }}\n    service: s\n    needs: [Z]\n{% endfor %}\n"
    )
    problem = one(text)
    assert (problem.code, problem.line, problem.column, problem.path) == (
        "unknown_need",
        5,
        13,
        "tasks[0].needs[0]",
    )
    assert "4 more like it" in problem.message


def test_a_cycle_is_shown_by_names() -> None:
    text = tasks(
        task("A", needs="[C]"), task("B", needs="[A]"), task("C", needs="[B]"), task("D", needs="[C]")
    )
    problem = one(text)
    assert (problem.code, problem.line) == ("cycle", 2)
    assert problem.message == "tasks wait for each other: A -> B -> C -> A"


def test_two_cycles_are_both_shown() -> None:
    text = tasks(
        task("A", needs="[B]"), task("B", needs="[A]"), task("C", needs="[D]"), task("D", needs="[C]")
    )
    assert [problem.message[-11:] for problem in problems(text)] == ["A -> B -> A", "C -> D -> C"]


def test_close_names_are_offered() -> None:
    assert (
        one("variables: {PROMPT: a}\n" + tasks(task("A", prompt='"{{ PROMT }}"'))).hint
        == "did you mean 'PROMPT'?"
    )
    assert one(tasks(task("CreateText"), task("B", needs="[CreateTxt]"))).hint == "did you mean 'CreateText'?"
    assert one("variabels: {}\n" + GOOD).hint == "did you mean 'variables'?"
    assert one(tasks(task("A", prompt='"{{ 1 | uper }}"'))).hint == "did you mean 'upper'?"


def test_all_unknown_variables_are_told_at_once() -> None:
    found = problems(
        tasks(task("A", prompt='"{{ X }} {{ Y }}"'), task("B", prompt='"{% if Z %}{{ X }}{% endif %}"'))
    )
    assert [(problem.code, problem.line) for problem in found] == [("unknown_variable", 4)] * 2 + [
        ("unknown_variable", 7)
    ] * 2


def test_a_missing_key_of_a_variable_names_it() -> None:
    problem = one("variables: {V: {a: 1}}\n" + tasks(task("A", prompt='"{{ V.b }}"')))
    assert (problem.code, problem.line) == ("unknown_variable", 5)
    assert "'b'" in problem.message


def test_request_variables_are_checked_against_the_defaults() -> None:
    text = "variables: {N: 1, S: a, B: true, F: 0.5, L: [], M: {}, X: null}\n" + GOOD
    found = problems(text, N=True, S=1, B=1, F="1", L={}, M=[], n_slides=1)
    assert [problem.code for problem in found] == ["wrong_type"] * 6 + ["unknown_variable"]
    assert [problem.path for problem in found][:2] == ["variables.N", "variables.S"]
    assert "N is an integer, not true" in found[0].message
    assert build(text, F=1, X=[1]).variables["F"] == 1
    assert one("variables: {N_SLIDES: 1}\n" + GOOD, N_SLIDE=2).hint == "did you mean 'N_SLIDES'?"


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        "\ud800",
        {"a": "\ud800"},
        {1: 2},
        (1,),
        object(),
        [[[float("nan")]]],
        {"\udfff": 1},
    ],
)
def test_only_json_comes_in(value: object) -> None:
    assert codes("variables: {X: null}\n" + GOOD, X=value) == {"not_json"}


def test_deep_values_are_refused() -> None:
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    assert codes("variables: {X: null}\n" + GOOD, X=deep) == {"not_json"}


def test_depth_and_size_of_the_text_are_bounded() -> None:
    assert codes(tasks(task("A", params="{a: " + "[" * 500 + "]" * 500 + "}"))) == {"too_deep"}
    assert codes(tasks(task("A", params="{a: " + "[" * 50 + "]" * 50 + "}"))[:-1] + "}") == {"yaml_syntax"}
    assert codes(GOOD + "#" * 300_000) == {"template_too_large"}
    long = "variables: {N: 1000}\n" + GOOD + "{% for i in range(N) %}# " + "x" * 1_000 + "\n{% endfor %}"
    assert codes(long, limits=Limits(max_output=500_000)) == {"output_too_large"}


def test_a_yaml_bomb_is_refused() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
        for old, new in ("ab", "bc", "cd")
    )
    assert "yaml_alias" in codes(bomb + GOOD)


def test_odd_scalars_stay_what_they_look_like() -> None:
    params = "{a: no, b: on, c: 2020-01-01, d: 12:30:45, e: 010, f: 1_000, g: 0x1F, h: 1e3, i: -0.5, j: ~, k: true, l: +3, m: '7', n: .5}"
    assert build(tasks(task("A", params=params))).tasks[0].fields["params"] == {
        "a": "no", "b": "on", "c": "2020-01-01", "d": "12:30:45", "e": "010", "f": "1_000", "g": "0x1F", "h": 1000.0, "i": -0.5,
        "j": None, "k": True, "l": 3, "m": "7", "n": 0.5,
    }  # fmt: skip


def test_variables_made_by_jinja_are_refused() -> None:
    assert codes("{% if false %}\nvariables: {A: 1}\n{% endif %}\n" + GOOD) == {"jinja_in_head"}
    assert codes("{% for i in [1] %}variables: {A: 1}{% endfor %}\n" + GOOD) == {"jinja_in_head"}


def test_an_own_id_made_by_another_expression_is_refused() -> None:
    assert "jinja_in_head" in codes("scenario_id: \"{{ 'a' ~ 'b' }}\"\n" + GOOD)


def test_an_id_inside_other_text_names_nothing() -> None:
    assert "id_in_text" in codes(tasks(task("A", id="\"x-{{ SHORT_UUID('A') }}\"")))


def test_a_problem_reads_well() -> None:
    with pytest.raises(TemplateError) as caught:
        build(tasks(task("A", needs="[B]"), task("Bb")))
    assert str(caught.value) == (
        "t.yml:4:13: error unknown_need: tasks[0].needs[0]: 'B' names no task of this scenario (did you mean 'Bb'?)"
    )


def test_windows_line_ends_and_a_byte_order_mark_are_no_problem() -> None:
    template = load_template("\ufeff" + GOOD.replace("\n", "\r\n"))
    assert "\r" not in template.text
