"""The queues of the services, as Redis sees them."""

from typing import Any

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_WORKERS
from workers_sdk.protocol.link import Command

from .service_models import QueueOut


async def queues_of(store: Store) -> dict[str, QueueOut]:
    """Every service that ever got a task, with its queues of all partitions together. Raises: Unavailable, Refused.

    In four round trips, however many services there are.
    """
    link, places = store.link, await store.queues()
    names = [at.queue(service) for at, service in places]
    (seconds, micros), *there = await link.execute_many([("TIME",), *(("EXISTS", name) for name in names)])
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    known = [name for name, is_there in zip(names, there, strict=True) if is_there]  # XINFO refuses others
    groups = dict(
        zip(known, await link.execute_many([("XINFO", "GROUPS", name) for name in known]), strict=True)
    )
    workers = [_workers(groups.get(name, [])) for name in names]
    commands: list[Command] = []
    for name, group in zip(names, workers, strict=True):
        last = group["last-delivered-id"].decode() if group else "0-0"
        commands += [("XLEN", name), ("XRANGE", name, f"({last}", "+", "COUNT", 1)]
    found = await link.execute_many(commands)
    together: dict[str, QueueOut] = {}
    for (_, service), group, length, first in zip(places, workers, found[::2], found[1::2], strict=True):
        queue = _queue(group, length, first, now_ms)
        together[service] = _sum(together[service], queue) if service in together else queue
    return together


def _workers(groups: list[list[Any]]) -> dict[str, Any]:
    """The group of the workers; empty when no worker ever read the queue."""
    known = (_fields(flat) for flat in groups)
    return next((one for one in known if one["name"] == GROUP_WORKERS.encode()), {})


def _queue(group: dict[str, Any], length: int, first: list[Any], now_ms: int) -> QueueOut:
    pending = group.get("pending", 0)
    return QueueOut(
        waiting=max(0, length - pending),  # an entry goes in the script that ends its task
        pending=pending,
        consumers=group.get("consumers", 0),
        oldest_waiting_s=max(0, now_ms - int(first[0][0].split(b"-")[0])) / 1000 if first else None,
    )


def _fields(flat: list[Any]) -> dict[str, Any]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _sum(one: QueueOut, other: QueueOut) -> QueueOut:
    ages = [age for age in (one.oldest_waiting_s, other.oldest_waiting_s) if age is not None]
    return QueueOut(
        waiting=one.waiting + other.waiting,
        pending=one.pending + other.pending,
        consumers=max(one.consumers, other.consumers),  # a worker reads all partitions
        oldest_waiting_s=max(ages, default=None),
    )
