"""Harms to tasks and scenarios: what a foreign hand, a lost write or a bug could leave behind."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from orchestrator.engine.decider import Decider
from orchestrator.store.records import Cause, NewScenario, RetryPolicy
from orchestrator.store.revival import Revival
from orchestrator.store.store import Store
from tests.support.damage import NOBODY, Workshop, fields, finds
from tests.support.engines import QUICK
from tests.support.graphs import chain, diamond, graph
from tests.support.lanes import SERVICE
from workers_sdk.protocol.keys import Partitions, short_uuid
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent, dumps

QUEUE = f"queue:{SERVICE}"
BOOM = '{"type":"Boom"}'


async def made(shop: Workshop, scenario: NewScenario) -> NewScenario:
    """Submitted, its tasks are there, what was to be looked at was looked at."""
    await shop.submit(scenario)
    await shop.end([])
    return scenario


async def begun(shop: Workshop, length: int = 2) -> NewScenario:
    """A chain whose first task a worker has."""
    scenario = await made(shop, graph(chain(length)))
    await shop.take()
    return scenario


async def ended(shop: Workshop, scenario: NewScenario) -> NewScenario:
    """A scenario that the worker did."""
    await made(shop, scenario)
    while entries := await shop.take():
        await shop.end(entries)
    return scenario


@finds("counts_wrong")
async def a_task_counted_twice(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await shop.link.execute("HINCRBY", shop.at.scenario(scenario.scenario_id), "pending", 1)
    return scenario


@finds("counts_wrong", ends=Status.FAILED)
async def a_failure_that_nobody_tolerates(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph({"a": [], "b": []}))
    await shop.fail((await shop.take())[:1])
    await fields(shop.link, shop.at.scenario(scenario.scenario_id), tolerated=1)
    return scenario


@finds("total_wrong")
async def a_total_that_is_wrong(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await fields(shop.link, shop.at.scenario(scenario.scenario_id), total=5, materialized=5)
    return scenario


@finds("task_unlisted", "counts_wrong", "total_wrong")
async def a_task_missing_in_the_list(shop: Workshop) -> NewScenario:
    scenario = await begun(shop, 3)
    key, ids = shop.at.scenario(scenario.scenario_id), scenario.task_ids
    await fields(shop.link, key, task_ids=f'["{ids[0]}","{ids[2]}"]', total=2, materialized=2, pending=2)
    return scenario


@finds("queue_wrong")
async def a_task_that_waits_for_too_much(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await fields(shop.link, shop.at.task(scenario.task_ids[1]), queue=7)
    return scenario


@finds("queue_wrong")
async def a_lost_decrement(shop: Workshop) -> NewScenario:
    """All that it waits for has ended, and it is not ready."""
    scenario = await made(shop, graph(diamond(2)))
    await fields(shop.link, shop.at.task(scenario.task_ids[-1]), queue=3)
    for _ in range(2):
        await shop.end(await shop.take())
    return scenario


@finds("queue_wrong")
async def a_task_that_waits_for_too_little(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph(diamond(3)))
    await fields(shop.link, shop.at.task(scenario.task_ids[-1]), queue=1)
    return scenario


@finds("queue_wrong")
async def a_task_that_waits_for_nothing_and_should(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await fields(shop.link, shop.at.task(scenario.task_ids[1]), queue=0)
    return scenario


@finds("queue_wrong")
async def a_join_that_has_counted_wrong(shop: Workshop) -> NewScenario:
    scenario = await made(
        shop, graph({"a": [], "b": [], "c": [], "two": ["a", "b", "c"]}, rules={"two": {"need": 2}})
    )
    await shop.end((await shop.take())[:1])
    await fields(shop.link, shop.at.task(scenario.task_ids[3]), got="0 0", queue=3)
    return scenario


@finds("queue_wrong")
async def children_counted_wrong(shop: Workshop) -> NewScenario:
    on_ready = {"each": {"foreach": {"items": [{"n": n} for n in range(3)]}}}
    scenario = await made(shop, graph({"each": []}, rules={"each": {"ask": True}}, on_ready=on_ready))
    await shop.end((await shop.take())[:1])
    await fields(shop.link, shop.at.task(scenario.task_ids[0]), got="0 2", queue=1)
    return scenario


@finds("end_missed", ends=Status.FAILED)
async def a_failure_that_one_has_not_heard_of(shop: Workshop) -> NewScenario:
    scenario = await begun(shop, 3)
    await fields(shop.link, shop.at.task(scenario.task_ids[1]), queue=0)
    [pending] = await shop.link.execute("XPENDING", QUEUE, "workers", "-", "+", 1)
    token = (await shop.link.execute("HGET", shop.at.task(scenario.task_ids[0]), "token")).decode()
    report = TaskEvent(scenario.task_ids[0], EventKind.FAILED, token, {"error": BOOM})
    await shop.link.execute("XADD", shop.at.task_events, "*", *report.encode())
    await shop.end([])
    assert not await shop.link.execute("XRANGE", QUEUE, pending[0], pending[0])
    return scenario


@finds("end_missed", ends=Status.FAILED)
async def a_join_that_cannot_be_met_any_more(shop: Workshop) -> NewScenario:
    rules = {"both": {"need": 2}}
    scenario = await made(shop, graph({"a": [], "b": [], "both": ["a", "b"], "after": ["both"]}, rules=rules))
    await fields(shop.link, shop.at.task(scenario.task_ids[2]), queue=0)
    await shop.fail((await shop.take())[:1])
    return scenario


@finds("entry_lost")
async def the_entry_of_a_waiting_task_deleted(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph(chain(2)))
    await shop.link.execute("XTRIM", QUEUE, "MAXLEN", 0)
    return scenario


@finds("entry_lost")
async def the_entry_of_a_running_task_deleted(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph(chain(2)))
    [entry] = await shop.take()
    await shop.worker.report(entry, EventKind.PROCESSING)
    await shop.end([])
    await shop.link.execute("XACK", QUEUE, "workers", entry.entry_id)
    await shop.link.execute("XDEL", QUEUE, entry.entry_id)
    return scenario


@finds("entry_lost")
async def an_entry_acknowledged_by_somebody_else(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph(chain(2)))
    [entry] = await shop.take()
    await shop.link.execute("XACK", QUEUE, "workers", entry.entry_id)
    return scenario


@finds("entry_lost")
async def a_whole_queue_deleted(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph({f"t{n}": [] for n in range(3)}))
    await shop.link.execute("DEL", QUEUE)
    return scenario


@finds("entry_left")
async def a_foreign_report_that_lies(shop: Workshop) -> NewScenario:
    """It says that its entry is gone."""
    scenario = await begun(shop)
    token = (await shop.link.execute("HGET", shop.at.task(scenario.task_ids[0]), "token")).decode()
    report = TaskEvent(scenario.task_ids[0], EventKind.SUCCESS, token)
    await shop.link.execute("XADD", shop.at.task_events, "*", *report.encode(), "acked", 1)
    await shop.end([])
    return scenario


@finds("entry_left")
async def an_entry_that_is_nobodys(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    task = ("id", scenario.task_ids[0], "scenario_id", scenario.scenario_id, "name", "c0", "attempt", 1)
    await shop.link.execute("XADD", QUEUE, "*", *task, "token", "0.old.1")
    return scenario


@finds("dispatch_lost")
async def the_timer_of_a_next_attempt_lost(shop: Workshop) -> NewScenario:
    plain = graph(chain(1))
    policy = RetryPolicy(max_attempts=3, delay_ms=60_000)
    scenario = await made(shop, replace(plain, tasks=[replace(plain.tasks[0], policy=policy)]))
    await shop.fail(await shop.take())
    await shop.link.execute("DEL", shop.at.timers)
    return scenario


@finds("look_lost")
async def the_question_to_the_engine_lost(shop: Workshop) -> NewScenario:
    scenario = graph({"a": []}, rules={"a": {"ask": True}}, on_ready={"a": {"delay_ms": 1}})
    await shop.submit(scenario)
    await shop.link.execute("XTRIM", shop.at.task_events, "MAXLEN", 0)
    return scenario


@finds("look_lost")
async def the_end_of_all_children_not_looked_at(shop: Workshop) -> NewScenario:
    on_ready = {"each": {"foreach": {"items": [{"n": 1}]}}}
    scenario = await made(shop, graph({"each": []}, rules={"each": {"ask": True}}, on_ready=on_ready))
    [entry] = await shop.take()
    await shop.worker.succeed(entry)
    await shop.advancer.step()
    await shop.link.execute("XTRIM", shop.at.task_events, "MAXLEN", 0)
    return scenario


@finds("look_lost", ends=Status.FAILED)
async def the_end_of_a_scenario_within_not_looked_at(shop: Workshop) -> NewScenario:
    """The engine that looks has no templates, so the task fails."""
    on_ready = {"sub": {"scenario": {"name": "Inner", "variables": {}}}}
    scenario = graph({"sub": []}, rules={"sub": {"ask": True}}, on_ready=on_ready)
    await shop.submit(scenario)
    child = short_uuid(scenario.scenario_id, f"{scenario.task_ids[0]}/scenario/1")
    held = TaskEvent(scenario.task_ids[0], EventKind.HOLD, "", {"child_scenario_id": child}, by_engine=True)
    await shop.store.advance(shop.at, [held])
    await shop.link.execute("XTRIM", shop.at.task_events, "MAXLEN", 0)
    return scenario


class Dying(Store):
    """One that dies before it calls a script a second time."""

    def __init__(self, shop: Workshop, script: str) -> None:
        super().__init__(shop.link, Partitions(1), QUICK)
        self.script = script
        self.calls = 0

    async def call(self, name: str, values: dict[str, Any], rest: Sequence[str | bytes | int] = ()) -> Any:
        self.calls += name == self.script
        if self.calls > 1:
            raise asyncio.CancelledError
        return await super().call(name, values, rest)


@finds("children_lost")
async def half_of_the_children_made_and_nobody_to_go_on(shop: Workshop) -> NewScenario:
    on_ready = {"each": {"foreach": {"items": [{"n": n} for n in range(120)]}}}
    scenario = graph({"each": []}, rules={"each": {"ask": True}}, on_ready=on_ready)
    await shop.submit(scenario)
    with suppress(asyncio.CancelledError):
        await Decider(Dying(shop, "spawn")).look(shop.at, scenario.task_ids[0])
    await shop.link.execute("XTRIM", shop.at.task_events, "MAXLEN", 0)
    return scenario


@finds("children_lost", ends=Status.FAILED)
async def half_of_what_a_handler_asked_for_made_and_its_report_lost(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph(chain(2)))
    [entry] = await shop.take()
    some = [{"key": str(n), "service": SERVICE, "name": "x", "needs": [], "fields": {}} for n in range(120)]
    report = TaskEvent(entry.task_id, EventKind.SUCCESS, entry.token, {"spawn": dumps(some).decode()})
    with suppress(asyncio.CancelledError):
        await Decider(Dying(shop, "spawn")).spawn(shop.at, report)
    return scenario


@finds("release_lost")
async def the_rest_of_a_release_lost(shop: Workshop) -> NewScenario:
    scenario = graph(diamond(100))  # more than are released in a step
    await made(shop, scenario)
    [entry] = await shop.take()
    await shop.worker.succeed(entry)
    await shop.advancer.step()
    await shop.link.execute("XTRIM", shop.at.task_events, "MAXLEN", 0)
    return scenario


@finds("submission_lost", ends=Status.CANCELLED)
async def a_submission_lost(shop: Workshop) -> NewScenario:
    scenario = graph(chain(3))
    await shop.store.submit(scenario)
    await shop.link.execute("XTRIM", shop.at.scenarios, "MAXLEN", 0)
    return scenario


@finds("task_lost", "queue_wrong", ends=Status.CANCELLED)
async def a_task_deleted(shop: Workshop) -> NewScenario:
    scenario = await begun(shop, 3)
    await shop.link.execute("DEL", shop.at.task(scenario.task_ids[1]))
    return scenario


@finds("not_ended", "index_wrong", ends=Status.SUCCESS)
async def an_end_that_nobody_noticed(shop: Workshop) -> NewScenario:
    scenario = await ended(shop, graph(chain(2)))
    await fields(shop.link, shop.at.scenario(scenario.scenario_id), status="processing")
    await shop.link.execute("ZREM", shop.at.timers, f"purge:{scenario.scenario_id}")
    return scenario


@finds("ended_early", "index_wrong", "timer_lost")
async def an_end_that_came_too_early(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await fields(shop.link, shop.at.scenario(scenario.scenario_id), status="success")
    return scenario


@finds("end_wrong", "index_wrong", ends=Status.FAILED)
async def an_end_that_is_not_that_of_the_tasks(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph(chain(2)))
    await shop.fail(await shop.take())
    await fields(shop.link, shop.at.scenario(scenario.scenario_id), status="success")
    return scenario


@finds("index_wrong")
async def a_scenario_missing_in_the_index(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await shop.link.execute("ZREM", shop.at.index_of("processing"), scenario.scenario_id)
    return scenario


@finds("index_wrong")
async def a_scenario_twice_in_the_index(shop: Workshop) -> NewScenario:
    scenario = await begun(shop)
    await shop.link.execute("ZADD", shop.at.index_of("failed"), 1, scenario.scenario_id, 1, NOBODY)
    return scenario


@finds("timer_lost")
async def a_scenario_that_would_never_be_removed(shop: Workshop) -> NewScenario:
    scenario = await ended(shop, graph(chain(1)))
    await shop.link.execute("DEL", shop.at.timers)
    return scenario


@finds("timer_lost", ends=Status.CANCELLED)
async def a_cancellation_that_stopped_half_way(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph({f"t{n}": [] for n in range(100)}))
    assert await shop.store.cancel(scenario.scenario_id, Cause()) == "MORE"
    await shop.link.execute("ZREM", shop.at.timers, f"cancel:{scenario.scenario_id}")
    return scenario


@finds("timer_lost")
async def a_pause_that_stopped_half_way(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph({f"t{n}": [] for n in range(100)}))
    assert await shop.flow.pause_scenario(scenario.scenario_id, shop.why_pause) == "MORE"
    await shop.link.execute("ZREM", shop.at.timers, f"pause:{scenario.scenario_id}")
    return scenario


@finds("timer_lost")
async def a_revival_that_stopped_half_way(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph({f"t{n}": [] for n in range(100)}))
    await shop.fail(await shop.take())
    with suppress(asyncio.CancelledError):
        await Revival(Dying(shop, "revive")).retry(scenario.scenario_id)
    await shop.link.execute("ZREM", shop.at.timers, f"revive:{scenario.scenario_id}")
    return scenario


@finds("timer_lost")
async def a_lease_over_http_that_would_never_end(shop: Workshop) -> NewScenario:
    scenario = await made(shop, graph(chain(1)))
    await shop.store.report(TaskEvent(scenario.task_ids[0], EventKind.PROCESSING))
    await shop.link.execute("DEL", shop.at.timers)
    return scenario


@finds("timer_lost")
async def timeouts_that_nobody_watches(shop: Workshop) -> NewScenario:
    rules = {"a": {"timeouts": {"run_ms": 60_000}}}
    scenario = await made(shop, graph({"a": []}, rules=rules))
    await shop.link.execute("DEL", shop.at.timers)
    return scenario
