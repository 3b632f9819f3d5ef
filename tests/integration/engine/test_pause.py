"""Pause and resume: what has not begun does not begin, what runs goes on, and nothing is lost."""

import pytest

from orchestrator.store.flow import ALL
from orchestrator.store.flow_records import Limits, Pause
from orchestrator.store.records import Cause, NewScenario
from orchestrator.store.store import Policy, Store
from tests.support.graphs import chain, diamond, graph
from tests.support.lanes import SERVICE, Lanes
from tests.support.scripts import virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status, TaskEntry

WHY = Pause("repair", "ann@example.org")
SUBJECTS = pytest.mark.parametrize("subject", [SERVICE, ALL])
LIMITS = pytest.mark.parametrize("limits", [None, Limits(concurrency=5)])


async def started(lanes: Lanes, width: int = 8) -> tuple[NewScenario, list[TaskEntry]]:
    """A diamond whose first task is done: two of the middle run, the others are ready, the last one waits for all."""
    scenario = graph(diamond(width))
    await lanes.submit(scenario)
    await lanes.end(await lanes.take())
    await lanes.due()
    return scenario, await lanes.worker.take(2)


async def finish(lanes: Lanes, scenario: NewScenario) -> None:
    while entries := await lanes.take():
        await lanes.end(entries)
    record = await lanes.store.scenario(scenario.scenario_id)
    assert record and record.status is Status.SUCCESS
    tasks = await lanes.store.tasks(scenario.task_ids)
    assert [task.attempt for task in tasks if task] == [1] * len(tasks)


@SUBJECTS
@LIMITS
async def test_a_paused_service_begins_nothing_and_what_runs_goes_on(
    link: RedisLink, subject: str, limits: Limits | None
) -> None:
    lanes = await Lanes(link).open(limits)
    scenario, running = await started(lanes)
    await lanes.flow.pause(subject, WHY)

    assert await lanes.take() == []
    await lanes.end(running)
    assert await lanes.take() == []
    later = await lanes.add(["later"])
    assert await lanes.take() == []
    state = await lanes.flow.state(SERVICE)
    assert state.paused and (state.paused.reason, state.paused.by) == (WHY.reason, WHY.by)
    assert (sum(state.waiting.values()), state.queued, state.out) == (7, 0, 0)

    await lanes.flow.resume(subject)
    await finish(lanes, scenario)
    record = await lanes.store.scenario(later.scenario_id)
    assert record and record.status is Status.SUCCESS
    state = await lanes.flow.state(SERVICE)
    assert (state.waiting, state.out, state.queued, state.paused, state.limits) == ({}, 0, 0, None, limits)


@LIMITS
async def test_a_paused_scenario_begins_nothing_and_others_go_on(
    link: RedisLink, limits: Limits | None
) -> None:
    lanes = await Lanes(link, chunk=3).open(limits)
    scenario, running = await started(lanes)
    assert await pause_scenario(lanes, scenario) == "DONE"

    other = await lanes.add(["other"])
    entries = await lanes.take()
    assert [entry.scenario_id for entry in entries] == [other.scenario_id]
    await lanes.end(running + entries)
    assert await lanes.take() == []
    record = await lanes.store.scenario(scenario.scenario_id)
    assert record and record.status is Status.PROCESSING
    state = await lanes.flow.state(SERVICE)
    assert (state.waiting, state.queued, state.out) == ({}, 0, 0)

    assert await resume_scenario(lanes, scenario) == "DONE"
    await finish(lanes, scenario)


async def pause_scenario(lanes: Lanes, scenario: NewScenario) -> str:
    word = await lanes.flow.pause_scenario(scenario.scenario_id, WHY)
    while word == "MORE":
        word = await lanes.flow.pause_scenario(scenario.scenario_id)
    return word


async def resume_scenario(lanes: Lanes, scenario: NewScenario) -> str:
    word = await lanes.flow.resume_scenario(scenario.scenario_id, begin=True)
    while word == "MORE":
        word = await lanes.flow.resume_scenario(scenario.scenario_id, begin=False)
    return word


async def test_a_scenario_may_be_paused_before_its_tasks_are_made(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    scenario = graph(chain(2))
    await lanes.store.submit(scenario)
    assert await pause_scenario(lanes, scenario) == "DONE"
    await lanes.submit(graph(chain(1)))

    assert [entry.scenario_id == scenario.scenario_id for entry in await lanes.take()] == [False]
    assert await resume_scenario(lanes, scenario) == "DONE"
    await finish(lanes, scenario)


async def test_a_pause_in_a_paused_service_ends_where_both_have_ended(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    scenario, running = await started(lanes)
    await pause_scenario(lanes, scenario)
    await lanes.flow.pause(SERVICE, WHY)
    await lanes.flow.pause(ALL, WHY)
    await lanes.end(running)

    await lanes.flow.resume(ALL)
    await resume_scenario(lanes, scenario)
    assert await lanes.take() == []
    await lanes.flow.resume(SERVICE)
    await finish(lanes, scenario)


async def test_a_paused_scenario_can_be_cancelled_and_nothing_of_it_remains(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    scenario, _ = await started(lanes)
    await pause_scenario(lanes, scenario)

    while await lanes.store.cancel(scenario.scenario_id, Cause()) == "MORE":
        continue

    record = await lanes.store.scenario(scenario.scenario_id)
    assert record and record.status is Status.CANCELLED
    assert await link.execute("EXISTS", lanes.at.held(scenario.scenario_id)) == 0
    assert await lanes.flow.resume_scenario(scenario.scenario_id, begin=False) == "DONE"
    assert await lanes.flow.pause_scenario(scenario.scenario_id, WHY) == "FINAL"
    assert await lanes.take() == []


async def test_the_last_tasks_of_a_cancelled_scenario_run_though_it_was_paused(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    scenario = graph(
        {"work": [], "tidy": ["work"]}, rules={"tidy": {"finally": 0, "all_done": True, "ask": False}}
    )
    await lanes.submit(scenario)
    entries = await lanes.take()
    await pause_scenario(lanes, scenario)
    await lanes.end(entries)
    assert await link.execute("ZCARD", lanes.at.held(scenario.scenario_id)) == 1

    while await lanes.store.cancel(scenario.scenario_id, Cause()) == "MORE":
        continue
    assert ("resume", scenario.scenario_id) in (await lanes.store.due(lanes.at)).timers
    await lanes.flow.resume_scenario(scenario.scenario_id, begin=False)

    assert [entry.name for entry in await lanes.take()] == ["tidy"]


@pytest.mark.parametrize("kind", ["service", "scenario"])
async def test_what_a_lost_worker_had_begun_does_not_begin_again_while_it_is_paused(
    link: RedisLink, kind: str
) -> None:
    lanes = await Lanes(link).open()
    scenario = await lanes.add(["one"])
    await lanes.worker.take()
    if kind == "service":
        await lanes.flow.pause(SERVICE, WHY)
    else:
        await pause_scenario(lanes, scenario)

    await Store(link, Partitions(1), Policy(lease_ms=0), scripts=virtual_scripts()).sweep(lanes.at, SERVICE)
    assert await lanes.take() == []
    if kind == "service":
        await lanes.flow.resume(SERVICE)
    else:
        await resume_scenario(lanes, scenario)

    assert [entry.attempt for entry in await lanes.take()] == [2]


async def test_a_pause_that_was_left_half_done_is_carried_on_by_timers(link: RedisLink) -> None:
    """Whoever asked for it died after the first call."""
    lanes = await Lanes(link, chunk=2).open()
    scenario, _ = await started(lanes)
    values = {"flow": lanes.at.flow, "timers": lanes.at.timers, "services": lanes.at.services}
    await lanes.store.call("set_flow", {**values, "subject": SERVICE, "what": "pause", "facts": "{}"})
    await lanes.due()
    assert await lanes.worker.take() == []

    await lanes.flow.pause_scenario(scenario.scenario_id, WHY)
    await lanes.passed(1_000)
    assert ("pause", scenario.scenario_id) in (await lanes.store.due(lanes.at)).timers
    while await lanes.flow.pause_scenario(scenario.scenario_id) == "MORE":
        continue
    await lanes.flow.resume_scenario(scenario.scenario_id, begin=True)
    await lanes.passed(1_000)
    assert ("resume", scenario.scenario_id) in (await lanes.store.due(lanes.at)).timers


async def test_pause_and_resume_say_what_they_found(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    scenario = await lanes.add(["one"])
    unknown = scenario.scenario_id[:2] + "0" * 14

    assert await lanes.flow.pause_scenario(unknown, WHY) == "UNKNOWN"
    assert await lanes.flow.resume_scenario(unknown, begin=True) == "UNKNOWN"
    assert await lanes.flow.pause_scenario(scenario.scenario_id) == "RESUMED"
    assert await pause_scenario(lanes, scenario) == "DONE"
    assert await pause_scenario(lanes, scenario) == "DONE"
    assert await lanes.flow.resume_scenario(scenario.scenario_id, begin=False) == "PAUSED"
    assert await resume_scenario(lanes, scenario) == "DONE"
    assert await resume_scenario(lanes, scenario) == "DONE"
