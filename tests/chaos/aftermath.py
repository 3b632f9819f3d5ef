"""What is looked at in Redis when all is over: nothing waits, nothing is wrong, and after the retention nothing is left."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from workers_sdk.protocol.link import Link

from .client import Client
from .system import NOT_THERE, System
from .users import Users

Json = Any

LASTING: Final = (
    *("scenarist:", "services", "flow", "scenarios", "task-events", "outbox", "cancellations"),
    *("webhooks", "webhooks-failing", "queue:", "deliveries:"),
)
"""Beginnings of the names of keys that stay. All others go or expire."""
CONNECTIONS: Final = 40
"""More than 3 orchestrators, 4 workers and an API with its renderer have; and so many for each further partition."""


async def nothing_waits(system: System, link: Link) -> list[str]:
    """All scenarios have ended, of whomever; all streams are empty."""
    indexes = [
        f"{prefix}index:{status}" for prefix in system.prefixes for status in ("pending", "processing")
    ]
    streams = [
        f"{prefix}{name}" for prefix in system.prefixes for name in ("scenarios", "task-events", "outbox")
    ]

    async def unfinished() -> Sequence[Any]:
        return [one for name in indexes for one in await link.execute("ZRANGE", name, 0, -1)]

    async def entries() -> Sequence[Any]:
        queues = [name.decode() for name in await link.execute("KEYS", "*queue:*")]
        return [name for name in (*streams, *queues) if await link.execute("XLEN", name)]

    return [
        *await _none(unfinished, "scenarios that have not ended"),
        *await _none(entries, "streams that are not empty"),
    ]


async def nobody_waits_for_webhooks(system: System, client: Client, link: Link) -> list[str]:
    """What would be sent in minutes is sent now."""
    wrong: list[str] = []
    _, found = await client.ask("GET", "/webhooks")
    for hook in found["items"]:
        names = [f"{prefix}waiting-deliveries:{hook['id']}" for prefix in system.prefixes]

        async def waiting(
            path: str = f"/webhooks/{hook['id']}/redrive", names: Sequence[str] = names
        ) -> Sequence[Any]:
            await client.ask("POST", path, json={})
            return [one for name in names for one in await link.execute("ZRANGE", name, 0, -1)]

        wrong += [f"a webhook was disabled: {hook['reason']}"] if not hook["enabled"] else []
        wrong += await _none(waiting, "webhooks that wait")
    return wrong


async def schedules_are_well(system: System, users: Users, client: Client) -> list[str]:
    """No fire failed; the schedule that makes up for everything missed none."""
    wrong: list[str] = []
    fine = {"started", "refused"} if system.was_full else {"started"}
    for misfire, schedule_id in users.schedules.items():
        _, found = await client.ask("GET", f"/schedules/{schedule_id}")
        outcomes = {fire["outcome"] for fire in found["last_fires"]}
        if "failed" in outcomes or (misfire == "all" and outcomes - fine):
            wrong.append(f"the schedule {misfire!r}: {outcomes}, {found['last_error']}")
    return wrong


async def fsck(system: System, *more: str) -> list[str]:
    """What the command finds."""
    words = [sys.executable, "-m", "orchestrator", "fsck", "--output", "json", *more]
    child = await asyncio.create_subprocess_exec(
        *words, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, said = await child.communicate()
    if said.decode().strip().startswith(NOT_THERE):
        return []
    try:
        report = json.loads(out)
    except ValueError:
        return [f"fsck: {out.decode()} {said.decode()}"]
    return [f"fsck: {finding}" for finding in report["findings"]]


async def fsck_meanwhile(system: System, how: str, stop: asyncio.Event) -> None:
    """While all are at work nothing is wrong, either."""
    while not stop.is_set():
        found = await fsck(system, *(["--repair"] if how == "repair" else []))
        system.wrong += [f"meanwhile {text}" for text in found]
        for text in found:
            system.say(text)
        await asyncio.sleep(1)


async def few_connections(system: System, link: Link) -> list[str]:
    """Nobody forgot one."""
    count = len((await link.execute("CLIENT", "LIST")).decode().splitlines())
    return [f"{count} connections"] if count > CONNECTIONS * system.partitions else []


async def nothing_is_left(system: System, users: Users, client: Client, link: Link) -> list[str]:
    """After the retention. What is looked at again after an hour only is looked at now."""
    for schedule_id in users.schedules.values():
        await client.ask("DELETE", f"/schedules/{schedule_id}")

    async def left() -> Sequence[Any]:
        now_ms = int((await link.execute("TIME"))[0]) * 1000
        for timers in [f"{prefix}timers" for prefix in system.prefixes]:
            late = await link.execute(
                "ZRANGEBYSCORE", timers, now_ms + system.retention_s * 1000 + 5_000, "inf"
            )
            for member in late:
                if member.startswith(b"purge:"):
                    await link.execute("ZADD", timers, "XX", now_ms, member)
        names = [name.decode() for name in await link.execute("KEYS", "*")]
        others = [name for name in names if not name.rpartition("}:")[2].startswith(LASTING)]
        ttls = await link.execute_many([("PTTL", name) for name in others]) if others else []
        return [name for name, ttl in zip(others, ttls, strict=True) if ttl == -1]

    wrong = await _none(left, "keys after the retention", system.retention_s + 60)
    files = [str(path) for path in (system.folder / "artifacts").rglob("*") if path.is_file()]
    return wrong + ([f"artifacts after the retention: {files[:5]}"] if files else [])


async def _none(ask: Callable[[], Awaitable[Sequence[Any]]], what: str, timeout_s: float = 60) -> list[str]:
    deadline = time.monotonic() + timeout_s
    while found := await ask():
        if time.monotonic() > deadline:
            return [f"{what}: {len(found)}, {found[:20]}"]
        await asyncio.sleep(0.3)
    return []
