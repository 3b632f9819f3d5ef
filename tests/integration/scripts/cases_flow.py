"""Cases of flow control."""

from typing import Any

from tests.integration.scripts.cases import (
    CASES,
    LOST,
    OTHER,
    SCENARIO,
    SLIDE,
    TEXT,
    VIDEO,
    VOICE,
    WORKER,
    Case,
    case,
    entry,
    scenario,
    task,
)
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import dumps

SERVICE = "text-service"
KEYED = {"flow": {"tenant": "t1", "key": "k", "max": 1, "rate": {"count": 1, "per_ms": 60_000, "burst": 2}}}


async def waits(link: Link, task_id: str, place: str, *, slots: str = "", rules: Any = None) -> None:
    """Let a task wait aside."""
    await task(link, task_id, SERVICE, "pending")
    more = ("rules", dumps(rules)) if rules else ()
    places = f"{place}\n{slots}" if slots else place
    await link.execute("HSET", f"task:{task_id}", "token", "", "flow_places", places, "flow_score", 5, *more)
    await link.execute("ZADD", place, 5, task_id)
    if slots:
        await link.execute("SADD", slots, task_id)


@case
async def fill(link: Link) -> Case:
    """Of two tenants: one that goes, with the slot of its key; one whose key is taken; one without a slot of the service;
    one of a paused scenario; one that is cancelled."""
    await scenario(link, pending=5)
    await link.execute("HSET", "scenario:paused", "status", "processing", "paused", "{}")
    limits = {"concurrency": 2, "rate": {"count": 10, "per_ms": 1000, "burst": 5}, "weights": {"t1": 2}}
    await link.execute("HSET", "flow", SERVICE, dumps(limits))
    await link.execute("SADD", f"slots:{SERVICE}:k", OTHER)
    await waits(link, SLIDE, f"lane:{SERVICE}:t0")
    await link.execute("HSET", f"task:{SLIDE}", "scenario_id", "paused")
    await waits(link, LOST, f"lane:{SERVICE}:t0")
    await link.execute("HSET", f"task:{LOST}", "status", "cancelled")
    await waits(link, TEXT, f"lane:{SERVICE}:t1", rules=KEYED)
    keyed = {"flow": {**KEYED["flow"], "key": "free"}}
    await waits(link, VOICE, f"lane:{SERVICE}:t2", slots=f"slots:{SERVICE}:free", rules=keyed)
    await waits(link, VIDEO, f"lane:{SERVICE}:t3", rules={"flow": {"key": "other", **KEYED["flow"]}})
    await link.execute("HSET", f"task:{VIDEO}", "rules", dumps({"flow": {**KEYED["flow"], "key": "late"}}))
    await link.execute("ZADD", f"lanes:{SERVICE}", 1, "t0", 1, "t1", 1, "t2", 1, "t3")
    await link.execute("ZADD", "timers", 1, f"fill:{SERVICE}")
    values = {"timers": "timers", "queue": f"queue:{SERVICE}", "prefix": "", "service": SERVICE}
    return Case({**values, "workers": "workers", "nonce": "f1", "limit": 10})


@case
async def unpark(link: Link) -> Case:
    await scenario(link, pending=2)
    await link.execute("HSET", "flow", SERVICE, "{}")
    await waits(link, TEXT, f"parked:{SERVICE}:k", rules=KEYED)
    await waits(link, VOICE, f"parked:{SERVICE}:k", rules=KEYED)
    await link.execute("ZADD", "timers", 1, f"unpark:{SERVICE} k")
    values = {"timers": "timers", "parked": f"parked:{SERVICE}:k", "prefix": "", "service": SERVICE}
    return Case({**values, "key": "k", "limit": 10})


@case
async def take_back(link: Link) -> Case:
    """One that a worker has, one that none has, one that was cancelled."""
    await scenario(link, pending=2, processing=1)
    await link.execute("HSET", "flow", f"{SERVICE}:paused", "{}")
    await task(link, TEXT, SERVICE, "processing", worker=WORKER)
    await entry(link, TEXT, SERVICE, delivered_to=WORKER)
    await task(link, VOICE, SERVICE, "pending")
    await entry(link, VOICE, SERVICE)
    places = f"slots:{SERVICE}\nslots:{SERVICE}:k"
    await link.execute("HSET", f"task:{VOICE}", "flow_places", places, "flow_score", 7)
    await link.execute("SADD", f"slots:{SERVICE}", VOICE)
    await link.execute("SADD", f"slots:{SERVICE}:k", VOICE)
    await task(link, SLIDE, SERVICE, "cancelled")
    await entry(link, SLIDE, SERVICE)
    values = {"queue": f"queue:{SERVICE}", "prefix": "", "service": SERVICE, "workers": "workers"}
    return Case({**values, "limit": 10})


@case
async def set_flow(link: Link) -> Case:
    await link.execute("SADD", "services", SERVICE, "voice-service")
    await link.execute("HSET", "flow", SERVICE, "{}")
    values = {"flow": "flow", "timers": "timers", "services": "services", "subject": "*", "what": "pause"}
    return Case({**values, "facts": '{"reason":"repair"}'})


async def below(link: Link, **fields: str) -> None:
    """A task that is a scenario."""
    await task(link, LOST, "orchestrator", "processing", worker="orchestrator")
    ids = dumps([TEXT, VOICE, VIDEO, LOST])
    await link.execute("HSET", f"task:{LOST}", "child_scenario_id", OTHER)
    await link.execute("HSET", f"scenario:{SCENARIO}", "task_ids", ids)
    given = [part for pair in fields.items() for part in pair]
    await link.execute("HSET", f"scenario:{OTHER}", "status", "processing", "parent", LOST, *given)


async def resume_below(link: Link) -> Case:
    """One that somebody paused, and then the scenario that it is a part of was paused."""
    await scenario(link, processing=1)
    await link.execute("HSET", f"scenario:{SCENARIO}", "paused", '{"at":"t"}')
    await below(link, paused='{"at":"s"}')
    values = {"scenario": f"scenario:{OTHER}", "timers": "timers", "held": f"held:{OTHER}", "prefix": ""}
    return Case({**values, "scenario_id": OTHER, "begin": 1, "nonce": "f2", "limit": 10})


CASES["resume_scenario:below"] = resume_below


@case
async def pause_scenario(link: Link) -> Case:
    """One in a stream, one in a lane, one that runs, one that is a scenario."""
    await scenario(link, pending=2, processing=2)
    await below(link)
    await task(link, TEXT, SERVICE, "processing", worker=WORKER)
    await entry(link, TEXT, SERVICE, delivered_to=WORKER)
    await task(link, VOICE, SERVICE, "pending")
    await entry(link, VOICE, SERVICE)
    await link.execute("HSET", f"task:{VOICE}", "flow_places", f"slots:{SERVICE}")
    await link.execute("SADD", f"slots:{SERVICE}", VOICE)
    await waits(link, VIDEO, f"lane:{SERVICE}:-")
    values = {"scenario": f"scenario:{SCENARIO}", "timers": "timers", "prefix": "", "workers": "workers"}
    return Case({**values, "scenario_id": SCENARIO, "facts": '{"reason":"wait"}', "limit": 10})


@case
async def resume_scenario(link: Link) -> Case:
    """One that goes to its stream, one whose service is managed, and a scenario that was paused with it."""
    await scenario(link, pending=2, processing=1)
    await link.execute("HSET", f"scenario:{SCENARIO}", "paused", "{}", "pause_at", 9, "within", 1)
    await below(link, paused=f'{{"scenario_id":"{SCENARIO}","at":"t"}}')
    await link.execute("HSET", "flow", "voice-service", "{}")
    await waits(link, TEXT, f"held:{SCENARIO}")
    await waits(link, VOICE, f"held:{SCENARIO}")
    await link.execute("HSET", f"task:{VOICE}", "service", "voice-service")
    values = {
        "scenario": f"scenario:{SCENARIO}",
        "timers": "timers",
        "held": f"held:{SCENARIO}",
        "prefix": "",
    }
    return Case({**values, "scenario_id": SCENARIO, "begin": 1, "nonce": "f2", "limit": 10})
