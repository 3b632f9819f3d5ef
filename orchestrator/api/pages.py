"""Tasks of a scenario, page by page: read and written in chunks, because a scenario may have thousands."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import orjson

from orchestrator.store.listing import BadCursor
from orchestrator.store.records import ScenarioRecord, TaskRecord
from orchestrator.store.store import Store
from workers_sdk.protocol.messages import Status

from .views import task_out

DEFAULT_TASKS: Final = 500
MAX_TASKS: Final = 1_000
_CHUNK: Final = 100
"""Tasks read in one go: a few milliseconds, after which others have their turn."""
_MAX_LOOKED_AT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Page:
    """JSON objects of tasks, separated by commas. `result_ref` is that of the last of them that nothing waits for."""

    tasks: bytes
    next_cursor: str | None
    result_ref: str | None


async def tasks_page(
    store: Store, scenario: ScenarioRecord, *, limit: int, cursor: str | None, status: Status | None = None
) -> Page:
    """The tasks from `cursor` on, in the order of the template.

    With a `status` only those in it; a page may then be short, even empty, before the last one.

    Raises:
        BadCursor: `cursor` is not one of this list.
    """
    ids = scenario.task_ids
    start = position = _position(cursor, len(ids))
    found: list[bytes] = []
    result_ref = None
    end = min(len(ids), start + _MAX_LOOKED_AT)
    async for task in _read(store, ids[start:end], _CHUNK if status else min(_CHUNK, limit)):
        position += 1
        if task is None or (status and task.status is not status):
            continue
        found.append(orjson.dumps(task_out(task)))
        result_ref = _result_of(task) or result_ref
        if len(found) == limit:
            break
    return Page(b",".join(found), str(position) if position < len(ids) else None, result_ref)


async def last_result(store: Store, scenario: ScenarioRecord) -> str | None:
    """Artifact of the last task that nothing waits for, looked for among the last 100."""
    found = [_result_of(task) for task in await store.tasks(scenario.task_ids[-_CHUNK:]) if task]
    return next(filter(None, reversed(found)), None)


async def _read(store: Store, task_ids: list[str], chunk: int) -> AsyncIterator[TaskRecord | None]:
    for start in range(0, len(task_ids), chunk):
        for task in await store.tasks(task_ids[start : start + chunk]):
            yield task


def _position(cursor: str | None, size: int) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10 and 0 < int(cursor) < size):
        raise BadCursor(cursor)
    return int(cursor)


def _result_of(task: TaskRecord) -> str | None:
    return task.result_ref if task.result_ref and not task.consumers else None
