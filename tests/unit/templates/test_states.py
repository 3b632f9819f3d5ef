"""Templates with states: what they come to, and what is wrong with those that are wrong."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from orchestrator.templates import Limits, MachineSpec, TemplateError, generate, json_schema, load_template
from tests.unit.templates.build import NOW, SCENARIO, build, one, problems

PAGE = Path(__file__).parents[3] / "docs" / "state_machines.md"
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "durable" / "state_machine.yml"
ORDER = """
name: Order
variables: {ITEM: book, WAIT: 7d, N: 2}
services: {shop: {retry: 2}}
states:
  new: {on: {pay: paid, "draft:approve": paid}}
  paid:
    tasks:
      - {name: Pack, service: shop, count: {{ N }}, prompt: "{{ ITEM }}"}
      - {name: Ship, service: shop, pack_task_ids: Pack}
    then: sent
    otherwise: lost
  sent:
    tasks:
      - {name: Pack, service: shop}
    after: {delay: "{{ WAIT }}", to: done}
  done: {end: success}
  lost: {end: failed}
"""


def test_the_example_of_the_page_works() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert [state.name for state in machine(example).states] == [
        "new", "paid", "shipped", "refund", "closed", "cancelled"
    ]  # fmt: skip
    assert build(example).warnings == []


def machine(text: str, **more: Any) -> MachineSpec:
    found = build(text, **more).machine
    assert found is not None
    return found


def definition(text: str, **more: Any) -> dict[str, Any]:
    """States as the one task carries them."""
    (task,) = build(text, **more).tasks
    assert task.on_ready is not None
    found: dict[str, Any] = task.on_ready["machine"]
    return found


def test_one_task_carries_all_states() -> None:
    scenario = build(ORDER)
    (task,) = scenario.tasks
    assert (task.name, task.service, task.queue, task.consumers, task.fields) == (
        "machine",
        "orchestrator",
        0,
        [],
        {},
    )
    assert (task.rules, scenario.write_order, scenario.warnings) == ({"ask": True}, [0], [])


def test_states_lead_where_they_say() -> None:
    found = definition(ORDER)
    ways = {
        name: {key: value for key, value in state.items() if key not in ("tasks", "order")}
        for name, state in found["states"].items()
    }
    assert found["initial"] == "new"
    assert ways == {
        "new": {"on": {"pay": "paid", "draft:approve": "paid"}},
        "paid": {"then": "sent", "otherwise": "lost"},
        "sent": {"after": {"ms": 604_800_000, "to": "done"}},
        "done": {"end": "success"},
        "lost": {"end": "failed"},
    }


def test_each_state_has_tasks_and_names_of_its_own() -> None:
    paid = definition(ORDER)["states"]["paid"]
    ship, first, second = paid["tasks"]  # what waits comes first
    assert [task["key"] for task in paid["tasks"]] == ["Ship", "Pack_1", "Pack_2"]
    assert paid["order"] == [first["id"], second["id"], ship["id"]]
    assert ship["fields"] == {"pack_task_ids": [first["id"], second["id"]]}
    assert (ship["queue"], first["consumers"]) == (2, [ship["id"]])
    assert first["fields"] == {"prompt": "book", "index": 1}
    assert first["policy"]["max_attempts"] == 2
    assert [task["key"] for task in definition(ORDER)["states"]["sent"]["tasks"]] == ["Pack"]


def test_a_kept_plan_takes_the_values_of_each_request() -> None:
    assert [
        definition(ORDER, ITEM=item)["states"]["paid"]["tasks"][1]["fields"]["prompt"] for item in "ab"
    ] == ["a", "b"]
    assert [len(machine(ORDER, N=n).states[1].tasks) for n in (1, 4, 2)] == [2, 5, 3]
    assert [machine(ORDER, WAIT=wait).states[2].after_ms for wait in ("1s", "2s")] == [1_000, 2_000]


def test_the_first_state_may_be_named() -> None:
    assert (
        machine(ORDER.replace("states:", "initial: sent\nstates:", 1).replace("delay:", "delay:")).initial
        == "sent"
    )
    named = "variables: {START: b}\ninitial: {{ START }}\nstates: {a: {end: success}, b: {on: {go: a}}}"
    assert [machine(named, START=start).initial for start in ("b", "a")] == ["b", "a"]


def test_loops_and_conditions_of_jinja_make_the_tasks_of_a_state() -> None:
    text = """
variables: {N: 3, FAST: true}
states:
  works:
    tasks:
      {% for i in range(N) %}
      - {id: part_{{ i }}, name: Part, service: s}
      {% endfor %}
      {% if not FAST %}
      - {name: Check, service: s, needs: [Part]}
      {% endif %}
    then: done
  done: {end: success}
"""
    assert [len(machine(text, N=n, FAST=fast).states[0].tasks) for n, fast in ((3, True), (2, False))] == [
        3,
        3,
    ]


EVENT = """
states:
  idle: {on: {go: works}}
  works:
    tasks:
      - {name: A, service: s, foreach: {{ event.data.items }}, when: "event.name == 'go' and item.ok", prompt: "{{ event.by }}: {{ item.text }}"}
      - {name: B, service: s, needs: [A], params: {all: {{ event }}, a: {{ result('A') }}, c: {{ event.data['c'][0] | default(5) }}}}
    then: done
  done: {end: success}
"""


def test_tasks_of_a_state_may_use_its_event() -> None:
    b, a = definition(EVENT)["states"]["works"]["tasks"]
    assert a["on_ready"]["when"]["takes"] == [
        {"of": "event", "path": ["name"]},
        {"of": "item", "path": ["ok"]},
    ]
    assert a["on_ready"]["set"][1] == {
        "path": ["foreach"],
        "value": {"of": "event", "path": ["data", "items"]},
    }
    assert [binding.get("value") for binding in b["on_ready"]["set"]] == [
        {"of": "event"},
        {"of": "result", "word": "A", "ids": [a["id"]]},
        {"of": "event", "path": ["data", "c", 0], "default": 5},
    ]


def test_event_is_a_variable_where_it_is_declared() -> None:
    text = "variables: {event: party}\nstates: {a: {tasks: [{name: A, service: s, prompt: '{{ event }}', when: \"event == 'x'\"}], then: b}, b: {end: success}}"
    (task,) = definition(text)["states"]["a"]["tasks"]
    assert task["fields"]["prompt"] == "party"
    assert task["on_ready"]["when"]["takes"] == []


WRONG = [
    ("states: {}", "no_tasks", "states", 1),
    ("states: {a: {end: success}}\ntasks: [{name: A, service: s}]", "conflicting_fields", "states", 1),
    ("initial: a\ntasks: [{name: A, service: s}]", "conflicting_fields", "initial", 1),
    ("states: [a]", "wrong_type", "states", 1),
    ("states:\n  a: 5", "wrong_type", "states.a", 2),
    ("variables: {X: {}}\nstates:\n  a: {{ X }}\n  b: {end: success}\ninitial: b", "wrong_type", "states.a", 3),
    ("states:\n  a b: {end: success}", "bad_name", "states.a b", 2),
    ("states:\n  a: {on: {'x y': a}}", "bad_name", "states.a.on.x y", 2),
    ("states:\n  a: {on: {x: b}}\n  c: {end: success}\ninitial: c", "unknown_state", "states.a.on.x", 2),
    ("states:\n  closed: {end: success}\n  a: {after: {1d: close}}\ninitial: a", "unknown_state", "states.a.after.1d", 3),
    ("states:\n  a: {after: {delay: 1d, to: b}}", "unknown_state", "states.a.after.to", 2),
    ("states:\n  a: {end: success}\ninitial: b", "unknown_state", "initial", 3),
    ("states:\n  a: {}", "dead_end", "states.a", 2),
    ("states:\n  a:\n    tasks: [{name: A, service: s}]\n    otherwise: a", "dead_end", "states.a", 3),
    ("states:\n  a: {end: success, on: {x: a}}", "conflicting_fields", "states.a.on", 2),
    ("states:\n  a: {then: a}", "missing_field", "states.a.then", 2),
    ("states:\n  a: {end: done}", "wrong_type", "states.a.end", 2),
    ("states:\n  a: {after: {1d: a, 2d: a}}", "wrong_type", "states.a.after", 2),
    ("states:\n  a: {after: {0s: a}}", "wrong_type", "states.a.after.delay", 2),
    ("states:\n  a: {on: {x: a}, next: a}", "unknown_field", "states.a.next", 2),
    ("states:\n  a: {tasks: [], then: a}", "no_tasks", "states.a.tasks", 2),
    ("states:\n  a:\n    then: a\n    tasks:\n      - {name: A, service: s, needs: [B]}", "unknown_need", "states.a.tasks[0].needs[0]", 5),
    ("states:\n  a:\n    then: a\n    tasks:\n      - {name: A, service: s, finally: true}", "conflicting_fields", "states.a.tasks[0].finally", 5),
    ("states:\n  a:\n    then: a\n    tasks:\n      - {name: A, service: s}\n      - {name: B, service: s, compensates: A}", "conflicting_fields", "states.a.tasks[1].compensates", 6),
    ("states:\n  a:\n    then: a\n    tasks:\n      - {name: A, service: s, prompt: \"{{ event.amount }}\"}", "unknown_variable", "states.a.tasks[0].prompt", 5),
    ("states:\n  a:\n    then: a\n    tasks:\n      - {name: A, service: s, when: event.amount > 5}", "unknown_variable", "states.a.tasks[0].when", 5),
    ("states:\n  a:\n    then: \"{{ event.name }}\"\n    tasks:\n      - {name: A, service: s}", "known_at_run_time", "states.a.then", 3),
    ("states:\n  a:\n    then: a\n    tasks:\n      - {name: A, service: s, count: 0}", "no_tasks", "states.a.tasks", 5),
    ("variables: {X: [{name: A, service: s}]}\nstates:\n  a: {then: a, tasks: {{ X }}}", "wrong_type", "states.a.tasks", 3),
    ("variables: {X: [{name: A, service: s}]}\ntasks: {{ X }}", "wrong_type", "tasks", 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "path", "line"), WRONG)
def test_what_is_wrong_is_told_with_its_place(text: str, code: str, path: str, line: int) -> None:
    found = [problem for problem in problems(text) if problem.severity == "error"]
    assert [(problem.code, problem.path, problem.line) for problem in found] == [(code, path, line)]


def test_the_closest_state_is_proposed() -> None:
    found = one("states:\n  closed: {end: success}\n  a: {after: {1d: close}}\ninitial: a")
    assert found.hint == "did you mean 'closed'?"
    assert found.column == 19


def test_tasks_of_one_state_cannot_need_those_of_another() -> None:
    text = ORDER.replace("- {name: Pack, service: shop}\n", "- {name: Pack, service: shop, needs: [Ship]}\n")
    assert one(text).path == "states.sent.tasks[0].needs[0]"


def test_a_state_that_nothing_leads_to_is_a_warning() -> None:
    text = "states:\n  a: {end: success}\n  b: {on: {x: c}}\n  c: {on: {x: b}}"
    assert [(w.code, w.path, w.line) for w in build(text).warnings] == [
        ("unreachable_state", "states.b", 3), ("unreachable_state", "states.c", 4)
    ]  # fmt: skip
    with pytest.raises(TemplateError):
        build(text, strict=True)


def test_a_service_that_no_state_uses_is_a_warning() -> None:
    found = build("services: {shop: {retry: 1}, bank: {retry: 1}}" + ORDER.split("services: {shop: {retry: 2}}")[1]
        .replace("{{ N }}", "2").replace("{{ ITEM }}", "i").replace("{{ WAIT }}", "1s"))  # fmt: skip
    assert [(w.code, w.path) for w in found.warnings] == [("unknown_service", "services.bank")]


def test_all_states_together_have_a_limit() -> None:
    assert build(ORDER, limits=Limits(max_tasks=4)).machine
    assert one(ORDER, limits=Limits(max_tasks=3)).code == "too_many_tasks"


def test_events_are_unknown_where_there_are_no_states() -> None:
    assert one('tasks: [{name: A, service: s, prompt: "{{ event.by }}"}]').code == "unknown_variable"
    text = "tasks:\n- name: A\n  service: s\n  prompt: |\n   {{ event.by }}\n"
    assert one(text).hint == "it is known in the tasks of `states`"


def test_unknown_variables_leave_the_states_to_be_looked_at() -> None:
    text = "variables: {}\nstates:\n  a:\n    description: '{{ X }}'\n    on: {go: b}\n    then: a\n"
    assert {problem.code for problem in problems(text)} == {
        "unknown_variable",
        "unknown_state",
        "missing_field",
    }


def test_the_schema_takes_the_example_and_refuses_what_is_wrong() -> None:
    validator = jsonschema_rs.validator_for(json_schema())
    text = EXAMPLE.read_text("utf-8")
    # Editors see the file before it is rendered.
    plain = yaml.load(text.replace("{{ result('Pack').parcel }}", "1"), Loader=yaml.BaseLoader)
    assert not [error.message for error in validator.iter_errors(plain)]
    wrong: list[dict[str, Any]] = [
        {"states": {"a": {"end": "x"}}},
        {"states": {"a": {"foo": 1}}},
        {"states": {}},
        {"name": "A"},
        {"tasks": [{"name": "A", "service": "s"}], "states": {"a": {"end": "success"}}},
    ]
    assert not [one for one in wrong if validator.is_valid(one)]


SUB = """
variables: {INNER: Episode}
states:
  a:
    tasks:
      - {name: Film, scenario: "{{ INNER }}"}
    then: b
  b: {end: success}
"""


def test_a_scenario_that_a_task_runs_must_exist() -> None:
    template = load_template(SUB, file="t.yml")

    def made(inner: str) -> object:
        names = ["Episode", "ScenarioCreateVideo"]
        variables = {"INNER": inner}
        return generate(template, scenario_id=SCENARIO, variables=variables, now=NOW, templates=names)

    for name in ("Episode", "CreateVideo", "ScenarioCreateVideo", "ScenarioEpisode"):
        assert made(name)
    with pytest.raises(TemplateError) as caught:
        made("Episodes")
    (problem,) = caught.value.problems
    assert (problem.code, problem.path, problem.line, problem.column) == (
        "unknown_template",
        "states.a.tasks[0].scenario",
        6,
        32,
    )
    assert problem.hint == "did you mean 'Episode'?"
    assert build(SUB, INNER="Nobody"), "unchecked when nobody knows which there are"
