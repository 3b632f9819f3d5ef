"""Values of a request arrive byte for byte, and never become structure."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.templates import generate, load_template
from orchestrator.templates.state import END, LINE_END, PREFIX
from tests.unit.templates.build import NOW, SCENARIO

TEMPLATE = load_template(
    """
variables: {PROMPT: '', LIST: [], ANY: null}
tasks:
  - name: A
    service: s
    prompt: "{{ PROMPT }}"
    plain: {{ PROMPT }}
    mixed: "<{{ PROMPT }}|{{ PROMPT }}>"
    block: |
      first {{ PROMPT }}
      second {{ PROMPT }}
    folded_plain: {{ PROMPT }} and {{ PROMPT }}
    single: '{{ PROMPT }}'
    flow: [{{ PROMPT }}, "{{ PROMPT }}", {{ ANY }}]
    some_id: "{{ PROMPT }}"
    params:
      list: {{ LIST }}
      any: {{ ANY }}
      nested: {deep: [{{ PROMPT }}]}
{%- for item in LIST %}
  - name: B
    service: s
    needs: [A]
    prompt: "{{ item }}"  # {{ item }}
    joined: "{{ 'x' ~ item }}"
{%- endfor %}
"""
)

LOOKS = [
    "{{ 7*7 }}", "{% for x in y %}", "{# c #}", '"', "'", "\n", "\r\n", "\u2028", "\x00", "\ufeff", ": ", " #", "- ", "\t", "&a", "*a",
    "!!python/object", "|\n", ">", "%YAML", "---\n", "...\n", "A", "B", "B_1", SCENARIO, PREFIX, END, LINE_END, f"{PREFIX}0{END}",
    f"{PREFIX}1{LINE_END}", '"\n  - name: Evil\n    service: admin\n    prompt: "', "tasks:\n  - name: Evil\n    service: admin\n",
]  # fmt: skip
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.sampled_from(LOOKS), max_size=6).map("".join),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53) + 1, 2**53 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


def check(prompt: str, items: list[str], anything: Any) -> None:
    variables = {"PROMPT": prompt, "LIST": items, "ANY": anything}
    scenario = generate(TEMPLATE, scenario_id=SCENARIO, variables=variables, now=NOW)
    assert [(task.name, task.service, task.queue) for task in scenario.tasks] == [("A", "s", 0)] + [
        ("B", "s", 1)
    ] * len(items)
    assert scenario.variables == variables
    assert scenario.tasks[0].fields == {
        "prompt": prompt,
        "plain": prompt,
        "mixed": f"<{prompt}|{prompt}>",
        "block": f"first {prompt}\nsecond {prompt}\n",
        "folded_plain": f"{prompt} and {prompt}",
        "single": prompt,
        "flow": [prompt, prompt, anything],
        "some_id": prompt,
        "params": {"list": items, "any": anything, "nested": {"deep": [prompt]}},
    }
    for task, item in zip(scenario.tasks[1:], items, strict=True):
        assert task.fields == {"prompt": item, "joined": f"x{item}"}


@settings(max_examples=300, deadline=None)
@given(prompt=TEXT, items=st.lists(TEXT, max_size=3), anything=JSON)
def test_any_text_arrives_byte_for_byte(prompt: str, items: list[str], anything: Any) -> None:
    check(prompt, items, anything)


# Without their texts in the names of the tests: those differ from run to run.
@pytest.mark.parametrize("look", LOOKS, ids=range(len(LOOKS)))
def test_what_looks_like_structure_is_text(look: str) -> None:
    check(look, [look, look], {look: [look]})


def test_types_survive_exactly() -> None:
    for value in (1, 1.0, True, "1", None, [1, 1.0, True]):
        scenario = generate(TEMPLATE, scenario_id=SCENARIO, variables={"ANY": value}, now=NOW)
        assert repr(scenario.tasks[0].fields["params"]["any"]) == repr(value)


def test_an_id_that_a_user_guessed_is_still_only_text() -> None:
    guessed = generate(TEMPLATE, scenario_id=SCENARIO, variables={}, now=NOW).tasks[0].id
    check(guessed, [guessed], guessed)
