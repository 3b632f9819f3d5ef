"""Cases of the scripts of scenarios with states."""

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
    scenario,
    task,
)
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import dumps

KEYS = {
    "machine": f"machine:{SCENARIO}",
    "scenario": f"scenario:{SCENARIO}",
    "task": f"task:{TEXT}",
    "timers": "timers",
    "events": "task-events",
    "scenario_id": SCENARIO,
}


async def standing(link: Link, **more: str | int) -> None:
    """A machine in its second state."""
    await scenario(link, processing=1)
    await task(link, TEXT, "orchestrator", "processing", worker="orchestrator")
    flat = [part for pair in more.items() for part in pair]
    await link.execute(
        "HSET", KEYS["machine"], "token", TOKEN, "state", "paid", "visit", 2, "until_ms", 5, *flat
    )
    await link.execute("ZADD", "timers", 5, f"state:{SCENARIO}")


def moved(**more: str | int) -> Case:
    values = {"history": f"history:{SCENARIO}", "task_id": TEXT, "visit": 2, "to": "shipped", "clock": 0}
    told = {"event": '{"name":"go"}', "note": '{"visit":3}', "name": "go", "key": "0a", "kept": 2}
    return Case({**KEYS, **values, "wait_ms": 1_000, "outcome": "", **told, **more})


@case
async def transition(link: Link) -> Case:
    """By an event with an id, when the history is full and begins with one that had an id, too."""
    await standing(link, **{"event:0b": "old"})
    await link.execute("RPUSH", f"history:{SCENARIO}", "0b {}", "- {}")
    return moved()


async def transition_to_the_end(link: Link) -> Case:
    await standing(link)
    return moved(clock=1, wait_ms=0, outcome="success", key="")


async def transition_too_late(link: Link) -> Case:
    """What carried the states has ended: only the timer goes."""
    await standing(link, outcome="failed")
    return moved()


@case
async def enter_state(link: Link) -> Case:
    """The second chunk: one that waits, one that is ready, one that the engine is asked about."""
    await standing(link, written=1)
    values = {"services": "services", "prefix": "", "visit": 2, "nonce": "n9", "offset": 1}
    consumers = f'["{TEXT}"]'
    ready = [VIDEO, "video-service", "0", consumers, "", '{"timeouts":{"run_ms":5}}', "", "name", "Video"]
    asked = [OTHER, "orchestrator", "0", consumers, "", '{"ask":true}', '{"gate":{}}', "name", "Gate"]
    waits = [VOICE, "voice-service", "1", consumers, '{"max_attempts":3}', "", "", "name", "Voice"]
    chunk = {
        "total": 4,
        "limit": 100,
        "ids": dumps([VIDEO, OTHER, VOICE]),
        "tasks": dumps([waits, ready, asked]),
    }
    return Case({**KEYS, **values, **chunk})


async def enter_state_first(link: Link) -> Case:
    await standing(link, written="")
    values = {"services": "services", "prefix": "", "visit": 2, "nonce": "n9", "offset": 0}
    ready = [VIDEO, "video-service", "0", "[]", "", "", "", "name", "Video"]
    return Case({**KEYS, **values, "total": 2, "limit": 100, "ids": dumps([VIDEO]), "tasks": dumps([ready])})


CASES["transition:end"] = transition_to_the_end
CASES["transition:late"] = transition_too_late
CASES["enter_state:first"] = enter_state_first
