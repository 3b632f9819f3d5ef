"""Looks at everything that is not reached from a scenario: keys without an owner, sets, queues, schedules, accounts."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workers_sdk.protocol.keys import GROUP_WORKERS, Partition

from .fsck_records import Fault, MendCount, MendMember, parts
from .store import Store

PAGE: Final = 200
_OWNED: Final = ("task", "attempts", "gate", "audit", "machine", "history", "fires", "batch-scenarios")
_SETS: Final = ("gates", "schedules", "timers", "dead-letters", "dead-letter-kinds")
_SETS_OF: Final = ("lane", "parked", "held", "slots", "dead-letters", "index")
"""Kinds of sets of which there is one for each of something."""
_WORDS: Final = {
    "UNLISTED": ("lane_unlisted", "its service does not know this lane"),
    "UNWATCHED": ("lane_unwatched", "nothing will let go on what waits there"),
}


@dataclass(slots=True)
class Names:
    """Names of keys of a partition behind its prefix, by what stands before the first colon."""

    of: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    def ids(self, kind: str) -> list[str]:
        """What stands behind the colon."""
        return [name.partition(":")[2] for name in self.of[kind]]


async def names_of(store: Store, at: Partition) -> Names:
    """All keys of a partition. Raises: Unavailable, Refused."""
    found, seen = Names(), set[bytes]()
    cursor = b"0"
    while True:
        cursor, keys = await store.link.execute(
            "SCAN", cursor, "MATCH", f"{_escaped(at.prefix)}*", "COUNT", 1_000
        )
        seen.update(keys)
        if cursor == b"0":
            break
    for key in seen:
        name = key.decode(errors="replace").removeprefix(at.prefix)
        found.of[name.partition(":")[0]].append(name)
        found.count += 1
    return found


def _escaped(prefix: str) -> str:
    return prefix.replace("{", r"\{").replace("}", r"\}")


async def orphans(store: Store, at: Partition, names: Names, *, repair: bool) -> list[Fault]:
    """Keys whose owner is gone."""
    faults = []
    owned = [name for kind in _OWNED for name in names.of[kind] if ":" in name]
    values = {"home": at.timers, "prefix": at.prefix, "repair": int(repair)}
    for some in parts(owned, PAGE):
        found = await store.call("prune_keys", values, some)
        faults += [_plain("orphan", name.decode(), "what it belongs to is gone") for name in found]
    return faults


def _plain(kind: str, subject: str, message: str) -> Fault:
    """A fault that its script found and, if asked to, mended."""
    return Fault(kind, subject, message, (), None)


async def members(store: Store, at: Partition, names: Names, *, repair: bool) -> list[Fault]:
    """Members of sets that do not belong there."""
    faults: list[Fault] = []
    sets = [name for kind in _SETS_OF for name in names.of[kind] if ":" in name]
    for name in [*sets, *_SETS]:
        values = {"members": f"{at.prefix}{name}", "prefix": at.prefix, "name": name, "repair": int(repair)}
        async for some in _pages(store, f"{at.prefix}{name}", is_set=name.startswith("slots:")):
            found = [one.decode(errors="replace") for one in await store.call("prune", values, some)]
            faults += [_plain(_kind_of(name), f"{name} {one}", "it does not belong there") for one in found]
    return faults


def _kind_of(name: str) -> str:
    """Of a fault, by the set in which something stands that does not belong there."""
    kind = name.partition(":")[0]
    places = {"lane": "place_left", "parked": "place_left", "held": "place_left", "slots": "slot_left"}
    more = {
        "timers": "timer_left",
        "gates": "gate_left",
        "index": "index_wrong",
        "schedules": "schedule_left",
    }
    return {**places, **more}.get(kind, "letter_left")


async def _pages(store: Store, key: str, *, is_set: bool) -> AsyncIterator[Sequence[bytes]]:
    cursor = b"0"
    while True:
        cursor, found = await store.link.execute("SSCAN" if is_set else "ZSCAN", key, cursor, "COUNT", PAGE)
        for some in parts(found if is_set else found[::2], PAGE):
            yield some
        if cursor == b"0":
            return


async def lanes(store: Store, at: Partition, names: Names, *, repair: bool) -> list[Fault]:
    """Places where tasks wait and nothing will let them go on."""
    faults = []
    places = [name for kind in ("lane", "parked", "held") for name in names.of[kind]]
    values = {"timers": at.timers, "prefix": at.prefix, "repair": int(repair)}
    for some in parts(places, PAGE):
        for word, name in await store.call("repair_lanes", values, some):
            kind, message = _WORDS[word.decode()]
            faults.append(_plain(kind, name.decode(errors="replace"), message))
    return faults


async def entries(store: Store, at: Partition, names: Names, *, repair: bool) -> list[Fault]:
    """Entries of queues that are not those of the present attempt of a task."""
    faults = []
    for name in names.of["queue"]:
        values = {"queue": f"{at.prefix}{name}", "prefix": at.prefix, "workers": GROUP_WORKERS}
        after = "0-0"
        while after:
            last, *found = await store.call(
                "prune_entries", {**values, "after": after, "limit": PAGE, "repair": int(repair)}
            )
            for entry_id, task_id in parts(found, 2):
                text = f"no present attempt of the task {task_id.decode(errors='replace') or '?'}"
                faults.append(_plain("entry_left", f"{name} {entry_id.decode()}", text))
            after = last.decode()
    return faults


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
    faults = []
    for batch_id in names.ids("batch"):
        key = at.batch(batch_id)
        known = await store.link.execute("HGET", key, "unfinished")
        ids = await _all(store, at.batch_scenarios(batch_id))
        statuses = [status for (status,) in await _fields(store, [at.scenario(one) for one in ids], "status")]
        real = sum(status in (b"pending", b"processing") for status in statuses)
        if int(known or 0) != real and await store.link.execute("HGET", key, "unfinished") == known:
            faults.append(
                _of_count("batch_wrong", key, "unfinished", int(known or 0) if known else None, real)
            )
    return faults


def _of_count(kind: str, key: str, name: str, known: int | None, real: int) -> Fault:
    seen = "" if known is None else str(known)
    text = f"it says {known or 0} unfinished scenarios and there are {real}"
    return Fault(kind, f"{key} {name}", text, (seen, str(real)), MendCount(key, name, seen, real))


async def _all(store: Store, key: str) -> list[str]:
    return [one.decode() for one in await store.link.execute("ZRANGE", key, 0, -1)]


async def _fields(store: Store, keys: Sequence[str], *names: str) -> Iterable[Any]:
    found: list[Any] = []
    for some in parts(keys, PAGE):
        found += await store.link.execute_many([("HMGET", key, *names) for key in some])
    return found
