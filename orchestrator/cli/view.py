"""How scenarios and tasks look in a terminal. Everything from users is `Text`, so their brackets are no markup."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

Json = Any

STYLES: Final = {
    "pending": "dim",
    "processing": "bold yellow",
    "success": "green",
    "failed": "bold red",
    "skipped": "dim red",
    "cancelled": "magenta",
}
MARKS: Final = {
    "pending": "·",
    "processing": "▶",
    "success": "✓",
    "failed": "✗",
    "skipped": "–",
    "cancelled": "◼",
}
_FIRST: Final = ("failed", "processing", "pending", "success", "skipped", "cancelled")


def labels(tasks: Sequence[Json]) -> dict[str, str]:
    """Task id -> its name, numbered where several tasks have one name; `Draw.2` is the second child of a `foreach`."""
    parents = _parents(tasks)
    own = [task for task in tasks if task["id"] not in parents]
    many = {name for name, count in Counter(task["name"] for task in own).items() if count > 1}
    seen: Counter[str] = Counter()
    result = {}
    for task in own:
        seen[task["name"]] += 1
        result[task["id"]] = f"{task['name']} {seen[task['name']]}" if task["name"] in many else task["name"]
    children = (task for task in tasks if task["id"] in parents)
    return result | {
        task["id"]: f"{result[parents[task['id']]]}.{task['fields']['index']}" for task in children
    }


def _parents(tasks: Sequence[Json]) -> dict[str, str]:
    """Child of a `foreach` -> the task that it is a run of: that has its name, waits for it, and has no index itself."""
    whole = {task["id"]: task["name"] for task in tasks if "index" not in task.get("fields", {})}
    return {
        task["id"]: parent
        for task in tasks
        if task["id"] not in whole
        for parent in task.get("consumers", ())
        if whole.get(parent) == task["name"]
    }


def age_s(scenario: Json, at: str | None = None) -> float:
    """Seconds from the scenario's creation to a time, by default to its end or now: the one clock of all views."""
    end = at or scenario["finished_at"]
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return max(0.0, (until - datetime.fromisoformat(scenario["created_at"])).total_seconds())


def seconds_of(task: Json, now: datetime) -> float | None:
    """How long a task worked, or works by now; None before its start."""
    if not task.get("started_at"):
        return None
    end = datetime.fromisoformat(task["finished_at"]) if task.get("finished_at") else now
    return max(0.0, (end - datetime.fromisoformat(task["started_at"])).total_seconds())


def reason_of(error: Json) -> str:
    """An error as one line."""
    if isinstance(error, dict):
        return ": ".join(str(error[key]) for key in ("type", "message") if error.get(key))
    return str(error) if error else ""


def result_of(scenario: Json) -> str:
    """What came out, as one line: the artifact, else the small result of the last task that nothing waits for."""
    if ref := scenario.get("result_ref"):
        return str(ref)
    ends = [task for task in scenario["tasks"] if not task["consumers"] and task["result"] is not None]
    return json.dumps(ends[-1]["result"], ensure_ascii=False) if ends else ""


def scenario_view(scenario: Json, *, elapsed_s: float, rows: int = 30) -> RenderableType:
    """Bar and table of a running or finished scenario, at most `rows` tasks: those that matter most."""
    tasks = scenario["tasks"]
    name = labels(tasks)
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim")
    for title in ("", "task", "service"):
        table.add_column(title, no_wrap=True)
    for title in ("try", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", overflow="ellipsis", no_wrap=True)
    now = datetime.now(UTC)
    shown = _most_important(tasks, rows)
    for task in shown:
        table.add_row(*_row(task, name[task["id"]], now))
    parts: list[RenderableType] = [_headline(scenario, elapsed_s), *_state(scenario), table]
    if len(shown) < len(tasks):
        parts.append(Text(f"  ... and {len(tasks) - len(shown)} more tasks", style="dim"))
    return Group(*parts)


def _headline(scenario: Json, elapsed_s: float) -> RenderableType:
    status = scenario["status"]
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(
        total=100, completed=scenario["percent"], width=30, complete_style="cyan", finished_style="green"
    )
    done = sum(count for name, count in scenario["counts"].items() if name not in ("pending", "processing"))
    line.add_row(
        Text(scenario["name"], style="bold"),
        Text(scenario["scenario_id"], style="dim"),
        bar,
        Text(f"{done}/{scenario['total']}"),
        Text(f"{elapsed_s:.1f} s"),
        Text(status, style=STYLES.get(status, "")),
    )
    return line


def _state(scenario: Json) -> list[RenderableType]:
    """Where one with states stands."""
    if not scenario.get("state"):
        return []
    events = scenario.get("allowed_events")
    takes = Text(f"  takes {', '.join(events)}", style="dim") if events else Text("")
    return [Text.assemble(("state ", "dim"), (scenario["state"], "bold cyan"), takes)]


def _row(task: Json, name: str, now: datetime) -> list[RenderableType]:
    status = task["status"]
    style = STYLES.get(status, "")
    seconds = seconds_of(task, now)
    return [
        Text(MARKS.get(status, "?"), style=style),
        Text(name, style="" if status == "processing" else style),
        Text(task["service"], style="dim"),
        Text(str(task["attempt"] or "")),
        Text("" if seconds is None else f"{seconds:.1f} s"),
        _note(task),
    ]


def _note(task: Json) -> RenderableType:
    """What a task is about right now: why it failed, how far it is, or what it waits for."""
    if task.get("error"):
        return Text(reason_of(task["error"]), style="red")
    if task["status"] == "processing":
        percent = "" if task.get("progress") is None else f"{task['progress']:.0f} %"
        return Text(f"{percent} {task.get('message') or ''}".strip(), style="yellow")
    if task["status"] == "pending" and task["queue"]:
        return Text(f"waits for {task['queue']}", style="dim")
    return Text("")


def _most_important(tasks: Sequence[Json], rows: int) -> list[Json]:
    if len(tasks) <= rows:
        return list(tasks)
    ranked = sorted(range(len(tasks)), key=lambda i: (_FIRST.index(tasks[i]["status"]), i))
    return [tasks[i] for i in sorted(ranked[:rows])]


def scenarios_table(items: Sequence[Json]) -> RenderableType:
    """Table of scenarios without their tasks."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for title in ("scenario", "name", "status", "tasks", "created"):
        table.add_column(title, no_wrap=True)
    for item in items:
        done = f"{item['percent']:.0f} % of {item['total']}"
        status = Text(item["status"], style=STYLES.get(item["status"], ""))
        table.add_row(Text(item["scenario_id"]), Text(item["name"]), status, done, Text(item["created_at"]))
    return table


def task_table(task: Json) -> RenderableType:
    """All that is known of one task, a field a line."""
    table = Table.grid(padding=(0, 2))
    for name, value in task.items():
        if value not in (None, "", [], {}) and name != "links":
            style = STYLES.get(str(value), "") if name == "status" else ""
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            table.add_row(Text(name, style="dim"), Text(text, style=style))
    return table


def templates_table(items: Sequence[Json]) -> RenderableType:
    """Table of templates with the defaults of their variables."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("template", no_wrap=True)
    table.add_column("variables")
    for item in items:
        variables = ", ".join(f"{name}={value!r}" for name, value in item["variables"].items())
        table.add_row(Text(item["name"], style="bold"), Text(variables, style="dim"))
    return table
