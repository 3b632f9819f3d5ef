"""The end of a whole system by hand: all that waits is done, then all must have ended as the rules say, and nothing stays."""

import re
from typing import Any, Final

from orchestrator.store.flow import ALL
from orchestrator.store.fsck import Fsck
from orchestrator.store.gate_records import Vote
from tests.support.leaks import leaked_keys
from tests.support.whole_replica import Leaping
from tests.support.whole_state import FINAL, State, is_good
from tests.support.whole_templates import SERVICES
from tests.support.whole_world import World
from workers_sdk.protocol.messages import loads

ROUNDS: Final = 150
LONG: Final = 12
"""Rounds that scenarios with states may go on by themselves."""
OF_OTHERS: Final = ("upstream_failed", "upstream_skipped", "upstream_cancelled", "join_not_met")
PERMANENT: Final = re.compile(
    r"(\{p\d\}:)?(scenarios|timers|services|flow|cancellations|quarantine|task-events|queue:.*)$|scenarist:meta$|test:now_ms$"
)
MONTH_MS: Final = 31 * 86_400_000


async def finish(world: World) -> None:
    """End all pauses, decide all gates, do all that is ready, until all has ended."""
    world.api.left = 0
    for replica in world.replicas:
        replica.store.left = 0
    for held in world.former:  # some died in the middle of it
        await world._age(held)
    for n in range(ROUNDS):
        if n % 10 == 0:
            await _lift(world)
            for replica in world.replicas:  # what it could not apply at once is taken up again after a lease
                await replica._leave_behind()
        await _work(world, n)
        if _is_over(world.seen) and n:
            return
        await world.pass_by(500 if n % 3 else 61_000)
    left = [task for task in world.seen.tasks.values() if task["status"] not in FINAL]
    raise AssertionError(f"it hangs: {left} {world.seen.timers} {world.seen.reported}")


def _is_over(state: State) -> bool:
    ended = all(scenario["status"] in FINAL for scenario in state.scenarios.values())
    timers = [timer for timer in state.timers if not timer.startswith("purge:")]
    return ended and not timers and not state.reported and not state.queued and not state.inbox


async def _lift(world: World) -> None:
    for subject in (*SERVICES, ALL):
        await world.flow.resume(subject)
    for scenario_id in world.seen.scenarios:
        while await world.flow.resume_scenario(scenario_id, begin=True) == "MORE":
            continue


async def _work(world: World, n: int) -> None:
    """A round of everybody who has something to do."""
    seen = world.seen
    if seen.inbox:
        await world.step("materialize", n)
    if seen.reported or n < 2:
        await world.step("advance", n)
    for word in ("timers", "fill", *(("sweep",) if n % 5 < 2 else ())):
        await world.step(word, n)
    for number in range(4 if world.seen.queued else 0):
        await world._take(400 + number)
    while world.running:
        await world._succeed(n)
    for gate in world.seen.gates:
        for person in ("p1", "p2", "p3"):
            await world.gates.vote(gate, Vote(person, "approve"))
    await world.look()
    if n >= LONG:
        await world.end_machines()


async def check_end(world: World) -> None:
    """All ended as it had to, and a check of the state finds nothing."""
    state = world.seen
    for task_id, task in state.tasks.items():
        _check_result(task)
        if not world.revived:
            _check_reason(state, task_id)
    report = await Fsck(world.api, settle_s=0, clock=Leaping()).run()
    assert report.findings == []
    assert await leaked_keys(world.link) == []


def _check_result(task: dict[str, str]) -> None:
    """What counts is the result of the last attempt."""
    if task["status"] != "success" or task["service"] not in SERVICES or "group" in task:
        return
    given = loads(task["result"])
    assert given == [] or "copied" in task.get("rules", "") or given["by"] == task["token"], task


def _check_reason(state: State, task_id: str) -> None:
    """Who ended because of others had reason to, and who was not to run did not."""
    task, rules = state.tasks[task_id], state.rules[task_id]
    parents = state.parents[task_id]
    good = [one for one in parents if is_good(state, one)]
    kind = loads(task.get("error") or "{}").get("type", "") if task["status"] != "success" else ""
    if rules.get("need"):
        enough = len(good) >= rules["need"]
        assert kind != "join_not_met" or not enough, (task, good)
    elif not rules.get("all_done"):
        assert kind not in OF_OTHERS or len(good) < len(parents), (task, good)
        began = int(task.get("attempt", 0)) > 0
        assert not began or len(good) == len(parents), (task, good)
    if (
        kind in ("no_result", "condition_false")
        and "need" not in rules
        and not state.scenarios[task["scenario_id"]].get("cancel")
    ):
        _check_input(state, task, parents)


def _check_input(state: State, task: dict[str, str], parents: list[str]) -> None:
    """Of what was not there, or not such as the condition wants it."""
    asked = loads(task["on_ready"])
    if "skip" in asked:
        return  # by what its item is
    wanted = [one for one in asked.get("when", {}).get("takes", []) if "ids" in one]
    false = [_given(state, source, parents) for source in wanted]
    if not any(given is None or given <= 1 for given in false):
        values = [one.get("value", {}) for one in asked.get("set", ())]
        missing = [source for source in values if "ids" in source and _given(state, source, parents) is None]
        assert missing, (task, false)


def _given(state: State, source: dict[str, Any], parents: list[str]) -> Any:
    """What a task was to take of another one; None: there is no such thing."""
    (one,) = source["ids"]
    assert one in parents
    task = state.tasks[one]
    given = loads(task.get("result") or "null") if task["status"] == "success" else None
    return given.get(source["path"][0]) if isinstance(given, dict) else None


async def check_purged(world: World) -> None:
    """After the retention nothing is left but what an installation has anyway."""
    for _ in range(ROUNDS):
        await world.pass_by(MONTH_MS)
        for duty in ("timekeeper", "purger"):
            assert await world.replicas[0].step(duty)
        if not await _owned(world):
            break
    assert await _owned(world) == []
    assert await leaked_keys(world.link) == []


async def _owned(world: World) -> list[str]:
    """Keys that neither are those of an installation nor expire, and timers."""
    found = await world.link.execute("KEYS", "*")
    ttls = await world.link.execute_many([("PTTL", name) for name in found])
    names = [name.decode() for name, ttl in zip(found, ttls, strict=True) if ttl == -1]
    left = [name for name in names if not PERMANENT.match(name)]
    for at in world.api.partitions:
        left += [timer.decode() for timer in await world.link.execute("ZRANGE", at.timers, 0, -1)]
    return sorted(left)
