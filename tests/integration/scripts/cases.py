"""For every script a state in which it does all it can, and the call that does it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import dumps

WORKER: Final = "w1"
SCENARIO: Final = "0" * 16
TEXT, VOICE, SLIDE, VIDEO, LOST, OTHER = (f"00{n:014d}" for n in range(1, 7))
TOKEN: Final = "1.nonce.1"


@dataclass
class Case:
    """Values and rest of one call."""

    values: dict[str, Any]
    rest: list[Any] = field(default_factory=list)


Build = Callable[[Link], Awaitable[Case]]
CASES: Final[dict[str, Build]] = {}


def case(build: Build) -> Build:
    """Register the case of the script that the function is named after."""
    CASES[build.__name__] = build
    return build


async def scenario(link: Link, **counts: int) -> None:
    """A scenario under way."""
    flat = [part for status, n in counts.items() for part in (status, n)]
    key = f"scenario:{SCENARIO}"
    await link.execute(
        "HSET", key, "scenario_id", SCENARIO, "status", "processing", "total", sum(counts.values()),
        "created_ms", 1, "created_at", "2025-06-26T10:34:12.349Z", "task_ids", f'["{TEXT}","{VOICE}","{VIDEO}"]', *flat,
    )  # fmt: skip
    await link.execute("ZADD", "index:processing", 1, SCENARIO)


async def task(
    link: Link,
    task_id: str,
    service: str,
    status: str,
    *,
    queue: int = 0,
    consumers: str = "[]",
    worker: str = "",
) -> None:
    """A task of the scenario, with its token if it is dispatched."""
    dispatched = () if queue else ("attempt", 1, "token", TOKEN)
    await link.execute(
        "HSET", f"task:{task_id}", "id", task_id, "scenario_id", SCENARIO, "service", service, "name", "Some", "status", status,
        "queue", queue, "consumers", consumers, "worker", worker, "prompt", "hello", *dispatched,
    )  # fmt: skip


async def under_limits(link: Link, service: str, *task_ids: str) -> None:
    """Have a service managed, and tasks that were handed out under its limits and those of a key."""
    await link.execute("HSET", "flow", service, "{}")
    slots = (f"slots:{service}", f"slots:{service}:k")
    for task_id in task_ids:
        await link.execute("HSET", f"task:{task_id}", "flow_places", "\n".join(slots), "flow_score", 5)
        for name in slots:
            await link.execute("SADD", name, task_id)


async def entry(link: Link, task_id: str, service: str, *, delivered_to: str = "") -> str:
    """The entry of a dispatched task in the queue of its service."""
    queue = f"queue:{service}"
    if not await link.execute("EXISTS", queue):
        await link.execute("XGROUP", "CREATE", queue, "workers", "0", "MKSTREAM")
    entry_id = (
        await link.execute(
            "XADD",
            queue,
            "*",
            "id",
            task_id,
            "scenario_id",
            SCENARIO,
            "attempt",
            1,
            "token",
            TOKEN,
            "name",
            "Some",
        )
    ).decode()
    await link.execute("HSET", f"task:{task_id}", "entry", entry_id)
    if delivered_to:
        await link.execute("XREADGROUP", "GROUP", "workers", delivered_to, "COUNT", 1, "STREAMS", queue, ">")
    return str(entry_id)


@case
async def claim(link: Link) -> Case:
    await scenario(link, pending=2, success=1)
    await task(link, TEXT, "text-service", "success")
    await task(link, VOICE, "voice-service", "pending")
    await task(link, SLIDE, "image-service", "cancelled")
    go = await entry(link, VOICE, "voice-service", delivered_to=WORKER)
    drop = await entry(link, SLIDE, "image-service", delivered_to=WORKER)
    rest = ["voice-service", go, VOICE, TOKEN, "image-service", drop, SLIDE, TOKEN]
    return Case({"home": "task-events", "prefix": "", "group": "workers", "worker": WORKER}, rest)


@case
async def renew(link: Link) -> Case:
    await scenario(link, processing=1)
    await task(link, TEXT, "text-service", "processing", worker=WORKER)
    held = await entry(link, TEXT, "text-service", delivered_to=WORKER)
    return Case(
        {"home": "task-events", "prefix": "", "group": "workers", "worker": WORKER},
        ["text-service", held, TEXT, TOKEN],
    )


@case
async def finish(link: Link) -> Case:
    """Two reports, and between them one of an entry that is gone."""
    await scenario(link, processing=3)
    items: list[Any] = []
    reports: list[Any] = []
    for task_id, service in ((TEXT, "text-service"), (SLIDE, "image-service"), (VOICE, "voice-service")):
        await task(link, task_id, service, "processing", worker=WORKER)
        held = await entry(link, task_id, service, delivered_to=WORKER)
        if task_id == SLIDE:
            await link.execute("XACK", "queue:image-service", "workers", held)
        report = ["task_id", task_id, "status", "success", "token", TOKEN, "result", "{}"]
        items += [service, held, len(report)]
        reports += report
    return Case({"events": "task-events", "prefix": "", "group": "workers", "items": 3}, items + reports)


@case
async def progress(link: Link) -> Case:
    await task(link, TEXT, "text-service", "processing", worker=WORKER)
    await task(link, VOICE, "voice-service", "processing", worker=WORKER)
    said = [TEXT, TOKEN, "50", "half way", VOICE, TOKEN, "", ""]
    return Case({"home": "task-events", "prefix": ""}, said)


@case
async def give_back(link: Link) -> Case:
    await scenario(link, pending=1, processing=1)
    await task(link, TEXT, "text-service", "processing", worker=WORKER)
    await task(link, VOICE, "voice-service", "pending")
    rest: list[Any] = []
    for task_id, service in ((TEXT, "text-service"), (VOICE, "voice-service")):
        rest += [service, await entry(link, task_id, service, delivered_to=WORKER), task_id, TOKEN]
    await under_limits(link, "voice-service", VOICE)
    return Case(
        {"home": "task-events", "prefix": "", "group": "workers", "worker": WORKER, "nonce": "n2"}, rest
    )


@case
async def leave(link: Link) -> Case:
    await link.execute("XGROUP", "CREATE", "queue:text-service", "workers", "0", "MKSTREAM")
    await link.execute("XGROUP", "CREATECONSUMER", "queue:text-service", "workers", WORKER)
    return Case({"stream": "queue:text-service", "group": "workers", "consumer": WORKER})


@case
async def quarantine(link: Link) -> Case:
    await link.execute("XGROUP", "CREATE", "task-events", "orchestrator", "0", "MKSTREAM")
    bad = await link.execute("XADD", "task-events", "*", "nonsense", b"\xff")
    await link.execute("XREADGROUP", "GROUP", "orchestrator", "o1", "STREAMS", "task-events", ">")
    values = {
        "stream": "task-events",
        "quarantine": "quarantine",
        "group": "orchestrator",
        "entry_id": bad.decode(),
    }
    return Case({**values, "reason": "not a report", "limit": 100})


@case
async def agree(link: Link) -> Case:
    return Case({"meta": "scenarist:meta", "schema": "1", "partitions": 1, "lease_ms": 15_000})


@case
async def submit(link: Link) -> Case:
    values = {
        "scenarios": "scenarios",
        "scenario": f"scenario:{SCENARIO}",
        "idempotency": "idempotency:k",
        "prefix": "",
    }
    more = {"scenario_id": SCENARIO, "digest": "d1", "keep_ms": 60_000, "total": 3, "inbox": 2}
    owner = {"tenant": "", "most": 10, "tenant_most": 0, "batch": "", "line": 0, "origin": "", "parent": ""}
    return Case({**values, **more, **owner}, ["tasks", "[]", "name", "Some", "task_ids", "[]"])


async def submitted(link: Link) -> str:
    """A scenario of two tasks that a replica has read; returns its entry."""
    fields = "status pending total 2 pending 2 materialized 0 created_ms 1 created_at t"
    await link.execute("HSET", f"scenario:{SCENARIO}", *fields.split())
    await link.execute("ZADD", "index:pending", 1, SCENARIO)
    await link.execute("XGROUP", "CREATE", "scenarios", "orchestrator", "0", "MKSTREAM")
    inbox = await link.execute("XADD", "scenarios", "*", "scenario_id", SCENARIO, "tasks", "[]")
    await link.execute("XREADGROUP", "GROUP", "orchestrator", "o1", "STREAMS", "scenarios", ">")
    return str(inbox.decode())


@case
async def materialize(link: Link) -> Case:
    inbox = await submitted(link)
    keys = {"scenarios": "scenarios", "scenario": f"scenario:{SCENARIO}", "services": "services"}
    keys |= {"events": "task-events", "timers": "timers"}
    values = {
        "prefix": "",
        "group": "orchestrator",
        "scenario_id": SCENARIO,
        "entry_id": inbox,
        "offset": 0,
        "nonce": "n1",
    }
    video = [VIDEO, "video-service", "1", "[]", '{"max_attempts":3}', "", "", "name", "Video"]
    text = [TEXT, "text-service", "0", f'["{VIDEO}"]', "", "", "", "name", "Text", "prompt", "x"]
    return Case({**keys, **values, "tasks": dumps([video, text]), "retention": "1000 2000 3000"})


@case
async def reject(link: Link) -> Case:
    inbox = await submitted(link)
    await link.execute("HSET", "webhooks", "e1", "1 {}")
    keys = {"scenarios": "scenarios", "scenario": f"scenario:{SCENARIO}", "timers": "timers"}
    values = {"prefix": "", "group": "orchestrator", "scenario_id": SCENARIO, "entry_id": inbox}
    return Case({**keys, **values, "cause": '{"type":"malformed"}', "retention": "1000 2000 3000"})


@case
async def advance(link: Link) -> Case:
    """One success that makes another ready, one failure that skips two in a row, one that is tried again, one progress; the
    scenario ends not yet."""
    await scenario(link, pending=3, processing=3)
    await task(link, OTHER, "text-service", "processing", worker=WORKER)
    policy = '{"max_attempts":3,"delay_ms":1000,"factor":2,"max_delay_ms":60000,"jitter":true,"only":null,"never":[]}'
    await link.execute("HSET", f"task:{OTHER}", "policy", policy)
    await task(link, TEXT, "text-service", "processing", consumers=f'["{VOICE}"]', worker=WORKER)
    await task(link, VOICE, "voice-service", "pending", queue=1)
    await task(link, SLIDE, "image-service", "processing", consumers=f'["{VIDEO}"]', worker=WORKER)
    await task(link, VIDEO, "video-service", "pending", queue=1, consumers=f'["{LOST}"]')
    await task(link, LOST, "video-service", "pending", queue=1)
    await entry(link, SLIDE, "image-service", delivered_to="foreign")
    await under_limits(link, "text-service", TEXT)
    await under_limits(link, "voice-service")
    await link.execute("XGROUP", "CREATE", "task-events", "orchestrator", "0", "MKSTREAM")
    rest: list[Any] = []
    entries = []
    for task_id, kind, way in (
        (SLIDE, "processing", "stream"),
        (TEXT, "success", "acked"),
        (SLIDE, "failed", "stream"),
    ):
        entries.append((await link.execute("XADD", "task-events", "*", "task_id", task_id)).decode())
        rest += [
            task_id,
            kind,
            TOKEN,
            way,
            0,
            2,
            *(("result", "{}") if kind != "failed" else ("fingerprint", "0af")),
        ]
    await link.execute("XREADGROUP", "GROUP", "orchestrator", "o1", "STREAMS", "task-events", ">")
    values = {
        "events": "task-events",
        "timers": "timers",
        "cancellations": "cancellations",
        "prefix": "",
        "group": "orchestrator",
        "workers": "workers",
        "entries": " ".join(entries),
    }
    more = {"nonce": "n3", "budget": 100, "retention": "1000 2000 3000", "lease_ms": 1000, "chance": 0}
    return Case({**values, **more}, rest)


@case
async def sweep(link: Link) -> Case:
    await scenario(link, pending=1, processing=2)
    await task(link, TEXT, "text-service", "processing", worker="dead")
    await task(link, VOICE, "text-service", "success")
    await task(link, LOST, "text-service", "processing", worker="dead")
    await link.execute("HSET", f"task:{LOST}", "lost", 2)
    for task_id in (TEXT, VOICE, LOST):
        await entry(link, task_id, "text-service", delivered_to="dead")
    await under_limits(link, "text-service", TEXT)
    values = {"queue": "queue:text-service", "events": "task-events", "prefix": "", "workers": "workers"}
    return Case({**values, "lease_ms": 0, "max_lost": 3, "nonce": "n4", "limit": 10})


@case
async def expire(link: Link) -> Case:
    await scenario(link, processing=1)
    await task(link, TEXT, "text-service", "processing", worker="http")
    await under_limits(link, "text-service", TEXT)
    await link.execute("ZADD", "timers", 1, f"lease:{TEXT}")
    return Case(
        {
            "timers": "timers",
            "events": "task-events",
            "prefix": "",
            "task_id": TEXT,
            "max_lost": 3,
            "nonce": "n5",
        }
    )


@case
async def cancel(link: Link) -> Case:
    """One that runs, one that is queued and was failed before, one that is not written yet."""
    await scenario(link, pending=2, processing=1)
    await task(link, TEXT, "text-service", "processing", worker=WORKER)
    await entry(link, TEXT, "text-service", delivered_to=WORKER)
    await task(link, VOICE, "voice-service", "pending")
    await entry(link, VOICE, "voice-service")
    await under_limits(link, "text-service", TEXT)
    await link.execute("HSET", f"scenario:{SCENARIO}", "paused", "{}")
    await link.execute("ZADD", "timers", 1, f"start:{VOICE}")
    await link.execute("HSET", "webhooks", "e1", "1 {}")
    keys = {"scenario": f"scenario:{SCENARIO}", "timers": "timers", "cancellations": "cancellations"}
    values = {"prefix": "", "workers": "workers", "scenario_id": SCENARIO, "cause": '{"type":"cancelled"}'}
    return Case({**keys, **values, "limit": 100, "retention": "1000 2000 3000"})


@case
async def wake(link: Link) -> Case:
    await task(link, TEXT, "text-service", "pending")
    await link.execute("HSET", f"task:{TEXT}", "token", "")
    await link.execute("ZADD", "timers", 1, f"start:{TEXT}")
    return Case({"timers": "timers", "prefix": "", "task_id": TEXT, "nonce": "n6"})


@case
async def due(link: Link) -> Case:
    await link.execute("ZADD", "timers", 1, f"lease:{TEXT}")
    return Case({"timers": "timers", "since": "-inf", "passed": 0, "limit": 10})


@case
async def purge(link: Link) -> Case:
    await scenario(link, success=3)
    ended = ("status", "success", "purged", 1, "batch", OTHER)
    await link.execute("HSET", f"scenario:{SCENARIO}", *ended)
    await link.execute("HSET", f"batch:{OTHER}", "total", 1, "closed_at", "t")
    await link.execute("ZADD", f"batch-scenarios:{OTHER}", 1, SCENARIO)
    await link.execute("ZADD", "index:success", 1, SCENARIO)
    for task_id in (TEXT, VOICE, VIDEO):
        await task(link, task_id, "text-service", "success")
    await link.execute("HSET", f"task:{VIDEO}", "fingerprint", "text-service:0af")
    await link.execute("ZADD", "dead-letters:text-service:0af", 1, VIDEO)
    await link.execute("ZADD", "timers", 1, f"purge:{SCENARIO}")
    return Case({"timers": "timers", "prefix": "", "scenario_id": SCENARIO, "limit": 100})
