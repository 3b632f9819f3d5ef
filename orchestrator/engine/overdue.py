"""Ends attempts and tasks that used up one of their four times."""

import math
from collections.abc import Callable
from typing import Final

import structlog

from orchestrator.store.deciding import overdue
from orchestrator.store.outcomes import Outcome
from orchestrator.store.outcomes import Overdue as OverdueTask
from orchestrator.store.reports import reports_under_way
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.messages import EventKind, TaskEvent, dumps

_CAUSES: Final = {
    "QUEUE": ("queue_timeout", "no worker began it within {} s", False),
    "RUN": ("run_timeout", "it ran longer than {} s", True),
    "HEARTBEAT": ("heartbeat_timeout", "it gave no sign of life for {} s", True),
    "TOTAL": ("total_timeout", "it was not done within {} s, all attempts together", False),
}
"""Word of `overdue.lua` -> type and message of the error, and whether another attempt makes sense."""
_OF_WORKERS: Final = ("QUEUE", "RUN", "HEARTBEAT")
"""What a worker may have done in time, and could not report while Redis did not answer."""

MOST_REPORTS: Final = 500
"""Entries of `task-events`, the oldest, among which it is looked for a report that came in time: an engine that was down has
not applied it yet."""
_ENDS: Final = ("success", "failed")
_SIGNS: Final = (*_ENDS, "processing", "progress")


class Overdue:
    """Acts on the timers `overdue:<task id>`.

    Args:
        answering_s: for how long Redis has answered.
    """

    def __init__(self, store: Store, answering_s: Callable[[], float] = lambda: math.inf) -> None:
        self._store = store
        self._answering_s = answering_s
        self._log = structlog.get_logger().bind(duty="overdue")

    async def fire(self, at: Partition, task_id: str) -> bool:
        """See `timekeeper.Handler`."""
        found = await overdue(self._store, at, task_id)
        if found.word not in _CAUSES:
            return found.word != "NOT_DUE"
        if found.word in _OF_WORKERS and not self._could_report(found.allowed_ms):
            return False
        if found.token and await self._is_reported(at, task_id, found):
            return False
        kind, message, again = _CAUSES[found.word]
        error = {"type": kind, "message": message.format(f"{found.allowed_ms / 1000:g}"), "retry": again}
        event = TaskEvent(
            task_id, EventKind.FAILED, found.token, {"error": dumps(error).decode()}, by_engine=True
        )
        outcome = (await self._store.advance(at, [event])).outcomes[0]
        ids = {"task_id": task_id, "scenario_id": found.scenario_id}
        self._log.warning("task_overdue", cause=kind, outcome=outcome.value, **ids)
        # Before a next attempt the timer stays and is set anew when it fires.
        return outcome is Outcome.FINISHED

    async def _is_reported(self, at: Partition, task_id: str, found: OverdueTask) -> bool:
        statuses = _SIGNS if found.word in ("QUEUE", "HEARTBEAT") else _ENDS
        reports = await reports_under_way(self._store.link, at, MOST_REPORTS)
        return reports.has(task_id, *statuses, token=found.token)

    def _could_report(self, allowed_ms: int) -> bool:
        """Whether there was time for it since the last outage."""
        return self._answering_s() >= min(allowed_ms, self._store.policy.lease_ms) / 1000
