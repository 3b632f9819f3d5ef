"""Reasons of what has ended: how, and the chain back to where it began."""

from typing import Any, Final

from .standing import Standing, standings
from .task_ids import task_ids_of
from .why_records import Case, Reason, brief, json_of, plural

LONGEST: Final = 20
"""Links of a chain."""
CHUNK: Final = 100
LOOKED_AT: Final = 2_000

Json = Any


async def ended(case: Case) -> list[Reason]:
    """How a task ended; when others caused it, one reason for each link of the chain, the first cause last."""
    task = case.task
    if task.status == "success":
        facts = {"attempt": int(task.attempt or 0), "worker": task.worker, "at": task.updated_at}
        by = f" by {task.worker}" if task.worker else ""
        return [Reason("succeeded", f"it succeeded{by} in attempt {facts['attempt']}", facts)]
    error = await _error_of(case, task)
    facts = {"error": error, "attempts": int(task.attempt or 0)}
    if task.fingerprint:
        facts["fingerprint"] = task.fingerprint
    after = f" after {plural(int(task.attempt), 'attempt')}" if task.attempt else ""
    reasons = [Reason(task.status, f"it is {task.status}{after}: {said(error)}", facts)]
    return reasons + await chain(case, task, error)


async def chain(case: Case, task: Standing, error: Json) -> list[Reason]:
    """Tasks that caused the end of a task, the nearest first."""
    reasons: list[Reason] = []
    seen = {task.task_id}
    while len(reasons) < LONGEST:
        cause = await _cause_of(case, task, error)
        if cause is None or cause.task_id in seen:
            return reasons
        task, error = cause, await _error_of(case, cause)
        seen.add(task.task_id)
        text = f"because {task.name} ({task.task_id}) {task.status}: {said(error)}"
        reasons.append(Reason("caused_by", text, {"task": brief(task), "error": error}))
    return reasons


async def _cause_of(case: Case, task: Standing, error: Json) -> Standing | None:
    """The task that an error names; of one whose children failed, a child; of a scenario, the task that failed it."""
    kind = error.get("type", "") if isinstance(error, dict) else ""
    if kind == "child_failed":
        return await _failed_child(case, task)
    cause_id = error.get("task_id") if isinstance(error, dict) else None
    if task.child_scenario_id and kind.startswith("scenario_"):
        key = case.at.scenario(task.child_scenario_id)
        of_child = json_of((await case.link.execute("HGET", key, "error") or b"").decode(errors="replace"))
        cause_id = of_child.get("task_id") if isinstance(of_child, dict) else None
    if not isinstance(cause_id, str) or len(cause_id) != len(task.task_id):
        return None
    return (await standings(case.store, case.at, [cause_id]))[0]


async def _failed_child(case: Case, task: Standing) -> Standing | None:
    ids = await task_ids_of(case.link, case.at, task.scenario_id)
    last = ids[::-1][:LOOKED_AT]  # children come after what they were added to
    for first in range(0, len(last), CHUNK):
        for one in await standings(case.store, case.at, last[first : first + CHUNK]):
            if one and task.task_id in one.consumers and one.status in ("failed", "skipped", "cancelled"):
                return one
    return None


async def _error_of(case: Case, task: Standing) -> Json:
    text = await case.link.execute("HGET", case.at.task(task.task_id), "error") or b""
    return json_of(text.decode(errors="replace")) or text.decode(errors="replace") or None


def said(error: Json) -> str:
    """An error in a message."""
    if not isinstance(error, dict):
        return str(error) if error else "no error is known"
    return f"{error.get('type', 'failed')}: {error.get('message', '')}".rstrip(": ")
