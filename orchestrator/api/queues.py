"""The queues of the services, as Redis sees them."""

import asyncio
from typing import Any

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_WORKERS, Partition
from workers_sdk.protocol.link import Refused

from .service_models import QueueOut


async def queues_of(store: Store) -> dict[str, QueueOut]:
    """Every service that ever got a task, with its queues of all partitions together. Raises: Unavailable."""
    seconds, micros = await store.link.execute("TIME")
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    places = [(at, service) for at in store.partitions for service in await store.services(at)]
    found = await asyncio.gather(*(_queue(store, at, service, now_ms) for at, service in places))
    together: dict[str, QueueOut] = {}
    for (_, service), queue in zip(places, found, strict=True):
        together[service] = _sum(together[service], queue) if service in together else queue
    return together


async def _queue(store: Store, at: Partition, service: str, now_ms: int) -> QueueOut:
    name = at.queue(service)
    try:
        groups = [_fields(flat) for flat in await store.link.execute("XINFO", "GROUPS", name)]
    except Refused:  # none of its tasks was ever ready
        groups = []
    group = next((one for one in groups if one["name"] == GROUP_WORKERS.encode()), None)
    last = group["last-delivered-id"].decode() if group else "0-0"
    length, first = await store.link.execute_many(
        [("XLEN", name), ("XRANGE", name, f"({last}", "+", "COUNT", 1)]
    )
    pending = group["pending"] if group else 0
    return QueueOut(
        waiting=max(0, length - pending),  # an entry goes in the script that ends its task
        pending=pending,
        consumers=group["consumers"] if group else 0,
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
