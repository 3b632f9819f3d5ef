"""What the following of a scenario says when nothing happens, and when it is over."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli import follow as following
from orchestrator.cli.client import ApiClient
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.follow import IDLE_S, Idle, follow
from orchestrator.cli.view import age_s, result_of

START = "2025-06-26T10:00:00.000Z"


def task(service: str, status: str = "pending", **more: Any) -> dict[str, Any]:
    times = {"updated_at": START, "started_at": None, "finished_at": None}
    base = {"id": service, "name": service.title(), "service": service, "status": status, "queue": 0}
    return {**base, "attempt": 0, "error": None, "result": None, "consumers": [], **times, **more}


def scenario(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"scenario_id": "s", "status": "processing", "created_at": START, "finished_at": None}
    return {**base, "tasks": list(tasks), **more}


def test_a_ready_task_that_nobody_takes_is_told_after_some_seconds() -> None:
    idle = Idle()
    state = scenario(task("a"), task("b", queue=1), task("c", "processing"), task("c"))
    assert idle.look(state, 100) == []
    assert idle.look(state, 100 + IDLE_S / 2) == []
    assert idle.look(state, 100 + IDLE_S) == ["a"]


def test_as_long_as_something_moves_nothing_is_told() -> None:
    idle = Idle()
    for second in range(20):
        state = scenario(task("a"), task("c", "processing", updated_at=f"2025-06-26T10:00:{second:02}.000Z"))
        assert idle.look(state, second) == []


def test_lines_have_the_times_of_the_events_in_their_order_and_the_wait_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = task("late", "success", attempt=1, finished_at="2025-06-26T10:00:03.000Z", started_at=START)
    early = task("early", "processing", attempt=1, started_at="2025-06-26T10:00:01.000Z")
    states = [scenario(late, early, task("none"))] * 3 + [scenario(late, status="success")]

    class Api(ApiClient):
        def scenario(self, scenario_id: str) -> Any:
            return states.pop(0)

        def queues(self) -> dict[str, Any]:
            raise CommandError("Redis is not available", Exit.UNREACHABLE)

    monkeypatch.setattr(following, "IDLE_S", 0.0)
    monkeypatch.setattr(following, "EVERY_S", 0.0)
    output = StringIO()
    with Api("http://nobody") as api:
        follow(api, "s", Console(file=output, width=200))
    lines = output.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:4] == ["1.0", "s", "▶", "Early"]
    assert lines[1].split()[:4] == ["3.0", "s", "✓", "Late"]
    assert "waiting for a worker of none" in lines[2]


@pytest.mark.parametrize(
    ("queue", "reason"),
    [
        ({"waiting": 2, "pending": 0, "consumers": 0}, "no worker reads queue:a"),
        ({"waiting": 2, "pending": 1, "consumers": 1}, "waiting for a worker of a: 2 tasks wait, 1 are held"),
        (None, "waiting for a worker of a: none reads queue:a, or all are busy"),
    ],
)
def test_the_reason_is_what_the_queue_tells(queue: Any, reason: str) -> None:
    asked: list[int] = []

    class Api(ApiClient):
        def queues(self) -> dict[str, Any]:
            asked.append(1)
            return {"a": queue} if queue else {}

    idle = Idle()
    with Api("http://nobody") as api:
        first, again = idle.reasons(api, ["a"]), idle.reasons(api, ["a"])

    assert first == again
    assert first[0].startswith(reason)
    assert len(asked) == 1


def test_age_ends_with_the_scenario() -> None:
    assert age_s(scenario(finished_at="2025-06-26T10:00:09.500Z")) == 9.5
    assert age_s(scenario(), "2025-06-26T10:00:02.000Z") == 2


def test_what_came_out_is_the_artifact_or_the_last_small_result() -> None:
    inner = task("a", "success", result={"n": 1}, consumers=["b"])
    last = task("b", "success", result={"text": "Привет"})
    assert result_of(scenario(inner, last)) == '{"text": "Привет"}'
    assert result_of(scenario(inner, last, result_ref="file:///x")) == "file:///x"
    assert result_of(scenario(inner)) == ""
