"""Children of a task: one per item of a list, or those that a handler asked for."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestrator.store.deciding import TURN, spawn
from orchestrator.store.records import Cause, NewTask, RetryPolicy, TaskRecord
from orchestrator.store.store import Store
from orchestrator.templates import runtime
from workers_sdk.protocol.keys import Partition, short_uuid
from workers_sdk.protocol.messages import EventKind, TaskEvent, dumps
from workers_sdk.protocol.spawn import Spawned, decode_spawn, spawned_id

MAX_INLINE: Final = 1024 * 1024
"""Bytes of JSON that the results of all children may have together; beyond that only their ids are given."""
CHUNK: Final = 100
_OF_THE_OWNER: Final = ("tenant", "priority")
_NOT_INHERITED: Final = ("ask", "need", "all_done", "optional", "tolerated")

Known = Mapping[str, runtime.Known]


class Children:
    """See the module."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def for_each(self, at: Partition, task: TaskRecord, known: Known, items: Sequence[Any]) -> str:
        """Make one child per item: a word of `spawn.lua`. Raises CannotResolve."""
        children: list[NewTask] = []
        for index, item in enumerate(items, 1):
            children.append(_child(task, known, item, index))
            if not index % TURN:
                await asyncio.sleep(0)  # others have their turn
        return await spawn(self._store, at, task, children)

    async def spawn(self, at: Partition, task: TaskRecord, event: TaskEvent) -> str:
        """Make the tasks that a report of success brings; its result stays on the task, which waits for them: a word of
        `spawn.lua`."""
        fields = {name: value for name, value in event.fields.items() if name != "spawn"}
        children = _spawned(task, decode_spawn(event.fields["spawn"]))
        return await spawn(self._store, at, task, children, token=event.token, fields=fields)

    async def cancel(self, at: Partition, task: TaskRecord) -> None:
        """Cancel the children of a task that ended before them."""
        scenario = await self._store.scenario(task.scenario_id)
        ids = scenario.task_ids if scenario else []
        for first in range(0, len(ids), CHUNK):
            found = await self._store.tasks(ids[first : first + CHUNK])
            orphans = [
                one.id
                for one in found
                if one and one.rules.get("child") == task.id and not one.status.is_final
            ]
            await self._cancel_all(at, orphans)

    async def _cancel_all(self, at: Partition, ids: Sequence[str]) -> None:
        fields = {"error": Cause("the task that it is a child of ended").text()}
        for first in range(0, len(ids), self._store.policy.chunk):
            chunk = ids[first : first + self._store.policy.chunk]
            events = [TaskEvent(child, EventKind.CANCELLED, fields=fields) for child in chunk]
            await self._store.advance(at, events, by_http=True)

    async def end_of(self, task: TaskRecord) -> TaskEvent:
        """What becomes of a task whose children have all ended."""
        if task.children_failed:
            return _failed(task)
        if "foreach" not in task.on_ready:  # its own result stands already
            return TaskEvent(task.id, EventKind.SUCCESS, task.token, {}, by_engine=True)
        total = task.group.total if task.group else 0
        ids = [child_id(task, index) for index in range(1, total + 1)]
        results: list[Any] = []
        size = 0
        for first in range(0, len(ids), CHUNK):
            children = await self._store.tasks(ids[first : first + CHUNK])
            found = [child.result if child else None for child in children]
            size += sum(len(dumps(result)) for result in found)
            if size > MAX_INLINE:
                break
            results += found
        text = inline(results) if len(results) == len(ids) else ""
        result = text or inline({"inline": False, "task_ids": ids})
        return TaskEvent(task.id, EventKind.SUCCESS, task.token, {"result": result}, by_engine=True)


def _child(task: TaskRecord, known: Known, item: Any, index: int) -> NewTask:
    on_ready = runtime.child_of(task.on_ready, known, item, index)
    rules = {name: value for name, value in task.rules.items() if name not in _NOT_INHERITED}
    if task.rules.get("optional") or task.rules.get("tolerated"):
        rules["tolerated"] = True
    fields = dict(task.fields)
    if runtime.passes(task.on_ready, known, item=item, index=index):
        fields |= runtime.resolved(task.on_ready, known, task.fields, item=item, index=index)
    else:
        rules["optional"], on_ready = True, {"skip": True}
    return NewTask(
        id=child_id(task, index),
        service=task.service,
        name=task.name,
        queue=0,
        consumers=[task.id],
        fields={"index": index, **fields},
        policy=RetryPolicy(**task.policy) if task.policy else None,
        rules={**rules, "ask": True} if on_ready else rules,
        on_ready=on_ready,
    )


def child_id(task: TaskRecord, name: int | str) -> str:
    """Id of a child: the same however often it is made."""
    return short_uuid(task.scenario_id, f"{task.id}/{name}")


def _failed(task: TaskRecord) -> TaskEvent:
    total = task.group.total if task.group else 0
    message = f"{task.children_failed} of {total} children did not succeed"
    error = dumps({"type": "child_failed", "message": message, "retry": False}).decode()
    return TaskEvent(task.id, EventKind.FAILED, task.token, {"error": error}, by_engine=True)


def inline(value: Any) -> str:
    """JSON of results together; empty when that is too large, or nested too deep."""
    try:
        text = dumps(value)
    except TypeError:
        return ""
    return text.decode() if len(text) <= MAX_INLINE else ""


def _spawned(task: TaskRecord, said: Sequence[Spawned]) -> list[NewTask]:
    """Tasks of a handler's `spawn`, a task after all that wait for it (they may need earlier ones only)."""
    waiting: dict[str, list[str]] = {one.key: [] for one in said}
    for one in said:
        for key in one.needs:
            waiting[key].append(spawned_id(task.id, one.key))
    flow = {name: value for name, value in task.rules.get("flow", {}).items() if name in _OF_THE_OWNER}
    # They run at the end as their parent does.
    rules = {"finally": task.rules["finally"]} if "finally" in task.rules else {}
    rules |= {"flow": flow} if flow else {}
    return [
        NewTask(
            id=spawned_id(task.id, one.key),
            service=one.service,
            name=one.name,
            queue=len(one.needs),
            consumers=[*waiting[one.key], task.id],
            fields=dict(one.fields),
            rules=rules or None,
        )
        for one in reversed(said)
    ]
