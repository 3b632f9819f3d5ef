"""Decides what becomes of a task that is more than work for a worker, when nothing is waited for any more.

The scripts ask by a report `look`. What is decided goes through the same script as every report; it is refused when the
task went on meanwhile, so deciding twice is harmless.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from orchestrator.store.deciding import is_paused
from orchestrator.store.records import TaskRecord
from orchestrator.store.store import Store
from orchestrator.templates import runtime
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent, dumps, template_texts

from .children import Children
from .conditions import known_to, why_not_undone
from .gates import Gates
from .launcher import Launcher
from .machines import Machines
from .subscenarios import SubScenarios

Known = Mapping[str, runtime.Known]
OURS: Final = "orchestrator"
"""Service of tasks that no worker does."""
MAKING: Final = 4
"""Tasks whose children are made at the same time: those of one may take 32 MB."""


class Decider:
    """See the module.

    Args:
        launcher: starts the scenarios of tasks that are scenarios; without it they fail.
    """

    def __init__(self, store: Store, launcher: Launcher | None = None) -> None:
        self._store = store
        self._gates = Gates(store)
        self._scenarios = SubScenarios(store, launcher)
        self._children = Children(store)
        self._machines = Machines(store)
        self._making = asyncio.Semaphore(MAKING)
        self._log = structlog.get_logger().bind(duty="decider")

    async def look(self, at: Partition, task_id: str) -> list[TaskEvent]:
        """What to apply to a task; nothing when it is settled elsewhere. Raises: Unavailable, Refused."""
        task = await self._store.task(task_id)
        if task is None:
            return []
        if task.status.is_final:
            return await self._left_behind(at, task)
        if task.status is Status.PROCESSING:
            return await self._of_held(at, task)
        unfinished_group = task.group is not None and task.group.written < task.group.total
        if task.token or (task.queue > 0 and not unfinished_group):
            return []
        try:
            return await self._of_ready(at, task)
        except runtime.CannotResolve as error:
            self._log.warning("task_not_startable", task_id=task.id, code=error.code, error=error.message)
            return [failed(task, error.code, error.message)]

    async def _left_behind(self, at: Partition, task: TaskRecord) -> list[TaskEvent]:
        """It ended before what is below it, which nobody wants any more: its children are cancelled here, its scenario was by
        the script. Those that wait for it hear of its end when that has ended too; the last end brings a look."""
        over = True
        if task.child_scenario_id:
            over = await self._scenarios.is_over(task)
        if task.group and task.status is not Status.SUCCESS:
            over = task.queue <= task.group.total - task.group.written
            if not over:
                await self._children.cancel(at, task)
        return [TaskEvent(task.id, EventKind.RELEASE)] if over and task.is_late else []

    async def _of_held(self, at: Partition, task: TaskRecord) -> list[TaskEvent]:
        if "machine" in task.on_ready:
            return await self._machines.look(at, task)
        return await self._scenarios.look(task) if task.child_scenario_id else []

    async def spawn(self, at: Partition, event: TaskEvent) -> list[TaskEvent]:
        """Apply a success that brings further tasks."""
        if not event.token:
            return []  # a worker has one
        task = await self._store.task(event.task_id)
        word = await self._children.spawn(at, task, event) if task else "STALE"
        if task is None or word in ("OK", "STALE"):
            return []
        error = failed(task, word.lower(), "the tasks that it asked for cannot be made")
        return [replace(error, token=event.token)]

    async def _of_ready(self, at: Partition, task: TaskRecord) -> list[TaskEvent]:
        if task.group and task.group.written == task.group.total:
            return [await self._children.end_of(task)]
        if "machine" in task.on_ready:
            return await self._machines.look(at, task)
        if "state" in task.on_ready:
            return await self._machines.ended(task)
        known = await known_to(self._store, task)
        if reason := await self._reason_to_skip(task, known):
            return [skipped(task, *reason)]
        if "foreach" in task.on_ready:
            return await self._for_each(at, task, known)
        fields = _changed_texts(task, runtime.resolved(task.on_ready, known, task.fields))
        if (delay_ms := _delay_ms(task)) > 0:
            return [decided(task, EventKind.DELAY, {**fields, "delayed": "1"}, delay_ms)]
        return await self._started(at, task, known, fields)

    async def _started(
        self, at: Partition, task: TaskRecord, known: Known, fields: Mapping[str, str]
    ) -> list[TaskEvent]:
        """Begin it: here when it is the orchestrator's own and may begin, else by handing it out."""
        if task.service == OURS and await is_paused(self._store, task.scenario_id):
            return [
                decided(task, EventKind.GO, fields)
            ]  # it is put aside until the resume, and looked at again
        if "gate" in task.on_ready:
            await self._gates.open(at, task, runtime.gate_of(task.on_ready, known))
            return []
        if "scenario" in task.on_ready:
            variables = runtime.variables_of(task.on_ready, known)
            return await self._scenarios.start(at, task, variables, fields)
        return [decided(task, EventKind.GO, fields)]

    async def _reason_to_skip(self, task: TaskRecord, known: Known) -> tuple[str, str] | None:
        """Type and message of the error of a task that is not to be done."""
        if task.on_ready.get("skip"):
            return "condition_false", "the condition `when` is false for this item"
        if reason := await why_not_undone(self._store, task):
            return "nothing_to_undo", reason
        if not runtime.passes(task.on_ready, known):
            return "condition_false", "its condition `when` is false"
        return None

    async def _for_each(self, at: Partition, task: TaskRecord, known: Known) -> list[TaskEvent]:
        items = runtime.items(task.on_ready, known)
        if not items:
            return [decided(task, EventKind.SUCCESS, {"result": "[]"})]
        async with self._making:
            word = await self._children.for_each(at, task, known, items)
        if word in ("OK", "STALE"):
            return []
        return [failed(task, word.lower(), f"its {len(items)} children cannot be made")]


def decided(
    task: TaskRecord, kind: EventKind, fields: Mapping[str, str] | None = None, cursor: int = 0
) -> TaskEvent:
    """A decision about a task as advance.lua takes it."""
    return TaskEvent(task.id, kind, task.token, fields or {}, cursor=cursor, by_engine=True)


def failed(task: TaskRecord, code: str, message: str) -> TaskEvent:
    """It cannot be done, however often it is tried."""
    error = {"type": code, "message": message, "retry": False}
    return decided(task, EventKind.FAILED, {"error": dumps(error).decode()})


def skipped(task: TaskRecord, code: str, message: str) -> TaskEvent:
    """It is not to be done."""
    return decided(task, EventKind.SKIPPED, {"error": dumps({"type": code, "message": message}).decode()})


def _changed_texts(task: TaskRecord, changed: Mapping[str, Any]) -> dict[str, str]:
    """Template fields that got their values, as they stand in the hash; with the list of those that are JSON now."""
    if not changed:
        return {}
    texts = {"json_fields": "", **template_texts({**task.fields, **changed})}
    return {name: texts[name] for name in (*changed, "json_fields")}


def _delay_ms(task: TaskRecord) -> int:
    """How long to wait yet. The moment is compared with the clock of this machine, the delay runs on that of Redis."""
    if task.delayed:
        return 0
    if "at_ms" in task.on_ready:
        return max(0, int(task.on_ready["at_ms"]) - round(datetime.now(UTC).timestamp() * 1000))
    return int(task.on_ready.get("delay_ms", 0))
