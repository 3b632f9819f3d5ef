"""Cases of the scripts for dead letters, and for tasks that are to live again."""

from typing import Any

from tests.integration.scripts.cases import (
    LOST,
    OTHER,
    SCENARIO,
    SLIDE,
    TEXT,
    VIDEO,
    VOICE,
    Case,
    case,
    scenario,
    task,
)
from workers_sdk.protocol.link import Link

KIND = "text-service:0123456789abcdef"


async def dead_letter(link: Link, task_id: str) -> None:
    """A task that failed for good."""
    await task(link, task_id, "text-service", "failed")
    await link.execute("HSET", f"task:{task_id}", "fingerprint", KIND, "error", '{"type":"Boom"}')
    for key, member in (
        ("dead-letters", task_id),
        (f"dead-letters:{KIND}", task_id),
        ("dead-letter-kinds", KIND),
    ):
        await link.execute("ZADD", key, 1, member)


@case
async def dismiss(link: Link) -> Case:
    await dead_letter(link, TEXT)
    return Case({"letters": "dead-letters", "prefix": ""}, [TEXT])


@case
async def edit(link: Link) -> Case:
    await dead_letter(link, TEXT)
    return Case(
        {"task": f"task:{TEXT}", "known": "", "params": ""}, ["params", '{"voice":"ann"}', "prompt", "again"]
    )


@case
async def remind(link: Link) -> Case:
    return Case({"timers": "timers", "timer": "redrive:5:", "delay_ms": 5, "keep": 1})


@case
async def revive(link: Link) -> Case:
    """A dead letter that starts again, one that waits for it and for one that has not heard of all its parents, one that a
    dead parent keeps dead, and one that waits and must wait for one more."""
    await scenario(link, success=1, failed=2, skipped=2, pending=1)
    await dead_letter(link, TEXT)
    await task(link, VOICE, "voice-service", "success", consumers=f'["{OTHER}","{VIDEO}"]')
    await link.execute("HSET", f"task:{VOICE}", "released", 20)
    await task(link, VIDEO, "video-service", "skipped", queue=2)
    await task(link, SLIDE, "image-service", "failed")
    await task(link, LOST, "video-service", "skipped", queue=1)
    await task(link, OTHER, "video-service", "pending", queue=1)
    await link.execute("HSET", f"task:{OTHER}", "rules", '{"need":1}', "got", "0 1")
    key = f"scenario:{SCENARIO}"
    error = f'{{"type":"task_failed","message":"a task failed","task_id":"{TEXT}"}}'
    await link.execute("HSET", key, "status", "failed", "error", error, "finished_at", "t")
    await link.execute("ZREM", "index:processing", SCENARIO)
    await link.execute("ZADD", "index:failed", 1, SCENARIO)
    await link.execute("ZADD", "timers", 1, f"purge:{SCENARIO}")
    keys = {"scenario": key, "timers": "timers", "events": "task-events"}
    values = {"prefix": "", "scenario_id": SCENARIO, "nonce": "n7", "scope": "all"}
    more = {"offset": 0, "more": 1, "wait_ms": 1000, "retention": "1000 2000 3000", "by": "n8"}
    rest: list[Any] = [TEXT, 0, 0, 1, OTHER, VIDEO, 0, 2, TEXT, VOICE, 0, LOST, 0, 1, SLIDE, 0]
    return Case({**keys, **values, **more}, rest)


@case
async def note_rerun(link: Link) -> Case:
    await scenario(link, success=3)
    await link.execute("HSET", f"scenario:{SCENARIO}", "reruns", LOST)
    return Case({"scenario": f"scenario:{SCENARIO}", "prefix": "", "rerun": OTHER, "limit": 100})
