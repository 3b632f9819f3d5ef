"""Harms to what stands beside scenarios: places of flow control, gates, states, lists, counters, schedules, leftovers."""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime

from orchestrator.handover import new_scenario
from orchestrator.store.batches import batch_id_of, scenario_id_of
from orchestrator.store.flow_records import Limits
from orchestrator.store.machine_records import Event
from orchestrator.store.machines import MachineStore
from orchestrator.store.records import Line, NewScenario, Owner
from orchestrator.templates import generate, load_template
from tests.support.damage import NOBODY, Workshop, fields, finds
from tests.support.graphs import chain, graph
from tests.support.harms import begun, ended, made
from tests.support.lanes import SERVICE
from workers_sdk.protocol.keys import scenario_id_from, short_uuid
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent

LANE, SLOTS = f"lane:{SERVICE}:-", f"slots:{SERVICE}"
KEYED = {"key": "user 7", "max": 1}
OTHER = "z" * 15 + "y"


async def crowded(shop: Workshop) -> NewScenario:
    """Of three tasks one is out, since no more may be."""
    await shop.flow.limit(SERVICE, Limits(concurrency=1))
    scenario = await made(shop, graph({"a": [], "b": [], "c": []}))
    await shop.take()
    return scenario


async def gate(shop: Workshop) -> NewScenario:
    """An open gate, whose deadline approves."""
    facts = {"deadline_ms": 1_000, "default": {"decision": "approve"}}
    return await made(shop, graph({"ok": []}, rules={"ok": {"ask": True}}, on_ready={"ok": {"gate": facts}}))


@finds("slot_left")
async def a_slot_that_leaked(shop: Workshop) -> NewScenario:
    scenario = await crowded(shop)
    await shop.link.execute("SADD", SLOTS, NOBODY, OTHER)
    return scenario


@finds("slot_lost", "lane_unwatched")
async def a_slot_that_was_taken_away(shop: Workshop) -> NewScenario:
    scenario = await crowded(shop)
    await shop.link.execute("DEL", SLOTS)
    return scenario


@finds("place_lost")
async def a_task_that_does_not_stand_in_its_lane(shop: Workshop) -> NewScenario:
    scenario = await crowded(shop)
    await shop.link.execute("DEL", LANE)
    return scenario


@finds("place_left")
async def a_task_in_a_lane_that_is_not_its_own(shop: Workshop) -> NewScenario:
    scenario = await crowded(shop)
    await shop.link.execute("ZADD", LANE, 1, NOBODY)
    return scenario


@finds("place_left", "slot_left")
async def an_ended_task_with_its_slot(shop: Workshop) -> NewScenario:
    scenario = await ended(shop, graph(chain(1)))
    await fields(shop.link, shop.at.task(scenario.task_ids[0]), flow_places=SLOTS)
    await shop.link.execute("SADD", SLOTS, scenario.task_ids[0])
    return scenario


@finds("lane_unlisted")
async def a_lane_that_its_service_does_not_know(shop: Workshop) -> NewScenario:
    scenario = await crowded(shop)
    await shop.link.execute("DEL", f"lanes:{SERVICE}")
    return scenario


@finds("lane_unwatched")
async def a_lane_that_nobody_looks_at(shop: Workshop) -> NewScenario:
    await shop.flow.limit(SERVICE, Limits(concurrency=5))
    scenario = await made(shop, graph({"a": [], "b": []}))
    await shop.link.execute("ZREM", shop.at.timers, f"fill:{SERVICE}")
    return scenario


@finds("lane_unwatched")
async def tasks_of_a_key_that_nobody_lets_go(shop: Workshop) -> NewScenario:
    rules = {name: {"flow": KEYED} for name in ("a", "b")}
    scenario = await made(shop, graph({"a": [], "b": []}, rules=rules))
    await shop.end(await shop.take())
    await shop.link.execute("ZREM", shop.at.timers, f"unpark:{SERVICE} user 7")
    return scenario


@finds("lane_unwatched")
async def a_resumption_that_stopped_half_way(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph({"a": [], "b": []}))
    await shop.flow.pause_scenario(scenario.scenario_id, shop.why_pause)
    await shop.link.execute("HDEL", shop.at.scenario(scenario.scenario_id), "paused", "pause_at")
    return scenario


@finds("timer_lost")
async def a_resumption_of_what_is_within_that_stopped_half_way(shop: Workshop) -> NewScenario:
    on_ready = {"sub": {"scenario": {"name": "Inner", "variables": {}}}}
    names = {f"t{n}": () for n in range(100)}
    scenario = graph({**names, "sub": ()}, rules={"sub": {"ask": True}}, on_ready=on_ready)
    await shop.submit(scenario)
    task_id = scenario.task_ids[-1]
    child = short_uuid(scenario.scenario_id, f"{task_id}/scenario/1")
    held = TaskEvent(task_id, EventKind.HOLD, "", {"child_scenario_id": child}, by_engine=True)
    await shop.store.advance(shop.at, [held])
    await shop.link.execute("XTRIM", shop.at.task_events, "MAXLEN", 0)
    await shop.end(await shop.take())
    await shop.submit(replace(graph(chain(1), scenario_id=child), parent=task_id))
    for pause in (shop.why_pause, None):
        await shop.flow.pause_scenario(scenario.scenario_id, pause)
    assert await shop.flow.resume_scenario(scenario.scenario_id, begin=True) == "MORE"
    await shop.link.execute("ZREM", shop.at.timers, f"resume:{scenario.scenario_id}")
    return scenario


@finds("gate_unlisted")
async def a_gate_that_is_not_listed(shop: Workshop) -> NewScenario:
    scenario = await gate(shop)
    await shop.link.execute("DEL", shop.at.gates)
    return scenario


@finds("timer_lost")
async def a_deadline_that_nobody_watches(shop: Workshop) -> NewScenario:
    scenario = await gate(shop)
    await shop.link.execute("DEL", shop.at.timers)
    return scenario


@finds("hold_lost", "gate_left", "timer_left")
async def a_gate_that_is_gone(shop: Workshop) -> NewScenario:
    scenario = await gate(shop)
    await shop.link.execute("DEL", shop.at.gate(scenario.task_ids[0]))
    return scenario


@finds("hold_lost", "gate_left")
async def a_decision_that_nobody_reported(shop: Workshop) -> NewScenario:
    scenario = await gate(shop)
    await fields(shop.link, shop.at.gate(scenario.task_ids[0]), state="approved")
    return scenario


@finds("gate_left", "timer_left", "schedule_left")
async def members_of_lists_that_are_about_nothing(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await shop.link.execute("ZADD", shop.at.gates, 1, NOBODY)
    await shop.link.execute("ZADD", shop.at.schedules, 1, NOBODY)
    for kind in (
        "start",
        "lease",
        "overdue",
        "gate",
        "schedule",
        "cancel-batch",
        "cancel",
        "resume",
        "state",
        "purge",
    ):
        await shop.link.execute("ZADD", shop.at.timers, 9e15, f"{kind}:{NOBODY}")
    await shop.link.execute("ZADD", shop.at.timers, 9e15, f"newer-kind:{NOBODY}")
    return scenario


@finds("timer_left")
async def timers_of_an_ended_task(shop: Workshop) -> NewScenario:
    scenario = await ended(shop, graph(chain(1)))
    await shop.link.execute("ZADD", shop.at.timers, 9e15, f"start:{scenario.task_ids[0]}")
    return scenario


@finds("letter_lost", ends=Status.FAILED)
async def a_dead_letter_that_is_not_listed(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph(chain(1)))
    await shop.fail(await shop.take())
    await shop.link.execute("DEL", shop.at.dead_letters)
    return scenario


@finds("letter_left")
async def a_dead_letter_that_is_none(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await shop.link.execute("ZADD", shop.at.dead_letters, 1, NOBODY)
    await shop.link.execute(
        "ZADD", shop.at.dead_letters_of(f"{SERVICE}:0123456789abcdef"), 1, scenario.task_ids[0]
    )
    await shop.link.execute("ZADD", shop.at.dead_letter_kinds, 1, f"{SERVICE}:fedcba9876543210")
    return scenario


@finds("service_unknown")
async def a_service_that_nobody_looks_after(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await shop.link.execute("DEL", shop.at.services)
    return scenario


@finds("tenant_wrong")
async def a_tenant_counted_wrong(shop: Workshop) -> NewScenario:
    plain = graph(chain(1))
    scenario = await made(shop, replace(plain, owner=Owner(tenant="gold")))
    await fields(shop.link, shop.at.tenants, gold=7, silver=2)
    return scenario


@finds("batch_wrong")
async def ends_of_a_batch_counted_wrong(shop: Workshop) -> NewScenario:
    """One that was purged stays counted, one is done, one is at work."""
    batch_id = batch_id_of(b"some random bytes", None)
    lines = [graph(chain(1), scenario_id=scenario_id_of(batch_id, n)) for n in (1, 2, 3)]
    for number, scenario in enumerate(lines, 1):
        await shop.submit(scenario, line=Line(batch_id, number, "d"))
    entries = await shop.take()
    await shop.fail(entries[:1])
    await shop.end(entries[1:2])
    ids = {one.task_ids[0]: one for one in lines}
    failed, working = ids[entries[0].task_id], ids[entries[2].task_id]
    await shop.link.execute("ZADD", shop.at.timers, 0, f"purge:{failed.scenario_id}")
    await shop.store.begin_purge(shop.at, failed.scenario_id)
    assert await shop.store.purge(shop.at, failed.scenario_id) == "DONE"
    assert await shop.link.execute("HMGET", shop.at.batch(batch_id), "total", "failed", "success") == [
        b"3",
        b"1",
        b"1",
    ]
    await fields(shop.link, shop.at.batch(batch_id), total=2, failed=0, success=7, cancelled=1)
    return working


@finds("batch_wrong")
async def a_batch_counted_wrong(shop: Workshop) -> NewScenario:
    batch_id = batch_id_of(b"some random bytes", None)
    scenario = graph(chain(1), scenario_id=scenario_id_of(batch_id, 1))
    await shop.store.submit(scenario, line=Line(batch_id, 1, "d"))
    await shop.end([])
    await fields(shop.link, shop.at.batch(batch_id), unfinished=3)
    return scenario


@finds("orphan")
async def keys_without_an_owner(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await fields(shop.link, shop.at.task(NOBODY), status="pending", scenario_id=OTHER)
    await fields(shop.link, shop.at.gate(OTHER), state="open")
    await shop.link.execute("RPUSH", shop.at.attempts(OTHER), "{}")
    await shop.link.execute("RPUSH", shop.at.audit(OTHER), "{}")
    await shop.link.execute("RPUSH", shop.at.fires(OTHER), "{}")
    await shop.link.execute("RPUSH", shop.at.history(OTHER), "{}")
    await fields(shop.link, shop.at.machine(OTHER), state="new")
    await shop.link.execute("ZADD", shop.at.batch_scenarios(OTHER), 1, NOBODY)
    return scenario


@finds("timer_lost", "schedule_unlisted")
async def a_schedule_whose_turn_never_comes(shop: Workshop) -> None:
    facts = {
        "state": "active",
        "next_ms": 9 * 10**12,
        "next_at_ms": 9 * 10**12,
        "revision": 1,
        "created_ms": 5,
    }
    await fields(shop.link, shop.at.schedule(NOBODY), schedule_id=NOBODY, definition=json.dumps({}), **facts)


LIGHT = """
name: Light
states:
  red: {on: {go: green}, after: {1s: green}}
  green: {tasks: [{name: Drive, service: test-service}], then: done}
  done: {end: success}
"""


async def light(shop: Workshop) -> NewScenario:
    """A scenario with states, in its first one."""
    generated = generate(
        load_template(LIGHT),
        scenario_id=scenario_id_from(secrets.token_bytes(16)),
        variables={},
        now=datetime.now(UTC),
    )
    return await made(shop, new_scenario(generated, []))


@finds("timer_lost")
async def the_time_of_a_state_that_nobody_watches(shop: Workshop) -> NewScenario:
    scenario = await light(shop)
    await shop.link.execute("DEL", shop.at.timers)
    return scenario


@finds("look_lost")
async def a_state_whose_tasks_nobody_makes(shop: Workshop) -> NewScenario:
    scenario = await light(shop)
    record = await shop.store.scenario(scenario.scenario_id)
    assert record is not None
    await MachineStore(shop.store).send(record, Event("go"))
    await shop.link.execute("XTRIM", shop.at.task_events, "MAXLEN", 0)
    return scenario


@finds("look_lost")
async def states_that_never_began(shop: Workshop) -> NewScenario:
    scenario = await light(shop)
    await shop.link.execute("DEL", shop.at.machine(scenario.scenario_id), shop.at.timers)
    return scenario


@finds("place_lost")
async def a_task_that_does_not_wait_for_its_key(shop: Workshop) -> NewScenario:
    rules = {name: {"flow": KEYED} for name in ("a", "b")}
    scenario = await made(shop, graph({"a": [], "b": []}, rules=rules))
    await shop.take()
    await shop.link.execute("DEL", f"parked:{SERVICE}:user 7")
    return scenario


@finds("place_lost")
async def a_held_task_that_is_not_held(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph({"a": [], "b": []}))
    await shop.flow.pause_scenario(scenario.scenario_id, shop.why_pause)
    await shop.link.execute("DEL", shop.at.held(scenario.scenario_id))
    return scenario
