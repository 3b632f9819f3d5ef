"""What the engine does to tasks that it was asked about, and what it reads for that: only what it needs, since lists of ids
may be long."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from workers_sdk.protocol.keys import GROUP_WORKERS, Partition
from workers_sdk.protocol.messages import loads

from .arguments import MAX_SCENARIO_BYTES, chunks_of
from .outcomes import Overdue
from .records import NewTask, TaskRecord
from .store import Store

MAX_FIELDS: Final = 1_900
"""Template fields of a child; see the fragment create."""
MAX_TASKS: Final = 100_000
"""Most tasks of a scenario, with all that were added to it."""
TURN: Final = 16
"""Tasks that are made before others have their turn: about a millisecond."""


async def spawn(
    store: Store,
    at: Partition,
    parent: TaskRecord,
    children: Sequence[NewTask],
    *,
    token: str = "",
    fields: Mapping[str, str] | None = None,
) -> str:
    """Add children to a task, in writing order (a task after all its consumers); it waits until all have ended.

    Goes on where an earlier call stopped. The rule `child` tells them from the other tasks that it waited for.

    Args:
        token: of the attempt that asks for it; empty when no worker has the task.
        fields: set on the parent with the first chunk.

    Returns:
        A word of `spawn.lua`: OK, CONFLICT, TOO_MANY or STALE; or TOO_LARGE: together they are over the limit of a scenario,
        or one has too many fields; TOO_DEEP: what is put into one is nested too deep.
    """
    size = store.policy.chunk
    if any(len(child.fields) > MAX_FIELDS for child in children):
        return "TOO_LARGE"
    try:
        chunks = await _chunks(parent, children, size)
    except TypeError:
        return "TOO_DEEP"
    if sum(map(len, chunks)) > MAX_SCENARIO_BYTES:
        return "TOO_LARGE"
    values = {
        **{"scenario": at.scenario(parent.scenario_id), "services": at.services},
        **{"events": at.task_events, "timers": at.timers, "prefix": at.prefix},
        **{"workers": GROUP_WORKERS},
        **{"scenario_id": parent.scenario_id, "parent": parent.id, "token": token},
        **{"total": len(children), "limit": MAX_TASKS},
    }
    flat = [text for pair in (fields or {}).items() for text in pair]
    written = 0
    while written < len(children):
        # A replica with chunks of another size may have begun.
        number, rest_of = divmod(written, size)
        rest_of_it = children[written : (number + 1) * size]
        tasks = (await _chunks(parent, rest_of_it, size))[0] if rest_of else chunks[number]
        chunk = {"offset": written, "nonce": store.nonce(), "tasks": tasks}
        word, *rest = await store.call("spawn", {**values, **chunk}, flat)
        if word not in (b"OK", b"AT"):
            return str(word.decode())
        written = int(rest[0])
        store.on_touched(at, rest[1:])
    return "OK"


async def _chunks(parent: TaskRecord, children: Sequence[NewTask], size: int) -> list[bytes]:
    """Raises TypeError: something is nested too deep."""
    chunks = []
    for first in range(0, len(children), size):
        some = children[first : first + size]
        marked = [replace(one, rules={**(one.rules or {}), "child": parent.id}) for one in some]
        chunks += chunks_of(marked, size)
        await asyncio.sleep(0)
    return chunks


async def ends_of(store: Store, task_ids: Sequence[str]) -> dict[str, tuple[str, Any, str]]:
    """Status, result and `result_ref` of those tasks that exist, by id."""
    if not task_ids:
        return {}
    keys = [store.partitions.of(task_id).task(task_id) for task_id in task_ids]
    replies = await store.link.execute_many(
        [("HMGET", key, "status", "result", "result_ref") for key in keys]
    )
    return {
        task_id: (status.decode(), _value(result or b""), (ref or b"").decode(errors="replace"))
        for task_id, (status, result, ref) in zip(task_ids, replies, strict=True)
        if status
    }


def _value(result: bytes) -> Any:
    """As `task_record` reads it."""
    try:
        return loads(result) if result else None
    except ValueError:
        return result.decode(errors="replace")


async def is_paused(store: Store, scenario_id: str) -> bool:
    """Whether a scenario is paused."""
    key = store.partitions.of(scenario_id).scenario(scenario_id)
    return bool(await store.link.execute("HGET", key, "paused"))


async def overdue(store: Store, at: Partition, task_id: str) -> Overdue:
    """Whether a task used up one of its times."""
    answer = await store.call("overdue", {"timers": at.timers, "prefix": at.prefix, "task_id": task_id})
    if isinstance(answer, bytes):
        return Overdue(answer.decode())
    word, token, allowed_ms, scenario_id = answer
    return Overdue(word.decode(), token.decode(), int(allowed_ms), scenario_id.decode())
