"""Reasons of tasks that were handed out: they stand in the queue of their service, or a worker has them."""

from dataclasses import dataclass, field
from typing import Any, Final

from workers_sdk.protocol.keys import GROUP_WORKERS

from .why_records import PATIENCE_MS, SHOWN, Case, Reason, iso, ms_of, plural, span, waited_ms
from .why_waiting import report_or_lost

NEAR: Final = 100
"""Entries that are counted from either end of a queue to find a place in it."""

Json = Any


@dataclass(frozen=True, slots=True)
class Queue:
    """The stream of a service.

    Attributes:
        waiting: entries that no worker has; `taken`: those that workers have.
        last: id of the entry that was delivered last.
        workers: consumers of the group: name, pending, idle (ms).
        waited_ms: how long the oldest of those waits by now that no worker has.
        is_read: a worker has made the group, so one was there once.
    """

    service: str
    waiting: int = 0
    taken: int = 0
    last: str = "0-0"
    workers: list[dict[str, Json]] = field(default_factory=list)
    waited_ms: int = 0
    is_read: bool = True


async def queue_of(case: Case, service: str) -> Queue:
    """The queue of a service as it stands now."""
    name = case.at.queue(service)
    length = await case.link.execute("XLEN", name)
    found = await case.link.execute("XINFO", "GROUPS", name) if length else []
    groups = [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in found]
    group = next((one for one in groups if one[b"name"] == GROUP_WORKERS.encode()), None)
    if group is None:
        first = await case.link.execute("XRANGE", name, "-", "+", "COUNT", 1)
        return Queue(service, length, waited_ms=await waited_ms(case.link, first), is_read=False)
    last, pending = group[b"last-delivered-id"].decode(), group[b"pending"]
    consumers, first = await case.link.execute_many(
        [("XINFO", "CONSUMERS", name, GROUP_WORKERS), ("XRANGE", name, f"({last}", "+", "COUNT", 1)]
    )
    workers = [_worker(flat) for flat in consumers]
    waits = await waited_ms(case.link, first)
    return Queue(service, max(0, length - pending), pending, last, workers, waits)


async def queued(case: Case) -> list[Reason]:
    """Its entry waits for a worker."""
    queue = await queue_of(case, case.task.service)
    name, entry = case.at.queue(queue.service), case.task.entry
    before, after = await case.link.execute_many(
        [
            ("XRANGE", name, f"({queue.last}", f"({entry}", "COUNT", NEAR + 1),
            ("XRANGE", name, f"({entry}", "+", "COUNT", NEAR + 1),
        ]
    )
    facts: dict[str, Json] = {"waiting": queue.waiting, "taken": queue.taken, "entry": entry}
    if len(before) <= NEAR or len(after) <= NEAR:
        facts["position"] = len(before) + 1 if len(before) <= NEAR else queue.waiting - len(after)
        where = f"it is {facts['position']} of {queue.waiting}"
    else:
        where = f"more than {NEAR} of {queue.waiting} stand before it"
    text = f"in the queue of {queue.service} {where} that no worker has; workers have {queue.taken}"
    return [*no_worker(case, queue), Reason("queued", text, facts), *_busy(queue)]


def no_worker(case: Case, queue: Queue) -> list[Reason]:
    """Nobody reads a queue in which tasks wait, or nobody has for longer than the lease."""
    if not queue.is_read or (not queue.workers and queue.waited_ms > PATIENCE_MS):
        text = f"no worker has ever read the queue of {queue.service}"
        return [Reason("no_worker", text, {"service": queue.service, "workers": []})]
    silent_ms = min((worker["idle_ms"] for worker in queue.workers), default=0)
    if min(silent_ms, queue.waited_ms) <= case.lease_ms:
        return []
    facts = {"service": queue.service, "silent_ms": silent_ms, "workers": queue.workers[:SHOWN]}
    text = f"no worker has read the queue of {queue.service} for {span(silent_ms)}"
    return [Reason("no_worker", text, facts)]


async def held_by_worker(case: Case) -> list[Reason]:
    """A worker has its entry."""
    task = case.task
    name = case.at.queue(task.service)
    pending, values = await case.link.execute_many(
        [
            ("XPENDING", name, GROUP_WORKERS, task.entry, task.entry, 1),
            ("HMGET", case.at.task(task.task_id), "started_at", "progress", "message"),
        ]
    )
    if not pending:  # a moment ago it was
        return await report_or_lost(case, "its entry is gone")
    _, worker, idle_ms, deliveries = pending[0]
    left = case.lease_ms - idle_ms
    started, progress, message = ((value or b"").decode(errors="replace") for value in values)
    facts: dict[str, Json] = {
        "worker": worker.decode(errors="replace"), "idle_ms": idle_ms, "lease_left_ms": left, "deliveries": deliveries,
        "attempt": int(task.attempt or 0), "started_at": started or None, "last_sign_at": task.updated_at or None,
    }  # fmt: skip
    facts |= {"progress": float(progress)} if progress else {}
    facts |= {"message": message} if message else {}
    since = f" since {started}" if started else ""
    done = f", {float(progress):g} % done" if progress else ""
    lease = (
        f"its lease ends in {span(left)}"
        if left > 0
        else f"its lease ended {span(-left)} ago, it will be handed out again"
    )
    return [Reason("running", f"the worker {facts['worker']} has it{since}{done}; {lease}", facts)]


def held_over_http(case: Case) -> list[Reason]:
    """Somebody took it over HTTP."""
    ends = float(case.task.lease)
    left = round(ends - case.now_ms)
    facts = {"lease_left_ms": left, "lease_ends_at": iso(ends), "last_sign_at": case.task.updated_at or None}
    sign = (
        f", last heard of {span(case.now_ms - ms_of(case.task.updated_at))} ago"
        if case.task.updated_at
        else ""
    )
    return [
        Reason(
            "running_over_http",
            f"somebody works on it over HTTP{sign}; the lease ends in {span(max(0, left))}",
            facts,
        )
    ]


def _busy(queue: Queue) -> list[Reason]:
    busy = [worker for worker in queue.workers if worker["pending"]]
    if not busy:
        return []
    text = f"{plural(len(busy), 'worker')} of {len(queue.workers)} have {queue.taken} tasks"
    return [Reason("workers_busy", text, {"workers": busy[:SHOWN]})]


def _worker(flat: list[Any]) -> dict[str, Json]:
    known = dict(zip(flat[::2], flat[1::2], strict=True))
    name = known[b"name"].decode(errors="replace")
    return {"name": name, "pending": known[b"pending"], "idle_ms": known[b"idle"]}
