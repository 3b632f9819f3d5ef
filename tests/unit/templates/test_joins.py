"""Which of the tasks waited for must have succeeded, and whose failure fails nothing."""

from typing import Any

import pytest

from tests.unit.templates.build import build, by_key, one, task, tasks


def rules(text: str, **variables: Any) -> dict[str, Any]:
    """Rules of the tasks that have some."""
    return {key: spec.rules for key, spec in by_key(build(text, **variables)).items() if spec.rules}


@pytest.mark.parametrize(
    ("join", "said"),
    [
        ("all_success", None),
        ("any_success", {"need": 1}),
        ("all_done", {"all_done": True}),
        ("{at_least: 2}", {"need": 2}),
        ('{at_least: "{{ N }}"}', {"need": 2}),
        ('"{{ J }}"', {"need": 1}),
    ],
)
def test_a_join_says_how_many(join: str, said: dict[str, Any] | None) -> None:
    text = "variables: {N: 2, J: any_success}\n" + tasks(
        task("A"), task("B"), task("C", needs="[A, B]", join=join)
    )
    assert rules(text).get("C") == said


def test_the_values_of_a_request_choose_the_join() -> None:
    text = "variables: {N: 2}\n" + tasks(
        task("A", count="3"), task("B", needs="A", join='{at_least: "{{ N }}"}')
    )
    assert [rules(text, N=n)["B"] for n in (1, 3, 2)] == [{"need": 1}, {"need": 3}, {"need": 2}]


def test_a_failure_is_tolerated_when_all_that_wait_need_only_some() -> None:
    text = tasks(
        task("A"),
        task("B"),
        task("C"),
        task("D"),
        task("Some", needs="[A, B, C]", join="{at_least: 2}"),
        task("Any", needs="[A]", join="any_success"),
        task("All", needs="[B]"),
        task("Done", needs="[C]", join="all_done"),
    )
    assert {key for key, said in rules(text).items() if "tolerated" in said} == {"A"}


def test_the_failure_of_a_chain_is_that_of_its_last_task() -> None:
    text = tasks(
        task("A"),
        task("B", needs="A"),
        task("C"),
        task("J", needs="[B, C]", join="any_success"),
        task("D"),
        task("E", needs="D"),
        task("F", needs="[C, E]", join="all_done"),
    )

    assert {key for key, said in rules(text).items() if "tolerated" in said} == {"A", "B"}


def test_an_optional_task_is_more_than_tolerated() -> None:
    text = tasks(task("A", optional="true"), task("B", needs="[A]", join="any_success"))
    assert rules(text) == {"A": {"optional": True}, "B": {"need": 1}}


def test_a_flag_may_come_from_a_request() -> None:
    text = "variables: {O: true}\n" + tasks(task("A", optional='"{{ O }}"'), task("B", optional="{{ O }}"))
    assert rules(text) == {"A": {"optional": True}, "B": {"optional": True}}
    assert rules(text, O=False) == {}


@pytest.mark.parametrize(
    ("join", "line", "code"),
    [
        ("some", 8, "wrong_type"),
        ("{at_least: 0}", 8, "wrong_type"),
        ("{at_least: 1, of: 2}", 8, "wrong_type"),
        ("{at_least: 3}", 8, "impossible_join"),
    ],
)
def test_a_join_that_cannot_be_is_an_error(join: str, line: int, code: str) -> None:
    problem = one(tasks(task("A"), task("B"), task("C", join=join, needs="[A, B]")))
    assert (problem.code, problem.line, problem.path.split(".")[1]) == (code, line, "join")


def test_a_join_of_nothing_is_a_warning_and_changes_nothing() -> None:
    text = "variables: {N: 0}\n" + tasks(
        task("A", count="{{ N }}"), task("B", needs="A", join="{at_least: 2}")
    )
    built = build(text)
    [warning] = built.warnings
    assert (warning.code, warning.line) == ("useless_join", 9)
    assert built.tasks[0].rules is None
    assert one(text, N=1).code == "impossible_join"


def test_an_optional_flag_is_true_or_false() -> None:
    assert one(tasks(task("A", optional="3"))).message == "`optional` is true or false, not 3"
