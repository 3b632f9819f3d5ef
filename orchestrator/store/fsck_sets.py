"""Looks at what is not reached from a scenario: keys without an owner, members of sets, entries of queues. The scripts judge, each
thing at one moment, and mend in the same step if they are asked to."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workers_sdk.protocol.keys import GROUP_WORKERS, Partition
from workers_sdk.protocol.link import Refused

from .fsck_records import Fault, parts
from .store import Store

PAGE: Final = 200
UNREADABLE: Final = "unreadable"
_OWNED: Final = ("task", "attempts", "gate", "audit", "machine", "history", "fires", "batch-scenarios")
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
        cursor, keys = await store.link.execute("SCAN", cursor, "MATCH", f"{at.prefix}*", "COUNT", 1_000)
        seen.update(keys)
        if cursor == b"0":
            break
    for key in seen:
        name = key.decode(errors="replace").removeprefix(at.prefix)
        found.of[name.partition(":")[0]].append(name)
        found.count += 1
    return found


async def orphans(store: Store, at: Partition, names: Names, *, repair: bool) -> list[Fault]:
    """Keys whose owner is gone."""
    faults: list[Fault] = []
    owned = [name for kind in _OWNED for name in names.of[kind] if ":" in name]
    values = {"home": at.timers, "prefix": at.prefix, "repair": int(repair)}
    for some in parts(owned, PAGE):
        found = await _found(store, "prune_keys", values, some, faults)
        faults += [_plain("orphan", _text(name), "what it belongs to is gone") for name in found]
    return faults


async def _found(
    store: Store, script: str, values: dict[str, Any], items: Sequence[Any], faults: list[Fault]
) -> list[Any]:
    """What a script finds among some items. One that it cannot read (a key of another type) becomes a fault, and does not hide the
    others."""
    try:
        return list(await store.call(script, values, items))
    except Refused as error:
        if len(items) == 1:
            faults.append(unreadable(_text(items[0]), error))
            return []
    half = len(items) // 2
    first = await _found(store, script, values, items[:half], faults)
    return first + await _found(store, script, values, items[half:], faults)


def unreadable(subject: str, error: Exception) -> Fault:
    """Something that is not of its form. Somebody else wrote it; nothing is done about it."""
    return _plain(UNREADABLE, subject, str(error)[:200])


def _text(name: str | bytes) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _plain(kind: str, subject: str, message: str) -> Fault:
    """A fault that its script found and, if asked to, mended."""
    return Fault(kind, subject, message, (), None)


async def members(store: Store, at: Partition, names: Names, *, repair: bool) -> list[Fault]:
    """Members of sets that do not belong there."""
    faults: list[Fault] = []
    sets = [name for kind in _SETS_OF for name in names.of[kind] if ":" in name]
    only = (at.gates, at.schedules, at.timers, at.dead_letters, at.dead_letter_kinds)
    for name in [*sets, *(key.removeprefix(at.prefix) for key in only)]:
        values = {"members": f"{at.prefix}{name}", "prefix": at.prefix, "name": name, "repair": int(repair)}
        async for some in _pages(store, f"{at.prefix}{name}", name, faults):
            found = [_text(one) for one in await _found(store, "prune", values, some, faults)]
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


async def _pages(store: Store, key: str, name: str, faults: list[Fault]) -> AsyncIterator[Sequence[bytes]]:
    cursor = b"0"
    is_set = name.startswith("slots:")
    while True:
        try:
            cursor, found = await store.link.execute(
                "SSCAN" if is_set else "ZSCAN", key, cursor, "COUNT", PAGE
            )
        except Refused as error:
            faults.append(unreadable(name, error))
            return
        for some in parts(found if is_set else found[::2], PAGE):
            yield some
        if cursor == b"0":
            return


async def lanes(store: Store, at: Partition, names: Names, *, repair: bool) -> list[Fault]:
    """Places where tasks wait and nothing will let them go on."""
    faults: list[Fault] = []
    places = [name for kind in ("lane", "parked", "held") for name in names.of[kind]]
    values = {"timers": at.timers, "prefix": at.prefix, "repair": int(repair)}
    for some in parts(places, PAGE):
        for word, name in await _found(store, "repair_lanes", values, some, faults):
            kind, message = _WORDS[word.decode()]
            faults.append(_plain(kind, name.decode(errors="replace"), message))
    return faults


async def entries(store: Store, at: Partition, names: Names, *, repair: bool) -> list[Fault]:
    """Entries of queues that are not those of the present attempt of a task."""
    faults: list[Fault] = []
    for name in names.of["queue"]:
        try:
            faults += await _of_queue(store, at, name, repair=repair)
        except Refused as error:
            faults.append(unreadable(name, error))
    return faults


async def _of_queue(store: Store, at: Partition, name: str, *, repair: bool) -> list[Fault]:
    faults = []
    values = {"queue": f"{at.prefix}{name}", "prefix": at.prefix, "workers": GROUP_WORKERS}
    after = "0-0"
    while after:
        page = {"after": after, "limit": PAGE, "repair": int(repair)}
        last, *found = await store.call("prune_entries", {**values, **page})
        for entry_id, task_id in parts(found, 2):
            text = f"no present attempt of the task {_text(task_id) or '?'}"
            faults.append(_plain("entry_left", f"{name} {_text(entry_id)}", text))
        after = last.decode()
    return faults
