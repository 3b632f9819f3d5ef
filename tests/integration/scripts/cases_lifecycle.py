"""Cases of ends, pauses and revivals that reach further than one scenario."""

from typing import Any

from tests.integration.scripts.cases import (
    CASES,
    LOST,
    OTHER,
    SCENARIO,
    SLIDE,
    TEXT,
    TOKEN,
    VIDEO,
    VOICE,
    Case,
    scenario,
    task,
)
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import dumps

PURGE_AFTER = "1000 2000 3000"


async def held(link: Link, status: str, **fields: str) -> None:
    """A task that is a scenario, which goes on."""
    await task(link, LOST, "orchestrator", status, consumers=f'["{VIDEO}"]', worker="orchestrator")
    given = [part for pair in fields.items() for part in pair]
    await link.execute("HSET", f"task:{LOST}", "child_scenario_id", OTHER, *given)
    await link.execute("HSET", f"scenario:{OTHER}", "status", "processing", "parent", LOST)


async def last(link: Link, queue: int) -> None:
    """A task that runs at the end."""
    await task(link, VIDEO, "video-service", "pending", queue=queue)
    await link.execute("HSET", f"task:{VIDEO}", "rules", '{"finally":0,"all_done":true}', "token", "")


async def cancel_within(link: Link) -> Case:
    """One whose scenario goes on, one that ended before its children, one that runs at the end and waits for the former."""
    await scenario(link, pending=1, processing=1, failed=1)
    await link.execute("HSET", f"scenario:{SCENARIO}", "task_ids", dumps([TEXT, LOST, VIDEO]))
    await task(link, TEXT, "text-service", "failed", queue=1)
    await link.execute("HSET", f"task:{TEXT}", "group", "1 1 t", "released", "0")
    await held(link, "processing")
    await last(link, 2)
    keys = {"scenario": f"scenario:{SCENARIO}", "timers": "timers", "cancellations": "cancellations"}
    values = {"prefix": "", "workers": "workers", "scenario_id": SCENARIO, "cause": '{"type":"cancelled"}'}
    return Case({**keys, **values, "limit": 100, "retention": PURGE_AFTER})


async def advanced(link: Link, *rest: Any) -> Case:
    await link.execute("XGROUP", "CREATE", "task-events", "orchestrator", "0", "MKSTREAM")
    keys = {"events": "task-events", "timers": "timers", "cancellations": "cancellations", "prefix": ""}
    values = {"group": "orchestrator", "workers": "workers", "entries": "", "nonce": "n3", "budget": 100}
    return Case({**keys, **values, "retention": PURGE_AFTER, "lease_ms": 1000, "chance": 0}, list(rest))


async def advance_early(link: Link) -> Case:
    """A cancelled task whose scenario goes on, one with children, and the last of these."""
    await scenario(link, pending=2, processing=2)
    await held(link, "processing")
    await last(link, 2)
    await task(link, TEXT, "text-service", "pending", queue=1, consumers=f'["{VIDEO}"]')
    await link.execute("HSET", f"task:{TEXT}", "group", "1 1 t", "token", "")
    await task(link, SLIDE, "image-service", "processing", consumers=f'["{TEXT}"]', worker="http")
    await link.execute("HSET", f"task:{SLIDE}", "rules", f'{{"child":"{TEXT}"}}')
    ends: list[Any] = [part for one in (LOST, TEXT) for part in (one, "cancelled", "", "http", 0, 0)]
    return await advanced(link, *ends, SLIDE, "success", TOKEN, "http", 0, 0)


async def advance_told(link: Link) -> Case:
    """What was below it has ended, so those that wait for it are told; its scenario is being cancelled."""
    await scenario(link, pending=1, cancelled=1)
    await link.execute("HSET", f"scenario:{SCENARIO}", "cancel", '{"type":"cancelled"}', "late", 1)
    await held(link, "cancelled", released="0")
    await last(link, 1)
    return await advanced(link, LOST, "release", "", "stream", 0, 0)


async def revive_within(link: Link) -> Case:
    """A scenario within one that is paused, with a task whose scenario lives again already."""
    await scenario(link, failed=1, pending=0)
    key = f"scenario:{SCENARIO}"
    await held(link, "failed", released="0")
    await link.execute("HSET", key, "status", "failed", "parent", VOICE, "late", 1, "task_ids", dumps([LOST]))
    await link.execute("ZREM", "index:processing", SCENARIO)
    await link.execute("ZADD", "index:failed", 1, SCENARIO)
    await task(link, VOICE, "orchestrator", "failed", worker="orchestrator")
    await link.execute("HSET", f"task:{VOICE}", "child_scenario_id", SCENARIO, "scenario_id", VIDEO)
    await link.execute("HSET", f"scenario:{VIDEO}", "status", "processing", "paused", '{"at":"t"}')
    keys = {"scenario": key, "timers": "timers", "events": "task-events"}
    values = {"prefix": "", "scenario_id": SCENARIO, "nonce": "n7", "scope": "within", "by": "n8"}
    more = {"offset": 0, "more": 1, "wait_ms": 1000, "retention": PURGE_AFTER}
    return Case({**keys, **values, **more}, [LOST, 0, 0, 0])


CASES["cancel:within"] = cancel_within
CASES["advance:early"] = advance_early
CASES["advance:told"] = advance_told
CASES["revive:within"] = revive_within
