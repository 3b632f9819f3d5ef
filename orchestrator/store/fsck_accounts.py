"""Looks at schedules and at counters: what is wrong when seen once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from workers_sdk.protocol.keys import Partition

from .fsck_records import Fault, MendCount, MendMember, parts
from .fsck_sets import PAGE, Names
from .store import Store


async def schedules(store: Store, at: Partition, names: Names) -> list[Fault]:
    """Schedules whose turn would never come; as seen once."""
    faults = []
    for schedule_id in names.ids("schedule"):
        key = at.schedule(schedule_id)
        values, listed, timer = await store.link.execute_many(
            [
                ("HMGET", key, "state", "next_at_ms", "starting", "revision", "created_ms"),
                ("ZSCORE", at.schedules, schedule_id),
                ("ZSCORE", at.timers, f"schedule:{schedule_id}"),
            ]
        )
        state, next_ms, starting, revision, created_ms = ((value or b"").decode() for value in values)
        seen = ("state", state, "next_at_ms", next_ms, "starting", starting, "revision", revision)
        if state and listed is None:
            mend = MendMember(at.schedules, key, schedule_id, int(created_ms or 0), seen)
            faults.append(Fault("schedule_unlisted", schedule_id, "it is not listed", seen, mend))
        if (starting or state == "ended" or (state == "active" and next_ms)) and timer is None:
            score = int(next_ms) if next_ms and not starting else 0
            mend = MendMember(at.timers, key, f"schedule:{schedule_id}", score, seen)
            faults.append(
                Fault("timer_lost", schedule_id, f"its turn never comes; it is {state}", seen, mend)
            )
    return faults


async def accounts(store: Store, at: Partition, names: Names) -> list[Fault]:
    """Counters of tenants and batches; as seen once."""
    return [*await _tenants(store, at), *await _batches(store, at, names)]


async def _tenants(store: Store, at: Partition) -> list[Fault]:
    flat = await store.link.execute("HGETALL", at.tenants)
    known = {name: int(n) for name, n in parts(flat, 2)}
    ids = [one for status in ("pending", "processing") for one in await _all(store, at.index_of(status))]
    ids = list(dict.fromkeys(ids))  # one may have gone on from the first to the second meanwhile
    real = Counter(
        tenant for (tenant,) in await _fields(store, [at.scenario(one) for one in ids], "tenant") if tenant
    )
    after = await store.link.execute("HGETALL", at.tenants)
    if after != flat:
        return []  # it changes: another time
    return [
        _of_count(
            "tenant_wrong",
            at.tenants,
            tenant.decode(errors="replace"),
            known.get(tenant),
            real.get(tenant, 0),
        )
        for tenant in known.keys() | real.keys()
        if known.get(tenant, 0) != real.get(tenant, 0)
    ]


async def _batches(store: Store, at: Partition, names: Names) -> list[Fault]:
    """What a batch says of its scenarios: those that are there, and those that were purged, which it keeps counting."""
    faults: list[Fault] = []
    for batch_id in names.ids("batch"):
        key = at.batch(batch_id)
        flat = await store.link.execute("HGETALL", key)
        ids = await _all(store, at.batch_scenarios(batch_id))
        statuses = [status for (status,) in await _fields(store, [at.scenario(one) for one in ids], "status")]
        if flat and await store.link.execute("HGETALL", key) == flat:  # else it changes: another time
            faults += _of_batch(
                key, dict(zip(flat[::2], flat[1::2], strict=True)), Counter(filter(None, statuses))
            )
    return faults


def _of_batch(key: str, facts: Mapping[bytes, bytes], statuses: Counter[bytes]) -> Iterator[Fault]:
    real = {"unfinished": statuses[b"pending"] + statuses[b"processing"]}
    for end in (b"success", b"failed", b"cancelled"):
        real[end.decode()] = statuses[end] + int(facts.get(b"gone:" + end, 0))
    real["total"] = sum(real.values())
    for name, count in real.items():
        known = facts.get(name.encode())
        if int(known or 0) != count:
            seen = None if known is None else int(known)
            yield _of_count("batch_wrong", key, name, seen, count)


def _of_count(kind: str, key: str, name: str, known: int | None, real: int) -> Fault:
    seen = "" if known is None else str(known)
    text = f"it counts {known or 0} scenarios and there are {real}"
    return Fault(kind, f"{key} {name}", text, (seen, str(real)), MendCount(key, name, seen, real))


async def _all(store: Store, key: str) -> list[str]:
    return [one.decode() for one in await store.link.execute("ZRANGE", key, 0, -1)]


async def _fields(store: Store, keys: Sequence[str], *names: str) -> Iterable[Any]:
    found: list[Any] = []
    for some in parts(keys, PAGE):
        found += await store.link.execute_many([("HMGET", key, *names) for key in some])
    return found
