"""The end of a scenario: `finally` and `compensates`."""

from typing import Any

import pytest

from orchestrator.templates import Limits
from tests.unit.templates.build import build, by_key, edges, one, problems, task, tasks

FINALLY: dict[str, Any] = {"finally": "true"}
ALL_DONE = {"finally": 0, "all_done": True}


def undo(name: str, of: str, **more: str) -> str:
    """A task that undoes another."""
    return task(name, compensates=of, **more)


def waits(text: str, key: str) -> set[str]:
    """What a task waits for."""
    scenario = build(text)
    found = {before for before, after in edges(scenario) if after == key}
    assert by_key(scenario)[key].queue == len(found)
    return found


def test_a_finally_task_waits_for_every_ordinary_one_however_it_ends() -> None:
    text = tasks(task("A"), task("B", needs="A"), task("C"), task("F", **FINALLY))
    assert waits(text, "F") == {"A", "B", "C"}
    spec = by_key(build(text))["F"]
    assert (spec.rules, spec.on_ready) == (ALL_DONE, None)


def test_a_finally_task_that_only_waits_for_others_of_its_kind_keeps_its_join() -> None:
    text = tasks(
        task("A"),
        task("F", **FINALLY),
        task("G", needs="F", **FINALLY),
        task("H", needs="[F, G]", join="any_success", **FINALLY),
        task("I", needs="[F, A]", **FINALLY),
    )
    assert waits(text, "F") == {"A"}
    assert waits(text, "G") == {"F"}
    assert waits(text, "I") == {"A", "F"}
    rules = {key: spec.rules for key, spec in by_key(build(text)).items()}
    assert rules["G"] == {"finally": 1, "tolerated": True}  # H needs only one
    assert rules["H"] == {"finally": 2, "need": 1}
    assert rules["I"] == ALL_DONE | {"finally": 1}
    assert rules["A"] is None


def test_a_compensation_is_asked_about_and_knows_what_it_undoes() -> None:
    scenario = by_key(build(tasks(task("A"), undo("U", "A", charge_task_id="A"))))
    spec = scenario["U"]
    assert spec.rules == ALL_DONE | {"ask": True}
    assert spec.on_ready == {"compensates": scenario["A"].id}
    assert spec.fields == {"charge_task_id": scenario["A"].id}


def test_compensations_run_in_reverse_order_and_before_finally() -> None:
    text = tasks(
        task("A"),
        task("M", needs="A"),
        task("B", needs="M"),
        task("C", needs="[M, A]"),
        undo("UA", "A"),
        undo("UB", "B"),
        undo("UC", "C"),
        task("F", **FINALLY),
    )
    ordinary = {"A", "M", "B", "C"}
    assert waits(text, "UA") == {"UB", "UC"}
    assert waits(text, "UB") == waits(text, "UC") == ordinary
    assert waits(text, "F") == ordinary | {"UA", "UB", "UC"}


def test_only_the_nearest_compensations_wait_for_each_other() -> None:
    chain = [task("T0"), *(task(f"T{i}", needs=f"T{i - 1}") for i in range(1, 50))]
    text = tasks(*chain, *(undo(f"U{i}", f"T{i}") for i in range(50)))
    among = {(a, b) for a, b in edges(build(text)) if a.startswith("U")}
    assert among == {(f"U{i}", f"U{i - 1}") for i in range(1, 50)}


def test_a_task_may_have_several_compensations_and_each_copy_its_own() -> None:
    text = """
tasks:
{% for i in range(2) %}
  - {id: "charge_{{ i }}", name: Charge, service: s}
  - {id: "refund_{{ i }}", name: Refund, service: s, compensates: "charge_{{ i }}"}
{% endfor %}
  - {name: Tell, service: s, compensates: charge_0, needs: [refund_0]}
"""
    scenario = by_key(build(text))
    undone = {key: spec.on_ready["compensates"] for key, spec in scenario.items() if spec.on_ready}
    ids = {key: spec.id for key, spec in scenario.items()}
    assert undone == {"refund_0": ids["charge_0"], "refund_1": ids["charge_1"], "Tell": ids["charge_0"]}
    assert ("refund_0", "Tell") in edges(build(text))


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        (tasks(task("A", needs="[F]"), task("F", **FINALLY)), "tasks[0].needs", 4),
        (tasks(task("A", f_task_id="F"), task("F", **FINALLY)), "tasks[0].f_task_id", 4),
        (tasks(task("A"), task("F", consumers="[A]", **FINALLY)), "tasks[1].consumers", 6),
        (tasks(task("A", needs="[U]"), undo("U", "B"), task("B")), "tasks[0].needs", 4),
        (tasks(task("A"), undo("U", "A", needs="[F]"), task("F", **FINALLY)), "tasks[1].needs", 7),
        (tasks(task("A"), undo("U", "F"), task("F", **FINALLY)), "tasks[1].compensates", 6),
        (tasks(task("A"), undo("U", "U")), "tasks[1].compensates", 6),
    ],
)
def test_nothing_waits_for_what_comes_at_the_end(text: str, path: str, line: int) -> None:
    problem = one(text)
    assert (problem.code, problem.path, problem.line) == ("wrong_order", path, line)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (tasks(task("Charge"), undo("U", "Chrage")), "unknown_reference", "did you mean 'Charge'?"),
        (tasks(task("A", count="2"), undo("U", "A")), "ambiguous_reference", "names 2 tasks"),
        (tasks(task("A"), undo("U", "A", join="all_done")), "conflicting_fields", "do not go together"),
        (tasks(task("A"), undo("U", "A", **FINALLY)), "conflicting_fields", "do not go together"),
        (tasks(task("A"), task("F", join="any_success", **FINALLY)), "conflicting_fields", "until all have ended"),
        (tasks(task("A"), undo("U", "A", needs="V"), undo("V", "A", needs="U")), "cycle", "U -> V"),
    ],
)  # fmt: skip
def test_a_wrong_end_is_told(text: str, code: str, says: str) -> None:
    problem = one(text)
    assert problem.code == code
    assert says in f"{problem.message} {problem.hint}"


def test_a_request_may_take_the_end_away() -> None:
    text = "variables: {F: true}\n" + tasks(task("A"), task("B", needs="A", **{"finally": "{{ F }}"}))
    assert by_key(build(text))["B"].rules == ALL_DONE
    assert by_key(build(text, F=False))["B"].rules is None


def test_the_edges_of_the_end_count() -> None:
    text = tasks(task("A", count="100"), task("F", count="20", **FINALLY))
    assert len(edges(build(text))) == 2_000
    assert {problem.code for problem in problems(text, limits=Limits(max_edges=1_999))} == {"too_many_edges"}


def test_compensations_of_wide_layers_stay_within_the_limit_of_edges() -> None:
    text = """
tasks:
{% for i in range(300) %}
  - {id: "a{{ i }}", name: A, service: s, consumers: [hub]}
  - {id: "b{{ i }}", name: B, service: s, needs: [hub]}
  - {name: UA, service: s, compensates: "a{{ i }}"}
  - {name: UB, service: s, compensates: "b{{ i }}"}
{% endfor %}
  - {id: hub, name: Hub, service: s}
"""
    assert {problem.code for problem in problems(text)} == {"too_many_edges"}
