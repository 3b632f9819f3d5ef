"""Cases of the scripts that look at the state and repair it."""

from collections.abc import Awaitable, Callable
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
from tests.support.scripts import virtual_scripts
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import dumps

SERVICE = "text-service"
KIND = f"{SERVICE}:0123456789abcdef"
RETENTION = "1000 2000 3000"


async def everything(link: Link) -> None:
    """A task that stands wherever a task can stand."""
    await scenario(link, processing=1)
    await task(link, TEXT, SERVICE, "processing", worker="orchestrator")
    await entry(link, TEXT, SERVICE, delivered_to=WORKER)
    more = {"flow_places": f"lane:{SERVICE}:-\nslots:{SERVICE}", "fingerprint": KIND, "rules": '{"ask":true}'}
    await link.execute("HSET", f"task:{TEXT}", *(part for pair in more.items() for part in pair))
    await link.execute("HSET", f"scenario:{SCENARIO}", "machine", TEXT)
    for timer in ("start", "lease", "overdue", "gate"):
        await link.execute("ZADD", "timers", 1, f"{timer}:{TEXT}")


@case
async def standing(link: Link) -> Case:
    await everything(link)
    return Case({"home": "timers", "prefix": "", "workers": "workers"}, [TEXT])


@case
async def scenario_standing(link: Link) -> Case:
    await scenario(link, processing=1)
    return Case({"home": "timers", "prefix": ""}, [SCENARIO])


@case
async def inbox(link: Link) -> Case:
    await link.execute("XADD", "scenarios", "*", "scenario_id", SCENARIO, "tasks", "[]")
    return Case({"scenarios": "scenarios", "after": "0-0", "limit": 5})


async def seen(link: Link, script: str, subject: str) -> list[bytes]:
    """Where something stands, as the repairing script wants to hear it."""
    values: dict[str, Any] = {"home": "timers", "prefix": ""}
    if script == "standing":
        values |= {"workers": "workers"}
    answer = await virtual_scripts().call(link, script, values, [subject])
    return list(answer[-1])


Build = Callable[[Link], Awaitable[None]]


def mends_task(action: str, number: int = 0, text: str = "") -> Callable[[Build], Build]:
    """Register a case of an action; the function makes the state."""

    def register(build: Build) -> Build:
        async def made(link: Link) -> Case:
            await build(link)
            values = {
                **{"events": "task-events", "timers": "timers", "prefix": "", "workers": "workers"},
                **{"task_id": TEXT, "nonce": "n9", "action": action, "number": number, "text": text},
                **{"budget": 10, "retention": RETENTION},
            }
            return Case(values, await seen(link, "standing", TEXT))

        CASES[f"repair_task:{action}"] = made
        return build

    return register


@mends_task("again")
async def _again(link: Link) -> None:
    """It runs, holds a slot, and somebody acknowledged its entry."""
    await scenario(link, processing=1)
    await task(link, TEXT, SERVICE, "processing", worker=WORKER)
    entry_id = await entry(link, TEXT, SERVICE, delivered_to=WORKER)
    await link.execute("XACK", f"queue:{SERVICE}", "workers", entry_id)
    await link.execute("HSET", f"task:{TEXT}", "flow_places", f"slots:{SERVICE}")
    await link.execute("SADD", f"slots:{SERVICE}", TEXT)
    await link.execute("HSET", "flow", SERVICE, "{}")


@mends_task("wait", 1, "1 0")
async def _wait(link: Link) -> None:
    await scenario(link, pending=1)
    await task(link, TEXT, SERVICE, "pending", queue=3)


@mends_task("end", text=VOICE)
async def _end(link: Link) -> None:
    """It takes another one along, and the scenario ends."""
    await scenario(link, pending=2, failed=1)
    await task(link, VOICE, SERVICE, "failed", consumers=f'["{TEXT}"]')
    await task(link, TEXT, SERVICE, "pending", queue=1, consumers=f'["{VIDEO}"]')
    await task(link, VIDEO, SERVICE, "pending", queue=1)


@mends_task("reset")
async def _reset(link: Link) -> None:
    await scenario(link, processing=1)
    await task(link, TEXT, "orchestrator", "processing", worker="orchestrator")


@mends_task("look")
async def _look(link: Link) -> None:
    await scenario(link, pending=1)
    await task(link, TEXT, SERVICE, "pending")


@mends_task("release")
async def _release(link: Link) -> None:
    await scenario(link, success=1, pending=1)
    await task(link, TEXT, SERVICE, "success", consumers=f'["{VOICE}"]')
    await link.execute("HSET", f"task:{TEXT}", "released", 2)


@mends_task("slot", text=f"slots:{SERVICE}")
async def _slot(link: Link) -> None:
    await scenario(link, processing=1)
    await task(link, TEXT, SERVICE, "processing", worker=WORKER)
    await link.execute("HSET", f"task:{TEXT}", "flow_places", f"slots:{SERVICE}")


@mends_task("serve")
async def _serve(link: Link) -> None:
    await scenario(link, pending=1)
    await task(link, TEXT, SERVICE, "pending", queue=1)


@mends_task("letter")
async def _letter(link: Link) -> None:
    await scenario(link, failed=1)
    await task(link, TEXT, SERVICE, "failed")
    await link.execute("HSET", f"task:{TEXT}", "fingerprint", KIND)


@mends_task("leave")
async def _leave(link: Link) -> None:
    await scenario(link, success=1)
    await task(link, TEXT, SERVICE, "success")
    await entry(link, TEXT, SERVICE, delivered_to=WORKER)
    await link.execute("HSET", f"task:{TEXT}", "flow_places", f"slots:{SERVICE}")
    await link.execute("SADD", f"slots:{SERVICE}", TEXT)
    await link.execute("ZADD", "timers", 1, f"start:{TEXT}")


async def _mends_scenario(link: Link, numbers: str, *, task_ids: str = "") -> Case:
    keys = {"scenario": f"scenario:{SCENARIO}", "timers": "timers"}
    values = {"prefix": "", "scenario_id": SCENARIO, "numbers": numbers, "task_ids": task_ids, "total": 3}
    more = {"settles": 1, "retention": RETENTION}
    return Case({**keys, **values, **more}, await seen(link, "scenario_standing", SCENARIO))


@case
async def repair_scenario(link: Link) -> Case:
    """It ends, and somebody is to be told."""
    await scenario(link, processing=1, success=2)
    await link.execute("HSET", f"scenario:{SCENARIO}", "tenant", "gold", "parent", OTHER)
    await link.execute("HSET", "tenants", "gold", 2)
    await link.execute("HSET", "webhooks", "e1", "1 {}")
    return await _mends_scenario(link, "0 0 2 1 0 0 0", task_ids=f'["{TEXT}","{VOICE}","{VIDEO}"]')


async def _reopens(link: Link) -> Case:
    """It goes on, though it had ended."""
    await scenario(link, success=3)
    await link.execute("HSET", f"scenario:{SCENARIO}", "status", "success", "batch", OTHER)
    await link.execute("HSET", f"batch:{OTHER}", "total", 1, "success", 1)
    await link.execute("ZADD", "timers", 5, f"purge:{SCENARIO}")
    return await _mends_scenario(link, "0 1 2 0 0 0 0")


CASES["repair_scenario:reopened"] = _reopens


@case
async def repair_member(link: Link) -> Case:
    await task(link, TEXT, SERVICE, "pending")
    values = {"members": "timers", "subject": f"task:{TEXT}", "member": f"overdue:{TEXT}", "score": 7}
    return Case(values, ["status", "pending", "worker", ""])


@case
async def repair_count(link: Link) -> Case:
    await link.execute("HSET", "tenants", "gold", 3)
    return Case({"hash": "tenants", "name": "gold", "seen": "3", "wanted": 2})


def prunes(name: str, member: str) -> Callable[[Build], Build]:
    """Register a case of a set; the function makes the state."""

    def register(build: Build) -> Build:
        async def made(link: Link) -> Case:
            await build(link)
            await link.execute(*(("SADD", name) if name.startswith("slots") else ("ZADD", name, 1)), member)
            return Case({"members": name, "prefix": "", "name": name, "repair": 1}, [member])

        CASES[f"prune:{name}"] = made
        return build

    return register


@prunes(f"slots:{SERVICE}", TEXT)
@prunes(f"lane:{SERVICE}:-", TEXT)
@prunes(f"dead-letters:{KIND}", TEXT)
@prunes("gates", TEXT)
@prunes("index:failed", SCENARIO)
@prunes("schedules", OTHER)
@prunes("dead-letter-kinds", KIND)
@prunes("timers", f"start:{TEXT}")
@prunes("timers", f"gate:{TEXT}")
@prunes("timers", f"purge:{OTHER}")
@prunes("timers", f"schedule:{OTHER}")
@prunes("timers", f"cancel-batch:{OTHER}")
async def _left(link: Link) -> None:
    await scenario(link, success=1)
    await task(link, TEXT, SERVICE, "success")


CASES["prune"] = CASES[f"prune:slots:{SERVICE}"]
CASES["repair_task"] = CASES["repair_task:again"]


@case
async def prune_entries(link: Link) -> Case:
    """One that is right, one of a task that has ended, one that is nobody's."""
    await scenario(link, pending=1, success=1)
    for task_id, status in ((TEXT, "pending"), (VOICE, "success")):
        await task(link, task_id, SERVICE, status)
        await entry(link, task_id, SERVICE, delivered_to=WORKER)
    await link.execute("XADD", f"queue:{SERVICE}", "*", "nonsense", "")
    values = {"queue": f"queue:{SERVICE}", "prefix": "", "workers": "workers"}
    return Case({**values, "after": "0-0", "limit": 10, "repair": 1})


def removes(name: str, *command: Any) -> None:
    """Register a case of a key whose owner is gone."""

    async def made(link: Link) -> Case:
        await link.execute(command[0], name, *command[1:])
        return Case({"home": "timers", "prefix": "", "repair": 1}, [name])

    CASES[f"prune_keys:{name.partition(':')[0]}"] = made


removes(f"task:{LOST}", "HSET", "scenario_id", SCENARIO)
removes(f"attempts:{LOST}", "RPUSH", "{}")
removes(f"gate:{LOST}", "HSET", "state", "open")
removes(f"audit:{LOST}", "RPUSH", "{}")
removes(f"machine:{OTHER}", "HSET", "state", "new")
removes(f"history:{OTHER}", "RPUSH", "{}")
removes(f"fires:{OTHER}", "RPUSH", "{}")
removes(f"batch-scenarios:{OTHER}", "ZADD", 1, SCENARIO)
CASES["prune_keys"] = CASES["prune_keys:task"]


def watches(name: str, **fields: str) -> None:
    """Register a case of a place where a task waits that nobody looks at; `fields` are of the scenario."""

    async def made(link: Link) -> Case:
        await scenario(link, pending=1)
        await link.execute("HSET", "flow", SERVICE, dumps({"concurrency": 2}))
        await link.execute("SADD", f"slots:{SERVICE}", SLIDE)
        await link.execute("ZADD", name, 1, TEXT)
        return Case({"timers": "timers", "prefix": "", "repair": 1}, [name])

    CASES[f"repair_lanes:{name.partition(':')[0]}"] = made


watches(f"lane:{SERVICE}:gold")
watches(f"parked:{SERVICE}:user 7")
watches(f"held:{SCENARIO}")
CASES["repair_lanes"] = CASES["repair_lanes:lane"]


@case
async def note_check(link: Link) -> Case:
    await link.execute("SET", "scenarist:last-check", "{}")
    return Case({"last": "scenarist:last-check", "facts": '{"left":0}'})
