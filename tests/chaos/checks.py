"""What must hold when all is over. Each check gives a sentence for each thing that does not."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from .users import Known, Users

Json = Any
Whole = dict[tuple[str, int], Json]
Told = Mapping[str, list[Json]]

ENDS: Final = {
    **dict.fromkeys(("Mix", "Vote", "Flow", "Later", "Letter", "Long"), "success"),
    "Dead": "failed",
}
"""How a scenario ends that nobody touched. (Of the others it depends on their variables, or on chance.)"""
SERVICE_MAX: Final = {"chaos-limited": 3}
KEY_MAX: Final = 2
"""As in `Flow.yml`."""


def journal(folder: Path) -> list[Json]:
    """All that handlers wrote down, in the order of time."""
    lines = [line for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted((json.loads(line) for line in lines), key=lambda line: float(line["t"]))


def whole_attempts(lines: Iterable[Json]) -> Whole:
    """(task, attempt) -> when it began and ended, of those that came to their end."""
    begun: Whole = {}
    whole: Whole = {}
    for line in lines:
        which = (line["task"], line["attempt"])
        if line["what"] == "begin":
            begun[which] = line
        elif which in begun:
            whole[which] = {**begun[which], "ended": line["t"]}
    return whole


def ended(known: Iterable[Known]) -> Iterator[str]:
    """Each ended as its template says."""
    for one in known:
        if one.is_over and not one.touched and one.last["status"] != ENDS.get(one.name, one.last["status"]):
            bad = [(task["name"], task["error"]) for task in one.last["tasks"] if task["status"] == "failed"]
            yield f"{one.name} {one.id} ended as {one.last['status']}: {one.last['error']} {bad}"


def counted(known: Iterable[Known]) -> Iterator[str]:
    """The numbers of a scenario are those of its tasks."""
    for one in known:
        if not one.is_over or (not one.last["tasks"] and one.last["status"] == "cancelled"):
            continue  # cancelled before any was made
        tasks = Counter(task["status"] for task in one.last["tasks"])
        counts = {status: number for status, number in one.last["counts"].items() if number}
        if dict(tasks) != counts or sum(counts.values()) != one.last["total"]:
            yield f"{one.name} {one.id}: counts {counts}, tasks {dict(tasks)}, total {one.last['total']}"


def came_from(known: Iterable[Known], whole: Whole) -> Iterator[str]:
    """The result of a task is that of its last attempt, whose handler came to its end."""
    for one in known:
        if not one.is_over or one.last["origin"]:
            continue  # of a rerun, results are copies
        for task in one.last["tasks"]:
            result = task["result"]
            if task["status"] == "success" and isinstance(result, dict) and "attempt" in result:
                if (result["task"], result["attempt"]) != (task["id"], task["attempt"]):
                    yield f"task {task['id']}, attempt {task['attempt']}, has the result {result}"
                elif (task["id"], task["attempt"]) not in whole:
                    yield f"task {task['id']} has a result of attempt {task['attempt']}, which did not end"


def in_order(known: Iterable[Known]) -> Iterator[str]:
    """No task began before those that it waits for had ended."""
    for one in known:
        if not one.is_over or "revived" in one.touched:
            continue
        tasks = {task["id"]: task for task in one.last["tasks"]}
        for task in tasks.values():
            for after in (tasks[key] for key in task["consumers"] if _waits_for_all(tasks[key])):
                if after["started_at"] and after["started_at"] < (task["finished_at"] or "9"):
                    yield f"{one.name} {one.id}: {after['id']} began before the end of {task['id']}"


def _waits_for_all(task: Json) -> bool:
    """No join, and no children, which it makes after it began."""
    return (task["rules"] or {}).get("need") is None and not (task["params"] or {}).get("spawn")


def within_limits(known: Iterable[Known], whole: Whole) -> Iterator[str]:
    """Never more at once than the limits say, of attempts whose result counted: these had a slot from begin to end."""
    tasks = [task for one in known if one.last for task in one.last["tasks"] if task["status"] == "success"]
    spans: dict[tuple[str, int], list[Json]] = defaultdict(list)
    for task in tasks:
        line = whole.get((task["id"], task["attempt"]))
        if line and line["service"] in SERVICE_MAX:
            spans[line["service"], SERVICE_MAX[line["service"]]].append(line)
            if line["key"]:
                spans[line["key"], KEY_MAX].append(line)
    for (name, most), found in spans.items():
        steps = sorted([(line["t"], 1) for line in found] + [(line["ended"], -1) for line in found])
        now = peak = 0
        for _, step in steps:
            now += step
            peak = max(peak, now)
        if peak > most:
            yield f"{peak} of {name} at once, {most} are allowed"


def fired(lines: Iterable[Json], *, refused: bool) -> Iterator[str]:
    """Each moment of a schedule has one scenario, and the one that makes up for all left no second out.

    Args:
        refused: there may have been no room for some.
    """
    moments: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in lines:
        if line["at"]:
            moments[line["who"]][line["at"]].add(line["scenario"])
    for who, found in moments.items():
        for moment, scenarios in found.items():
            if len(scenarios) > 1:
                yield f"the schedule {who!r} fired {len(scenarios)} times at {moment}: {sorted(scenarios)}"
    times = sorted(datetime.fromisoformat(moment) for moment in moments["all"])
    for before, after in pairwise(times) if not refused else ():
        if (after - before).total_seconds() != 1:
            yield f"the schedule 'all' fired at {before}, then at {after}"


def told(users: Users, messages: Told) -> Iterator[str]:
    """Each end was told to the endpoint: once, but for repetitions of the same message."""
    for one in users.known.values():
        said = [message["data"]["status"] for message in messages.get(one.id, [])]
        what = f"webhooks of {one.name} {one.id}, touched {sorted(one.touched)}: {said}"
        if not said:
            yield f"{what}, and it is {one.last['status'] if one.last else 'gone'}"
        elif one.is_over and one.last["status"] not in said:
            yield f"{what}, and it ended as {one.last['status']}"
        elif "revived" not in one.touched and len({_text(message) for message in messages[one.id]}) > 1:
            yield f"{what}, and it can have ended only once"


def _text(message: Json) -> str:
    return json.dumps(message, sort_keys=True)


def decided(users: Users) -> Iterator[str]:
    """What was said first at a gate is what its task says at last."""
    words = {"approved": "approve", "rejected": "reject"}
    for one in users.known.values():
        for task in one.last["tasks"] if one.last and "revived" not in one.touched else []:
            state = users.decided.get(task["id"])
            if state and task["status"] == "success" and task["result"]["decision"] != words[state]:
                yield f"gate {task['id']} was {state}, and its task says {task['result']}"
            elif state and task["status"] not in ("success", "cancelled"):
                yield f"gate {task['id']} was {state}, and its task is {task['status']}: {task['error']}"
