"""Whose results a task may take: tasks that exist and stand upstream of it."""

import pytest

from orchestrator.templates import Limits
from tests.unit.templates.build import build, codes, one, task, tasks


@pytest.mark.parametrize("word", ["result", "result_ref", "results", "status"])
def test_an_unknown_task_is_told_with_its_place_and_a_close_name(word: str) -> None:
    text = tasks(task("CreateText"), task("B", needs="[CreateText]", x=f"{{{{ {word}('CreateTxt') }}}}"))
    problem = one(text)

    assert problem.code == "unknown_reference"
    assert (problem.line, problem.column) == (7, 8)
    assert problem.hint == "did you mean 'CreateText'?"
    assert problem.path == "tasks[1].x"


def test_a_task_that_is_not_upstream_is_told_with_the_way_out() -> None:
    text = tasks(task("A"), task("B"), task("C", needs="[A]", params="{deep: [1, \"{{ result('B') }}\"]}"))
    problem = one(text)

    assert problem.code == "not_upstream"
    assert (problem.line, problem.column) == (9, 24)
    assert problem.hint == "add `needs: [B]`"


@pytest.mark.parametrize(
    "text",
    [
        tasks(task("A", x="{{ result('A') }}")),
        tasks(task("A", x="{{ result('B') }}"), task("B", needs="[A]")),
        tasks(task("D", id="d", count="2"), task("E", needs="[d_1]", x="{{ result('D') }}")),
        tasks(task("D", consumers="[e_1]"), task("E", id="e", count="2", x="{{ result('D') }}")),
    ],
    ids=["itself", "downstream", "not all of them", "not for all copies"],
)
def test_upstream_means_all_of_them_for_all_copies(text: str) -> None:
    assert one(text).code == "not_upstream"


def test_references_and_consumers_make_upstream_too() -> None:
    text = tasks(task("A", consumers="[B]"), task("B"), task("C", b_task_id="B", x="{{ result('A') }}"))
    [binding] = (build(text).tasks[-1].on_ready or {})["set"]
    assert binding["value"]["word"] == "A"


def test_ancestors_of_ten_thousand_tasks_are_found_soon() -> None:
    head = "tasks:\n  - {id: t_0, name: T, service: s}\n{% for i in range(1, 9999) %}\n"
    loop = "  - {id: 't_{{ i }}', name: T, service: s, needs: ['t_{{ i - 1 }}'], x: {{ result('t_' ~ (i // 2)) }}}\n{% endfor %}\n"
    limits = Limits(max_seconds=30)

    assert len(build(head + loop, limits=limits).tasks) == 9_999
    assert "not_upstream" in codes(head + loop.replace("i // 2", "i + 1"), limits=limits)


def test_naming_all_by_all_is_too_much() -> None:
    text = tasks(
        task("D", count="300"),
        task("J", needs="[D]"),
        task("E", needs="[J]", count="300", x="{{ results('D') }}"),
    )
    assert one(text, limits=Limits(max_edges=20_000)).code == "too_many_edges"
