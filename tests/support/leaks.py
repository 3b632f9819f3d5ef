"""Nothing stays behind: every key has an owner and an end."""

import asyncio
import re
from collections.abc import Iterable
from typing import Final

from workers_sdk.protocol.keys import GATE_SECRET, LAST_CHECK, META
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import Status

LOOKS: Final = 20
LOOK_AGAIN_S: Final = 0.1

# What an installation has for as long as it lives. Streams among them hold work in flight only.
_PERMANENT = re.compile(
    rf"^(\{{p\d+\}}:)?(scenarios|task-events|timers|services|quarantine|cancellations|gates|webhooks|webhooks-failing|outbox|feed|flow|schedules|queue:[a-z0-9_.-]+|index:[a-z]+)$|^{META}$|^{GATE_SECRET}$|^{LAST_CHECK}$|^test:"
)
_OWNED = re.compile(
    r"^(?P<prefix>(?:\{p\d+\}:)?)(?P<kind>scenario|schedule|fires|task|attempts|gate|audit|machine|history):(?P<id>[0-9a-z]{16})$"
)

_TENANTS = re.compile(r"^(?P<prefix>(?:\{p\d+\}:)?)tenants$")
_BATCHES = re.compile(r"^(?P<prefix>(?:\{p\d+\}:)?)(?P<kind>batch|batch-scenarios):(?P<id>[0-9a-z]{16})$")
_LETTERS = re.compile(r"^(?P<prefix>(?:\{p\d+\}:)?)(?P<kind>dead-letters|dead-letter-kinds):?(?P<of>.*)$")

_PLACES = re.compile(
    r"^(?P<prefix>(?:\{p\d+\}:)?)(?P<place>(?P<kind>lanes|lane|parked|held|slots):(?P<service>[^:]+).*)$"
)


async def leaked_keys(link: Link) -> list[str]:
    """Names of the keys without an end, sorted.

    A key is fine when it is permanent, expires, or belongs to a scenario that still runs or has a timer (which
    will purge it), or to a schedule that is listed (which somebody may remove). An engine may be at work meanwhile: named is
    what lasts, in all looks.
    """
    left = {*await _look(link)}
    for _ in range(LOOKS):
        if not left:
            break
        await asyncio.sleep(LOOK_AGAIN_S)
        left &= {*await _look(link)}
    return sorted(left)


async def _look(link: Link) -> list[str]:
    """What seems to be left; a key and its owner are read one after the other."""
    names = [name.decode() for name in await _all_keys(link)]
    lasting = [name for name in names if not _PERMANENT.match(name)]
    ttls = await link.execute_many([("PTTL", name) for name in lasting]) if lasting else []
    kept = [name for name, ttl in zip(lasting, ttls, strict=True) if ttl == -1]
    cared_for = await _cared_for(link, kept)
    left = [name for name in kept if await _scenario_of(link, name) not in cared_for]
    left = [name for name in left if not await _lists_dead_letters(link, name)]
    for is_fine in (_is_place, _counts_tenants, _is_batch):
        left = [name for name in left if not await is_fine(link, name)]
    return left


async def _counts_tenants(link: Link, name: str) -> bool:
    """Whether it has how many scenarios of each tenant are not finished, and nothing else."""
    if not (found := _TENANTS.match(name)):
        return False
    counted: dict[bytes, int] = {}
    for status in (Status.PENDING, Status.PROCESSING):
        for one in await link.execute("ZRANGE", f"{found['prefix']}index:{status}", 0, -1):
            tenant = await link.execute("HGET", f"{found['prefix']}scenario:{one.decode()}", "tenant")
            if tenant:
                counted[tenant] = counted.get(tenant, 0) + 1
    flat = await link.execute("HGETALL", name)
    return counted == {tenant: int(n) for tenant, n in zip(flat[::2], flat[1::2], strict=True)}


async def _is_batch(link: Link, name: str) -> bool:
    """Whether it is a batch with scenarios, all of which exist: it goes with the last of them."""
    if not (found := _BATCHES.match(name)):
        return False
    ids = await link.execute("ZRANGE", f"{found['prefix']}batch-scenarios:{found['id']}", 0, -1)
    scenarios = [("HGET", f"{found['prefix']}scenario:{one.decode()}", "batch") for one in ids]
    owners = await link.execute_many(scenarios) if scenarios else []
    return bool(owners) and set(owners) == {found["id"].encode()}


async def _lists_dead_letters(link: Link, name: str) -> bool:
    """Whether it is a list of dead letters, and each of its members is one."""
    if not (found := _LETTERS.match(name)):
        return False
    members = [one.decode() for one in await link.execute("ZRANGE", name, 0, -1)]
    if found["kind"] == "dead-letter-kinds":
        keys = [("EXISTS", f"{found['prefix']}dead-letters:{member}") for member in members]
        return all(await link.execute_many(keys))
    tasks = [("HGET", f"{found['prefix']}task:{member}", "fingerprint") for member in members]
    return all(kind and found["of"] in ("", kind.decode()) for kind in await link.execute_many(tasks))


async def _is_place(link: Link, name: str) -> bool:
    """Whether it is a set of flow control, and each of its members says that it stands there."""
    if not (found := _PLACES.match(name)):
        return False
    listing = ("SMEMBERS", name) if found["kind"] == "slots" else ("ZRANGE", name, 0, -1)
    members = await link.execute(*listing)
    if found["kind"] == "lanes":
        return await _are_lanes(link, found["prefix"], found["service"], members)
    tasks = [("HGET", f"{found['prefix']}task:{one.decode()}", "flow_places") for one in members]
    return all(
        found["place"] in (text or b"").decode().split("\n") for text in await link.execute_many(tasks)
    )


async def _are_lanes(link: Link, prefix: str, service: str, tenants: Iterable[bytes]) -> bool:
    """Whether there are lanes, or the engine will look and see that there are none (at the latest after a pause)."""
    due = await link.execute("ZSCORE", f"{prefix}timers", f"fill:{service}")
    paused = await link.execute("HMGET", f"{prefix}flow", "*", f"{service}:paused")
    lanes = [("EXISTS", f"{prefix}lane:{service}:{tenant.decode()}") for tenant in tenants]
    return due is not None or any(paused) or any(await link.execute_many(lanes))


async def _all_keys(link: Link) -> list[bytes]:
    cursor = b"0"
    found: list[bytes] = []
    while True:
        cursor, names = await link.execute("SCAN", cursor, "COUNT", 1000)
        found += names
        if cursor == b"0":
            return found


async def _cared_for(link: Link, names: Iterable[str]) -> set[tuple[str, str]]:
    """(prefix, scenario id) of the scenarios that still run or wait for their purge."""
    result: set[tuple[str, str]] = set()
    for name in names:
        if (owned := _OWNED.match(name)) and owned["kind"] == "schedule":
            listed = await link.execute("ZSCORE", f"{owned['prefix']}schedules", owned["id"])
            result.update({(owned["prefix"], owned["id"])} if listed else ())
        if owned and owned["kind"] == "scenario":
            status = await link.execute("HGET", name, "status")
            running = status is not None and not Status(status.decode()).is_final
            if running or await _has_timer(link, owned["prefix"], owned["id"]):
                result.add((owned["prefix"], owned["id"]))
    return result


async def _has_timer(link: Link, prefix: str, scenario_id: str) -> bool:
    _, members = await link.execute(
        "ZSCAN", f"{prefix}timers", "0", "MATCH", f"*{scenario_id}*", "COUNT", 100_000
    )
    return bool(members)


async def _scenario_of(link: Link, name: str) -> tuple[str, str] | None:
    owned = _OWNED.match(name)
    if owned is None:
        return None
    if owned["kind"] in ("scenario", "schedule", "fires", "machine", "history"):
        return owned["prefix"], owned["id"]
    scenario_id = await link.execute("HGET", f"{owned['prefix']}task:{owned['id']}", "scenario_id")
    return owned["prefix"], scenario_id.decode() if scenario_id else ""
