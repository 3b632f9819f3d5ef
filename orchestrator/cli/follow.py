"""Follows a scenario until its end: a live table on a terminal, lines elsewhere."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from .client import ApiClient
from .exits import CommandError, Exit
from .program import command
from .view import MARKS, STYLES, age_s, labels, reason_of, scenario_view, seconds_of

EVERY_S: Final = 0.2
IDLE_S: Final = 5.0
FINAL: Final = ("success", "failed", "cancelled")

Json = Any


def nothing() -> None:
    """Check nothing between two looks."""


def follow(
    client: ApiClient,
    scenario_id: str,
    console: Console,
    *,
    timeout_s: float | None = None,
    check: Callable[[], None] = nothing,
) -> Json:
    """Show a scenario until it is final, and return its last state.

    Args:
        timeout_s: give up after so long.
        check: called between two looks; what it raises ends the following.

    Raises:
        CommandError: TIMEOUT, or see `ApiClient`.
    """
    started = time.monotonic()
    show = _Lines(console) if not console.is_terminal else _Screen(console)
    idle = Idle()
    with show:
        while True:
            asked = time.monotonic()
            scenario = client.scenario(scenario_id)
            show.update(scenario, idle.reasons(client, idle.look(scenario, asked)))
            if scenario["status"] in FINAL:
                return scenario
            if timeout_s is not None and asked - started > timeout_s:
                raise CommandError(f"{scenario_id} is not finished after {timeout_s:g} s", Exit.TIMEOUT)
            check()
            # A scenario of many tasks is a large answer: never ask for more than half of the time.
            time.sleep(max(EVERY_S, time.monotonic() - asked))


class Idle:
    """Finds services that nobody seems to work for: a task of theirs is ready, none is worked on, nothing moves."""

    def __init__(self) -> None:
        self._seen: object = None
        self._since = 0.0
        self._asked: list[str] = []
        self._reasons: list[str] = []

    def reasons(self, client: ApiClient, services: list[str]) -> list[str]:
        """Why each of these may wait, in words; asked once for as long as they wait."""
        if services != self._asked:
            self._asked, self._reasons = services, _reasons(client, services)
        return self._reasons

    def look(self, scenario: Json, now: float) -> list[str]:
        """Names of such services, when the scenario has not changed for some seconds. `now`: seconds of any clock."""
        tasks = scenario["tasks"]
        seen = [(task["status"], task["attempt"], task["updated_at"]) for task in tasks]
        if seen != self._seen:
            self._seen, self._since = seen, now
        if now - self._since < IDLE_S:
            return []
        ready = {task["service"] for task in tasks if task["status"] == "pending" and not task["queue"]}
        return sorted(ready - {task["service"] for task in tasks if task["status"] == "processing"})


class _Screen:
    """A live table."""

    def __init__(self, console: Console) -> None:
        self._rows = max(5, console.height - 6)
        self._live = Live(console=console, refresh_per_second=10, vertical_overflow="crop")

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, scenario: Json, idle: list[str]) -> None:
        view = scenario_view(scenario, elapsed_s=age_s(scenario), rows=self._rows)
        self._live.update(Group(view, *(Text(one, style="yellow") for one in idle)), refresh=True)


class _Lines:
    """A line for every change, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._known: dict[str, tuple[str, int]] = {}
        self._told: set[str] = set()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, scenario: Json, idle: list[str]) -> None:
        name = labels(scenario["tasks"])
        news: list[tuple[float, Text]] = []
        for task in scenario["tasks"]:
            state = (task["status"], task["attempt"])
            if state[0] != "pending" and self._known.get(task["id"]) != state:
                self._known[task["id"]] = state
                at_s = age_s(scenario, task["finished_at"] or task["started_at"] or task["updated_at"])
                news.append((at_s, _line(task, name[task["id"]], at_s)))
        for _, line in sorted(news, key=lambda one: one[0]):
            self._console.print(line, soft_wrap=True)
        self._tell(idle, age_s(scenario))

    def _tell(self, idle: list[str], at_s: float) -> None:
        for reason in idle:
            if reason not in self._told:
                self._console.print(Text(f"{at_s:7.1f} s  {reason}", style="yellow"), soft_wrap=True)
        self._told = set(idle)


def _reasons(client: ApiClient, services: list[str]) -> list[str]:
    try:
        queues = client.queues() if services else {}
    except CommandError:
        queues = {}
    return [_waiting(service, queues.get(service)) for service in services]


def _waiting(service: str, queue: Json) -> str:
    if not queue:
        return f"waiting for a worker of {service}: none reads queue:{service}, or all are busy"
    if queue["waiting"] and not queue["consumers"]:
        return f"no worker reads queue:{service}; `{command('worker', 'PACK/NAME')}` starts one"
    return f"waiting for a worker of {service}: {queue['waiting']} tasks wait, {queue['pending']} are held"


def _line(task: Json, name: str, at_s: float) -> Text:
    status = task["status"]
    line = Text(f"{at_s:7.1f} s  {MARKS.get(status, '?')} {name:24} ")
    line.append(f"{status:10}", style=STYLES.get(status, ""))
    seconds = seconds_of(task, datetime.now(UTC))
    if task.get("finished_at") and seconds is not None:
        line.append(f"  {seconds:.1f} s")
    if task["attempt"] > 1:
        line.append(f"  try {task['attempt']}")
    if reason := reason_of(task.get("error")):
        line.append(f"  {reason}")
    return line
