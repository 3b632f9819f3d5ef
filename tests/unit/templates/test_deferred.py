"""Results of other tasks in a template: known names, checked places, and what comes out of generation."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from orchestrator.templates import Registry, TaskSpec, TemplateError, generate, load_template
from orchestrator.templates.runtime import Known, gate_of, items, passes, resolved, variables_of
from tests.unit.templates.build import NOW, SCENARIO, build, by_key, one, problems, task, tasks
from tests.unit.templates.test_injection import JSON, LOOKS, TEXT

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "durable"
UP = task("A") + task("B", needs="[A]")


def last(text: str, **variables: Any) -> TaskSpec:
    return build(text, **variables).tasks[-1]


def after(value: str, *, field: str = "x", head: str = "") -> TaskSpec:
    """The last of three tasks in a row, with this field."""
    return last(head + tasks(UP, task("C", needs="[B]", **{field: value})))


def refused(value: str, *, field: str = "x", head: str = "") -> tuple[str, str, int]:
    """Code, hint and line of what is said about this field of the last of three tasks in a row."""
    problem = one(head + tasks(UP, task("C", needs="[B]", **{field: value})))
    return problem.code, problem.hint, problem.line


def bindings(spec: TaskSpec) -> list[Any]:
    assert spec.on_ready is not None
    assert spec.rules is not None
    assert spec.rules["ask"] is True
    found: list[Any] = spec.on_ready["set"]
    return found


def source_of(spec: TaskSpec) -> dict[str, Any]:
    [binding] = bindings(spec)
    found: dict[str, Any] = binding["value"]
    return found


def test_a_value_alone_is_bound_with_its_type() -> None:
    spec = after("{{ result('B').parts[0]['a b'][-1] }}")
    id_of_b = build(tasks(UP)).tasks[1].id

    assert spec.fields == {"x": None}
    assert bindings(spec) == [
        {
            "path": ["fields", "x"],
            "value": {"of": "result", "word": "B", "ids": [id_of_b], "path": ["parts", 0, "a b", -1]},
        }
    ]


def test_a_value_in_text_is_bound_as_text_beside_the_values_of_the_request() -> None:
    text = "variables: {P: hi}\n" + tasks(
        UP, task("C", needs="[B]", prompt="'{{ P }}, {{ result(\"A\").t }} and {{ 7 }}'", other="'{{ P }}'")
    )
    spec = last(text, P="{{ result('A') }}")

    assert spec.fields == {"prompt": None, "other": "{{ result('A') }}"}
    [binding] = bindings(spec)
    assert binding["text"][:2] == ["{{ result('A') }}", ", "]
    assert binding["text"][2]["path"] == ["t"]
    assert binding["text"][3:] == [" and ", "7"]


def test_a_prompt_is_text_even_when_the_quotes_are_left_out() -> None:
    spec = after("{{ result('A') }}", field="prompt")
    known = {id_: Known("success", {"a": 1}, "") for id_ in spec.on_ready["set"][0]["text"][0]["ids"]}  # type: ignore[index]

    assert resolved(spec.on_ready or {}, known, spec.fields) == {"prompt": '{"a":1}'}


def test_deep_in_params_only_that_place_waits() -> None:
    spec = after("{a: [1, {{ result('A') }}], b: {c: \"<{{ result_ref('B') }}>\", d: 2}}", field="params")

    assert spec.fields == {"params": {"a": [1, None], "b": {"c": None, "d": 2}}}
    paths = [binding["path"] for binding in bindings(spec)]
    assert paths == [["fields", "params", "a", 1], ["fields", "params", "b", "c"]]


def test_one_word_for_several_tasks_gives_them_in_document_order() -> None:
    scenario = build(tasks(task("D", count="3"), task("E", needs="[D]", x="{{ result('D') }}")))
    source = source_of(scenario.tasks[-1])

    assert source["many"] is True
    assert source["ids"] == [spec.id for spec in scenario.tasks[:3]]


@pytest.mark.parametrize(("word", "many"), [("result", None), ("results", True)])
def test_results_is_a_list_even_of_one(word: str, many: bool | None) -> None:
    assert source_of(after(f"{{{{ {word}('B') }}}}")).get("many") is many


def test_a_local_id_names_one_of_them() -> None:
    text = tasks(task("D", id="d", count="2"), task("E", needs="[d]", x="{{ result('d_2') }}"))
    scenario = build(text)

    assert source_of(scenario.tasks[-1])["ids"] == [scenario.tasks[1].id]


def test_short_uuid_names_a_task_too() -> None:
    assert source_of(after("{{ result(SHORT_UUID('B')) }}"))["word"] == "B"


@pytest.mark.parametrize(
    ("filter_", "more"),
    [
        ("default('none')", {"default": "none"}),
        ("d([])", {"default": []}),
        ("default(0, true)", {"default": 0, "or_empty": True}),
    ],
)
def test_a_default_travels_with_it(filter_: str, more: dict[str, Any]) -> None:
    source = source_of(after(f"{{{{ result('A').x | {filter_} }}}}"))
    assert {name: source[name] for name in ("default", "or_empty") if name in source} == more


def test_set_and_conditions_known_at_generation_work_on_the_way() -> None:
    text = (
        "variables: {F: true}\n{% set t = result('A').t %}{% set ns = namespace(r=result('B')) %}\n"
        + tasks(UP, task("C", needs="[B]", x="{{ t.u if F else 5 }}", y="{{ ns.r['v'] }}"))
    )
    assert [binding["value"]["path"] for binding in bindings(last(text))] == [["t", "u"], ["v"]]
    assert last(text, F=False).fields == {"x": 5, "y": None}
    assert [binding["value"]["path"] for binding in bindings(last(text, F=True))] == [["t", "u"], ["v"]]


@pytest.mark.parametrize(
    "expression",
    [
        "result('A') + 1", "1 + result('A')", "result('A') * 2", "-result('A')", "result('A') ~ 'x'", "result('A') == 1",
        "1 < result('A')", "not result('A')", "result('A') and 1", "1 if result('A') else 2", "result('A') in [1]",
        "1 in result('A')", "result('A') is none", "result('A') is defined", "result('A') is mapping", "result('A') | length",
        "result('A') | upper", "result('A') | int", "result('A') | float", "result('A') | tojson", "result('A') | round",
        "result('A') | abs", "result('A') | dictsort", "[result('A')] | join", "[2, result('A')] | sort", "[result('A')] == [1]",
        "[result('A')]", "{'a': result('A')}", "{result('A'): 1}", "'abc'[result('A')]", "'abc'[result('A'):]", "result('A')[1:]",
        "result('A')[result('B')]", "'a'.replace('a', result('A'))", "SHORT_UUID(result('A'))", "range(result('A'))",
        "result(result('A'))", "dict(a=1).get(result('A'))", "result('A')()", "result('A') | default(result('B'))", "result('A') ** 2",
        "result('A') % 2", "'%s' % result('A')", "result('A') // 2", "[1, 2] | sum(start=result('A'))", "result('A') | items | list", "result('A') | first", "result('A') | map('upper') | list",
        "[1] | select('eq', result('A')) | list", "result('A') | list",
    ],
)  # fmt: skip
def test_any_other_use_is_told_with_its_line(expression: str) -> None:
    code, _, line = refused(f"{{{{ {expression} }}}}")
    assert (code, line) in (("known_at_run_time", 10), ("bad_expression", 10))


@pytest.mark.parametrize(
    ("block", "hint"),
    [
        ("{% for x in result('A') %}{% endfor %}", "foreach"),
        ("{% if result('A').ok %}{% endif %}", "when"),
        ("{% set x %}{{ result('A') }}{% endset %}", "macro"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{% set y = m(result('A')) %}", "macro"),
    ],
)
def test_blocks_cannot_use_it_and_say_what_can(block: str, hint: str) -> None:
    code, said, line = refused("1", head=f"# first\n{block}\n")
    assert code == "known_at_run_time"
    assert hint in said
    assert line == 2


@pytest.mark.parametrize("part", ["_a", "__class__"])
@pytest.mark.parametrize("form", ["result('A').{}", "result('A')['{}']"])
def test_underscores_are_refused(form: str, part: str) -> None:
    assert refused(f"{{{{ {form.format(part)} }}}}")[0] == "not_allowed"


@pytest.mark.parametrize(
    "expression", ["result_ref('A').x", "status('A')[0]", "result('A')[1.5]", "result('A')[true]", "(result('A') | d(1)).x"]
)  # fmt: skip
def test_what_has_no_parts_has_none(expression: str) -> None:
    assert refused(f"{{{{ {expression} }}}}")[0] == "bad_expression"


def test_a_way_has_an_end() -> None:
    assert refused(f"{{{{ result('A'){'.a' * 33} }}}}")[0] == "too_deep"


@pytest.mark.parametrize(
    "fields",
    [
        {"service": "'{{ result(\"A\") }}'"}, {"name": "{{ result('A') }}"}, {"id": "{{ result('A') }}"}, {"count": "{{ result('A') }}"},
        {"needs": "[B, {{ result('A') }}]"}, {"consumers": "{{ result('A') }}"}, {"retry": "{max_attempts: {{ result('A') }}}"},
        {"timeout": "{{ result('A') }}"}, {"priority": "{{ result('A') }}"}, {"concurrency": "{max: 2, key: 'u{{ result(\"A\") }}'}"},
        {"delay": "{{ result('A') }}"}, {"join": "{{ result('A') }}"}, {"x_task_id": "{{ result('A') }}"},
        {"x_task_ids": "[B, {{ result('A') }}]"},
    ],
)  # fmt: skip
def test_nothing_that_shapes_the_scenario_may_wait(fields: dict[str, str]) -> None:
    given = {"service": "s", "name": "C", "needs": "[B]"} | fields
    spec = "  - a: 1\n" + "".join(f"    {name}: {value}\n" for name, value in given.items())
    found = problems(tasks(UP, spec))

    assert [problem.code for problem in found] == ["known_at_run_time"]
    assert found[0].line == 8 + list(given).index(next(iter(fields)))


def test_neither_may_the_head() -> None:
    assert one("description: {{ result('A') }}\n" + tasks(task("A"))).code == "known_at_run_time"


def test_a_field_that_may_name_tasks_may_hold_a_result() -> None:
    spec = after("{{ result('A').voice }}", field="voice_id")
    assert spec.fields == {"voice_id": None}
    assert bindings(spec)[0]["path"] == ["fields", "voice_id"]

    mixed = after("[B, \"{{ result('A').x }}\"]", field="part_ids")
    assert mixed.fields["part_ids"] == [build(tasks(UP)).tasks[1].id, None]
    assert bindings(mixed)[0]["path"] == ["fields", "part_ids", 1]


def test_one_plan_serves_requests_that_take_the_same_results_only() -> None:
    text = "variables: {W: A, P: x}\n" + tasks(
        UP, task("C", needs="[B]", x="{{ result(W)[P] | d(P) }}", y="{{ result('A') if P == 'x' else 5 }}")
    )
    first, second, third = last(text), last(text, W="B"), last(text, P="z")

    assert source_sets(first) == [("A", ["x"], "x"), ("A", None, None)]
    assert source_sets(second) == [("B", ["x"], "x"), ("A", None, None)]
    assert source_sets(third) == [("A", ["z"], "z")]
    assert third.fields["y"] == 5
    assert one(text, W="Nope").code == "unknown_reference"


def source_sets(spec: TaskSpec) -> list[tuple[Any, Any, Any]]:
    return [tuple(map(binding["value"].get, ("word", "path", "default"))) for binding in bindings(spec)]


def test_a_template_without_results_asks_nobody() -> None:
    spec = last(tasks(UP))
    assert (spec.rules, spec.on_ready) == (None, None)


@pytest.mark.parametrize("name", ["item", "index", "result", "result_ref", "results", "status"])
def test_the_words_may_be_taken_for_loops_and_variables(name: str) -> None:
    loop = f"{{% for {name} in [1, 2] %}}\n" + task("A", x=f"{{{{ {name} }}}}") + "{% endfor %}\n"
    assert [spec.fields["x"] for spec in build(tasks(loop)).tasks] == [1, 2]

    variable = f"variables: {{{name}: 3}}\n" + tasks(task("A", x=f"{{{{ {name} }}}}"))
    assert build(variable).tasks[0].fields == {"x": 3}


@pytest.mark.parametrize("name", ["item", "index"])
def test_without_foreach_there_is_no_item(name: str) -> None:
    alone = tasks(task("A", x=f"{{{{ {name} }}}}"))
    assert one(alone).code == "unknown_variable"
    assert "foreach" in one(alone).hint
    with pytest.raises(TemplateError):
        load_template(alone)
    elsewhere = tasks(task("A", foreach="[1]"), task("B", x=f"{{{{ {name} }}}}"))
    assert one(elsewhere).line == 7
    assert one(tasks(task("A", foreach=f"{{{{ {name} }}}}"))).code == "unknown_variable"


def test_foreach_goes_over_results_lists_and_values() -> None:
    fields = {"x": "{{ item.a[0] }}", "y": "'{{ index }} of {{ LIST | length }}: {{ item }}'"}
    head = "variables: {LIST: [1, {b: 2}]}\n"
    for value, expected in (
        ("{{ result('A').parts }}", ["from A"]),
        ("{{ LIST }}", [1, {"b": 2}]),
        ("[a, \"{{ result('A').parts[0] }}\", {{ LIST[1].b }}]", ["a", "from A", 2]),
        ("[]", []),
    ):
        spec = last(head + tasks(task("A"), task("B", needs="[A]", foreach=value, **fields)))
        known = {build(tasks(task("A"))).tasks[0].id: Known("success", {"parts": ["from A"]}, "")}
        assert spec.fields == {"x": None, "y": None}
        assert items(spec.on_ready or {}, known) == expected
        child = resolved(spec.on_ready or {}, known, spec.fields, item={"a": [7]}, index=3)
        assert child == {"x": 7, "y": '3 of 2: {"a":[7]}'}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("'{{ result(\"A\") }}'", "wrong_type"), ("5", "wrong_type"), ("abc", "wrong_type"), ("{a: 1}", "wrong_type"),
        ("{{ 5 }}", "wrong_type"), ("{{ result_ref('A') }}", "wrong_type"), ("{{ status('A') }}", "wrong_type"),
        ("{{ range(10001) | list }}", "too_many_tasks"),
    ],
)  # fmt: skip
def test_foreach_over_anything_else_is_told(value: str, code: str) -> None:
    assert refused(value, field="foreach")[0] == code


def test_gates_and_sub_scenarios_take_results() -> None:
    text = tasks(
        task("A"),
        "  - name: G\n    needs: [A]\n    gate: {title: \"Ok {{ result('A').t }}?\", draft: {{ result('A') }}, quorum: 2}\n",
        "  - name: S\n    needs: [G]\n    scenario: Other\n    variables: {X: {{ result('G') }}, Y: [1, \"{{ result('A').t }}\"]}\n",
        "  - name: W\n    needs: [G]\n    scenario: Other\n    variables: {{ result('G') }}\n",
    )
    scenario = by_key(build(text))
    known = {
        scenario["A"].id: Known("success", {"t": "T"}, ""),
        scenario["G"].id: Known("success", {"d": 1}, ""),
    }

    gate = gate_of(scenario["G"].on_ready or {}, known)
    assert (gate["title"], gate["draft"], gate["quorum"]) == ("Ok T?", {"t": "T"}, 2)
    assert variables_of(scenario["S"].on_ready or {}, known) == {"X": {"d": 1}, "Y": [1, "T"]}
    assert variables_of(scenario["W"].on_ready or {}, known) == {"d": 1}


@pytest.mark.parametrize("field", ["who: \"{{ result('A').u }}\"", "deadline: \"{{ result('A').u }}\""])
def test_who_decides_and_until_when_cannot_wait(field: str) -> None:
    text = tasks(task("A"), f"  - name: G\n    needs: [A]\n    gate: {{{field}}}\n")
    assert one(text).code == "known_at_run_time"


TEMPLATE = load_template(
    """
variables: {PROMPT: '', ANY: null, LIST: []}
tasks:
  - {name: A, service: s}
  - name: B
    service: s
    needs: [A]
    prompt: "{{ PROMPT }}|{{ result('A').t }}|{{ PROMPT }}"
    plain: {{ PROMPT }}
    params: {any: {{ ANY }}, r: {{ result('A').t }}, deep: [{{ LIST }}, "{{ PROMPT }}{{ result('A').t | d(ANY) }}"]}
    when: "PROMPT == PROMPT and (ANY == ANY) and result('A').t is defined"
    foreach: {{ [PROMPT, ANY, LIST] }}
"""
)


@settings(max_examples=200, deadline=None)
@given(prompt=TEXT, anything=JSON, result=TEXT)
def test_text_of_users_and_results_arrives_byte_for_byte(prompt: str, anything: Any, result: str) -> None:
    check(prompt, anything, result)


LOOK_ALIKES = [
    *LOOKS, "{{ result('A').t }}", "result('A')", '{"of": "result", "ids": [], "word": "A"}', "item", "{{ item }}",
]  # fmt: skip


# Without their texts in the names of the tests: those differ from run to run.
@pytest.mark.parametrize("look", LOOK_ALIKES, ids=range(len(LOOK_ALIKES)))
def test_nothing_that_looks_like_a_binding_is_one(look: str) -> None:
    binding = {"of": "result", "word": "A", "ids": ["x"], "path": ["fields"], "value": look, "text": [look]}
    check(look, binding, look)
    check(look, [binding, {"set": [binding]}], look)


def check(prompt: str, anything: Any, result: str) -> None:
    variables = {"PROMPT": prompt, "ANY": anything, "LIST": [prompt]}
    scenario = generate(TEMPLATE, scenario_id=SCENARIO, variables=variables, now=NOW)
    first, second = scenario.tasks
    on_ready = json.loads(json.dumps(second.on_ready))
    known = {first.id: Known("success", {"t": result}, "")}
    fields = second.fields | resolved(on_ready, known, second.fields)

    assert fields == {
        "prompt": f"{prompt}|{result}|{prompt}",
        "plain": prompt,
        "params": {"any": anything, "r": result, "deep": [[prompt], prompt + result]},
    }
    assert items(on_ready, known) == [prompt, anything, [prompt]]
    assert passes(on_ready, known)


def test_the_examples_generate_without_a_warning() -> None:
    registry = Registry([EXAMPLES])
    for name in ("Results", "When", "Foreach"):
        scenario = generate(registry.get(name), scenario_id=SCENARIO, variables={}, now=NOW, strict=True)
        assert any(spec.on_ready for spec in scenario.tasks)
