"""Cases of the scripts of schedules."""

from typing import Any

from workers_sdk.protocol.link import Link

from .cases import SCENARIO, TEXT, Case, case

ID = "0" * 15 + "1"
KEYS = {"schedule": f"schedule:{ID}", "schedules": "schedules", "timers": "timers"}


async def schedule(link: Link, **more: Any) -> None:
    """One whose turn it is; the scenario before still runs."""
    fields = {
        "schedule_id": ID,
        "state": "active",
        "next_ms": 1000,
        "next_at_ms": 1001,
        "revision": 3,
        "runs": 0,
        **more,
    }
    await link.execute("HSET", f"schedule:{ID}", *[part for pair in fields.items() for part in pair])
    await link.execute("HSET", f"scenario:{SCENARIO}", "status", "processing")
    await link.execute("ZADD", "schedules", 1, ID)
    await link.execute("ZADD", "timers", 1001, f"schedule:{ID}")


@case
async def put_schedule(_link: Link) -> Case:
    fields = ["schedule_id", ID, "state", "active", "next_ms", "1000", "next_at_ms", "1001"]
    return Case({**KEYS, "schedule_id": ID, "revision": "", "timer_ms": "1001"}, fields)


@case
async def read_schedule(link: Link) -> Case:
    await schedule(link)
    return Case({"schedule": f"schedule:{ID}"})


@case
async def begin_fire(link: Link) -> Case:
    await schedule(link, last_scenario_id=SCENARIO, overlap="allow")
    keys = {"schedule": f"schedule:{ID}", "timers": "timers"}
    values = {"prefix": "", "schedule_id": ID, "from_ms": "1000", "scenario_id": TEXT, "turn": "{}"}
    return Case({**keys, **values, "hold_ms": 15_000, "poll_ms": 5_000})


@case
async def end_fire(link: Link) -> Case:
    await schedule(link, starting=TEXT, turn="{}", last_error='{"type":"x"}')
    await link.execute("LPUSH", f"fires:{ID}", "{}")
    keys = {"schedule": f"schedule:{ID}", "timers": "timers", "fires": f"fires:{ID}"}
    values = {
        "schedule_id": ID,
        "outcome": "started",
        "scenario_id": TEXT,
        "from_ms": "1000",
        "then_ms": "2000",
    }
    more = {
        "then_at_ms": "2001",
        "entries": '{"a":1}\n{"a":2}',
        "cause": "",
        "kept": 20,
        "retention_ms": 1000,
        "again_ms": 5000,
    }
    return Case({**keys, **values, **more})


@case
async def remove_schedule(link: Link) -> Case:
    await schedule(link, state="ended")
    await link.execute("LPUSH", f"fires:{ID}", "{}")
    return Case({**KEYS, "fires": f"fires:{ID}", "schedule_id": ID, "only_ended": 1})
