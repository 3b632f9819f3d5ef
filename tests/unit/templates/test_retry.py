"""`retry` of a task: its forms, and what is said about a wrong one."""

from typing import Any

import pytest

from tests.unit.templates.build import build, one, task, tasks

DEFAULTS: dict[str, Any] = {
    "max_attempts": 3, "delay_ms": 1_000, "factor": 2.0, "max_delay_ms": 600_000, "jitter": True, "max_crashes": None, "only": None,
    "never": [],
}  # fmt: skip


def policy(retry: str, head: str = "", **variables: Any) -> dict[str, Any] | None:
    """Policy of the only task."""
    [spec] = build(head + tasks(task("A", retry=retry)), **variables).tasks
    assert spec.fields == {}
    return spec.policy


@pytest.mark.parametrize(
    ("retry", "said"),
    [
        ("4", {"max_attempts": 4}),
        ("{}", {}),
        ("{delay: 500ms}", {"delay_ms": 500}),
        ("{delay: 5}", {"delay_ms": 5_000}),
        ("{delay: 1.5h, max_delay: 7d}", {"delay_ms": 5_400_000, "max_delay_ms": 604_800_000}),
        ("{jitter: false, factor: 1}", {"jitter": False, "factor": 1.0}),
        ("{only: Timeout, never: [A, B]}", {"only": ["Timeout"], "never": ["A", "B"]}),
    ],
)
def test_what_is_not_said_has_its_default(retry: str, said: dict[str, Any]) -> None:
    assert policy(retry) == DEFAULTS | said


def test_without_retry_there_is_no_policy() -> None:
    assert build(tasks(task("A"))).tasks[0].policy is None
    assert policy("null") is None


def test_values_of_a_request_may_decide() -> None:
    head = "variables: {N: 2, WAIT: 1s}\n"
    retry = '{max_attempts: "{{ N }}", delay: "{{ WAIT }}"}'

    assert policy(retry, head, N=5, WAIT="2m") == DEFAULTS | {"max_attempts": 5, "delay_ms": 120_000}
    assert policy(retry, head, N=6, WAIT="3m") == DEFAULTS | {"max_attempts": 6, "delay_ms": 180_000}


@pytest.mark.parametrize(
    ("retry", "says"),
    [
        ("0", "greater than or equal to 1"),
        ("true", "retry"),
        ("{delay: soon}", "500ms, 5s, 2m"),
        ("{delay: 32d}", "at most 31 days"),
        ("{delay: -1}", "number of seconds"),
        ("{max_attempts: many}", "max_attempts"),
        ("{max_atempts: 3}", "'max_atempts' is not a field of `retry`"),
        ("{factor: 0.5}", "greater than or equal to 1"),
    ],
)
def test_a_wrong_one_is_named_with_its_line(retry: str, says: str) -> None:
    problem = one(tasks(task("A", retry=retry)))
    assert says in f"{problem.message} {problem.path}"
    assert problem.line == 4
