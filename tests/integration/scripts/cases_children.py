"""Cases of the scripts for children and times."""

from tests.integration.scripts.cases import (
    CASES,
    OTHER,
    SCENARIO,
    TEXT,
    TOKEN,
    VIDEO,
    VOICE,
    Case,
    case,
    entry,
    scenario,
    task,
    under_limits,
)
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import dumps


@case
async def spawn(link: Link) -> Case:
    """A task that a worker has becomes the parent of two, one of them ready."""
    await scenario(link, processing=1)
    await task(link, TEXT, "text-service", "processing", worker="w1")
    entry_id = await entry(link, TEXT, "text-service", delivered_to="w1")
    await link.execute("HSET", f"task:{TEXT}", "entry", entry_id)
    await under_limits(link, "text-service", TEXT)
    await under_limits(link, "video-service")
    keys = {
        "scenario": f"scenario:{SCENARIO}",
        "services": "services",
        "events": "task-events",
        "timers": "timers",
    }
    values = {"prefix": "", "workers": "workers", "scenario_id": SCENARIO}
    more = {
        "parent": TEXT,
        "token": TOKEN,
        "nonce": "n9",
        "offset": 0,
        "total": 3,
        "limit": 100,
    }
    consumers = f'["{TEXT}"]'
    ready = [VIDEO, "video-service", "0", consumers, "", '{"timeouts":{"run_ms":5}}', "", "name", "Video"]
    asked = [OTHER, "orchestrator", "0", consumers, "", '{"ask":true}', '{"gate":{}}', "name", "Gate"]
    waits = [VOICE, "voice-service", "1", consumers, '{"max_attempts":3}', "", "", "name", "Voice"]
    return Case({**keys, **values, **more, "tasks": dumps([waits, ready, asked])}, ["result", "1"])


async def spawn_beside_many(link: Link) -> Case:
    """The list of ids is long already, and so is the piece after it."""
    given = await spawn(link)
    many = dumps([f"{n:016}" for n in range(900)])
    fields = ("task_ids", many, "task_ids:1", many, "id_pieces", 1)
    await link.execute("HSET", f"scenario:{SCENARIO}", *fields)
    return given


CASES["spawn:beside_many"] = spawn_beside_many


@case
async def overdue(link: Link) -> Case:
    """Its time runs on, so the timer moves."""
    await task(link, TEXT, "text-service", "processing", worker="w1")
    await link.execute(
        "HSET", f"task:{TEXT}", "rules", '{"timeouts":{"run_ms":999999999999}}', "started_at", "2025-06-26T10:34:12.349Z"
    )  # fmt: skip
    await link.execute("ZADD", "timers", 1, f"overdue:{TEXT}")
    return Case({"timers": "timers", "prefix": "", "task_id": TEXT})
