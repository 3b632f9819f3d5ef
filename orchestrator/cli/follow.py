"""Follows a scenario until its end: a live table on a terminal, lines elsewhere."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .client import ApiClient
from .exits import CommandError, Exit
from .view import MARKS, STYLES, labels, reason_of, scenario_view, seconds_of

EVERY_S: Final = 0.2
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
    with show:
        while True:
            asked = time.monotonic()
            scenario = client.scenario(scenario_id)
            elapsed_s = time.monotonic() - started
            show.update(scenario, elapsed_s)
            if scenario["status"] in FINAL:
                return scenario
            if timeout_s is not None and elapsed_s > timeout_s:
                raise CommandError(f"{scenario_id} is not finished after {timeout_s:g} s", Exit.TIMEOUT)
            check()
            # A scenario of many tasks is a large answer: never ask for more than half of the time.
            time.sleep(max(EVERY_S, time.monotonic() - asked))


class _Screen:
    """A live table."""

    def __init__(self, console: Console) -> None:
        self._rows = max(5, console.height - 4)
        self._live = Live(console=console, refresh_per_second=10, vertical_overflow="crop")

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, scenario: Json, elapsed_s: float) -> None:
        self._live.update(scenario_view(scenario, elapsed_s=elapsed_s, rows=self._rows), refresh=True)


class _Lines:
    """A line for every change, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._known: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, scenario: Json, elapsed_s: float) -> None:
        name = labels(scenario["tasks"])
        for task in scenario["tasks"]:
            state = (task["status"], task["attempt"])
            if state[0] != "pending" and self._known.get(task["id"]) != state:
                self._known[task["id"]] = state
                self._console.print(_line(task, name[task["id"]], elapsed_s), soft_wrap=True)


def _line(task: Json, name: str, elapsed_s: float) -> Text:
    status = task["status"]
    line = Text(f"{elapsed_s:7.1f} s  {MARKS.get(status, '?')} {name:24} ")
    line.append(f"{status:10}", style=STYLES.get(status, ""))
    seconds = seconds_of(task, datetime.now(UTC))
    if task.get("finished_at") and seconds is not None:
        line.append(f"  {seconds:.1f} s")
    if task["attempt"] > 1:
        line.append(f"  try {task['attempt']}")
    if reason := reason_of(task.get("error")):
        line.append(f"  {reason}")
    return line
