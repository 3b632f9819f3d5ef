"""What a person sees: names, order, reasons; text from users is never taken for markup."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console

from orchestrator.cli.plan_view import plan_view
from orchestrator.cli.view import labels, reason_of, scenario_view, seconds_of


def task(key: str, status: str = "pending", **more: Any) -> dict[str, Any]:
    return {
        "id": key,
        "name": key.split(".")[0],
        "service": "text-service",
        "status": status,
        "queue": 0,
        "attempt": 1,
        **more,
    }


def scenario(*tasks: dict[str, Any]) -> dict[str, Any]:
    counts = {
        status: sum(task["status"] == status for task in tasks) for status in ("pending", "success", "failed")
    }
    base = {"scenario_id": "s", "name": "CreateVideo", "status": "processing", "percent": 50.0}
    return {**base, "counts": counts, "total": len(tasks), "tasks": list(tasks)}


def shown(view: Any, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(view)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_tasks_of_one_name_are_numbered() -> None:
    assert labels([task("A"), task("B.x"), task("B.y")]) == {"A": "A", "B.x": "B 1", "B.y": "B 2"}


def test_time_of_a_task_ends_with_the_task() -> None:
    now = datetime(2025, 6, 26, 10, 0, 10, tzinfo=UTC)
    started = {"started_at": "2025-06-26T10:00:00.000Z", "finished_at": None}
    assert seconds_of(started, now) == 10
    assert seconds_of({**started, "finished_at": "2025-06-26T10:00:02.500Z"}, now) == 2.5
    assert seconds_of({"started_at": None}, now) is None


def test_an_error_is_one_line() -> None:
    assert reason_of({"type": "Fail", "message": "no"}) == "Fail: no"
    assert reason_of("no") == "no"
    assert reason_of(None) == ""


def test_brackets_in_messages_are_shown_as_they_are() -> None:
    view = scenario_view(
        scenario(task("A", "failed", error={"type": "x", "message": "[red]no[/]"})), elapsed_s=1
    )
    assert "[red]no[/]" in shown(view)


def test_of_many_tasks_the_failed_and_running_are_shown_first_in_the_order_of_the_template() -> None:
    tasks = [task(f"T{n}", "success") for n in range(50)] + [task("Bad", "failed"), task("Now", "processing")]
    text = shown(scenario_view(scenario(*tasks), elapsed_s=1, rows=3))
    assert text.index("Bad") < text.index("Now")
    assert "and 49 more" in text


def test_a_plan_shows_every_task_once_below_the_last_it_waits_for() -> None:
    def planned(key: str, queue: int, *consumers: str) -> dict[str, Any]:
        return {"key": key, "name": key, "service": "s", "queue": queue, "consumers": list(consumers)}

    plan = {
        "name": "P",
        "total": 4,
        "tasks": [planned("a", 0, "b", "d"), planned("b", 1, "c"), planned("c", 1, "d"), planned("d", 2)],
        "stages": [["a"], ["b"], ["c"], ["d"]],
        "critical_path": ["a", "b", "c", "d"],
        "warnings": [{"message": "look here", "line": 3, "column": 4}],
    }
    lines = shown(plan_view(plan)).splitlines()
    depth = {
        line.split()[-2 if "waits" not in line else -5]: len(line) - len(line.lstrip("│├└─ "))
        for line in lines[1:5]
    }
    assert list(depth) == ["a", "b", "c", "d"]
    assert depth["a"] < depth["b"] < depth["c"] < depth["d"]
    assert "waits for 2" in lines[4]
    assert "line 3, column 4: look here" in lines[-1]


def test_a_plan_with_states_shows_where_they_lead() -> None:
    def state(name: str, **more: Any) -> dict[str, Any]:
        nothing: dict[str, Any] = {
            "on": {},
            "then": None,
            "otherwise": None,
            "after": None,
            "end": None,
            "stages": [],
        }
        return {"name": name, **nothing, **more}

    plan = {
        "name": "P",
        "total": 1,
        "tasks": [{"key": "a/T/1", "name": "Work", "service": "s", "queue": 0, "consumers": []}],
        "initial": "a",
        "states": [
            state("a", stages=[["a/T/1"]], then="b", on={"stop": "b"}),
            state("b", after={"delay_ms": 5_400_000, "to": "c"}),
            state("c", end="failed"),
        ],
        "warnings": [],
    }
    lines = [line.lstrip("│├└─ ").rstrip() for line in shown(plan_view(plan)).splitlines()]
    assert lines == [
        "P  3 states, 1 tasks",
        *("a  begins here", "T/1  Work  s", "on stop -> b", "then -> b"),
        *("b", "after 90m -> c", "c  ends as failed"),
    ]


def test_a_scenario_with_states_shows_where_it_stands() -> None:
    found = scenario(task("A", "processing"))
    text = shown(scenario_view({**found, "state": "paid", "allowed_events": ["cancel"]}, elapsed_s=1))
    assert "state paid  takes cancel" in text
    assert "state" not in shown(scenario_view({**found, "state": None}, elapsed_s=1))


def test_runs_of_a_foreach_are_numbered_behind_the_task_that_they_belong_to() -> None:
    runs = [task(f"Draw.{n}", consumers=["Draw"], fields={"index": n}) for n in (1, 2)]
    tasks = [task("Draw", consumers=["Show"], fields={}), task("Show", consumers=[], fields={}), *runs]
    assert labels(tasks) == {"Draw": "Draw", "Show": "Show", "Draw.1": "Draw.1", "Draw.2": "Draw.2"}


def test_tasks_of_one_name_that_wait_for_each_other_are_no_children() -> None:
    chain = [task("Step.a", consumers=["Step.b"], fields={}), task("Step.b", consumers=[], fields={})]
    assert labels(chain) == {"Step.a": "Step 1", "Step.b": "Step 2"}
