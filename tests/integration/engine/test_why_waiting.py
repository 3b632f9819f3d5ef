"""Why a task does not run: each reason of those that no worker has, in exactly the situation that it is about."""

from dataclasses import replace

import pytest
import pytest_asyncio

from orchestrator.engine.children import child_id
from orchestrator.store.flow import ALL
from orchestrator.store.flow_records import Limits, Pause, Rate
from orchestrator.store.records import NewScenario, RetryPolicy
from orchestrator.store.why import Why
from tests.support.graphs import chain, diamond, graph
from tests.support.inquiry import Inquiry
from tests.support.lanes import SERVICE
from workers_sdk.protocol.link import RedisLink

ANN = Pause("repair", "ann")


@pytest_asyncio.fixture
async def desk(link: RedisLink) -> Inquiry:
    """An empty server, an engine by hand."""
    desk = Inquiry(link)
    await desk.open()
    return desk


async def made(desk: Inquiry, scenario: NewScenario) -> NewScenario:
    await desk.submit(scenario)
    return scenario


async def test_it_waits_for_others_of_which_some_are_named(desk: Inquiry) -> None:
    scenario = await made(desk, graph(diamond(8)))
    await desk.end(await desk.take())
    await desk.end((await desk.take())[:1])

    code, facts = await desk.first(scenario, "last")

    assert (code, facts["count"], len(facts["tasks"])) == ("waits_for_tasks", 7, 5)
    assert all(task["status"] == "pending" and task["name"].startswith("m") for task in facts["tasks"])


async def test_it_waits_for_one_of_several(desk: Inquiry) -> None:
    needs = {"a": [], "b": [], "c": [], "any": ["a", "b", "c"]}
    tolerated = {name: {"tolerated": True} for name in "abc"}
    scenario = await made(desk, graph(needs, rules={**tolerated, "any": {"need": 1}}))
    entries = await desk.take()
    await desk.fail([entry for entry in entries if entry.name == "a"])

    code, facts = await desk.first(scenario, "any")

    assert (code, facts["need"], facts["good"], facts["failed"], facts["count"]) == (
        "waits_for_tasks",
        1,
        0,
        1,
        2,
    )
    assert sorted(task["name"] for task in facts["tasks"]) == ["b", "c"]


async def test_it_waits_for_its_children(desk: Inquiry) -> None:
    on_ready = {"each": {"foreach": {"items": [{"n": n} for n in range(3)]}}}
    scenario = await made(desk, graph({"each": []}, rules={"each": {"ask": True}}, on_ready=on_ready))
    await desk.end([])
    await desk.end((await desk.take())[:1])

    code, facts = await desk.first(scenario, "each")

    assert (code, facts["count"], facts["children"], facts["done"]) == ("waits_for_children", 2, 3, 1)
    task = await desk.store.task(scenario.task_ids[0])
    assert task and {one["id"] for one in facts["tasks"]} <= {child_id(task, n) for n in (1, 2, 3)}
    assert len(facts["tasks"]) == 2


async def test_it_waits_for_its_delay(desk: Inquiry) -> None:
    later = {"a": {"delay_ms": 60_000}}
    scenario = await made(desk, graph(chain(1) | {"a": []}, rules={"a": {"ask": True}}, on_ready=later))
    await desk.end([])
    await desk.passed(20_000)

    code, facts = await desk.first(scenario, "a")

    assert (code, facts["in_ms"], facts["at"]) == ("delayed", 40_000, "2025-06-26T10:35:12.349Z")


async def test_it_waits_for_its_next_attempt(desk: Inquiry) -> None:
    plain = graph(chain(1))
    policy = RetryPolicy(max_attempts=3, delay_ms=5_000, jitter=False)
    scenario = await made(desk, replace(plain, tasks=[replace(plain.tasks[0], policy=policy)]))
    await desk.fail(await desk.take())

    [reason] = await desk.why(scenario, "c0")

    assert (reason.code, reason.facts["in_ms"], reason.facts["failed_attempt"]) == ("next_attempt", 5_000, 1)
    assert (
        reason.message == "attempt 1 failed (Boom: no), the next one begins in 5 s (2025-06-26T10:34:17.349Z)"
    )


async def test_the_engine_has_not_looked_yet(desk: Inquiry) -> None:
    on_ready = {"a": {"delay_ms": 60_000}}
    scenario = await made(desk, graph({"a": []}, rules={"a": {"ask": True}}, on_ready=on_ready))

    assert await desk.codes(scenario, "a") == ["engine_will_look", "engine_busy"]


async def test_nobody_will_look(desk: Inquiry) -> None:
    """The report that asks the engine was deleted by a foreign hand."""
    scenario = await made(desk, graph({"a": []}, rules={"a": {"ask": True}}, on_ready={"a": {"delay_ms": 1}}))
    await desk.link.execute("XTRIM", desk.at.task_events, "MAXLEN", 0)

    [reason] = await desk.why(scenario, "a")

    assert (reason.code, "fsck" in reason.message) == ("lost", True)


async def test_it_was_never_handed_out(desk: Inquiry) -> None:
    scenario = await made(desk, graph(chain(2)))
    await desk.link.execute("HSET", desk.at.task(scenario.task_ids[1]), "queue", 0)

    assert await desk.codes(scenario, "c1") == ["lost"]


async def test_its_service_is_paused(desk: Inquiry) -> None:
    await desk.flow.pause(SERVICE, ANN)
    scenario = await desk.add(["a", "b"])

    reasons = await desk.why(scenario, "a")

    assert [one.code for one in reasons] == ["service_paused", "waits_in_lane"]
    assert (
        reasons[0].message
        == "the service test-service is paused by ann since 2025-06-26T10:34:12.349Z: repair"
    )
    assert reasons[0].facts == {"at": "2025-06-26T10:34:12.349Z", "reason": "repair", "by": "ann"}
    assert sorted([(await desk.why(scenario, name))[1].facts["position"] for name in ("a", "b")]) == [1, 2]


async def test_everything_is_paused(desk: Inquiry) -> None:
    await desk.flow.pause(ALL, ANN)
    scenario = await desk.add(["a"])

    assert await desk.codes(scenario, "a") == ["everything_paused", "waits_in_lane"]


async def test_its_scenario_is_paused(desk: Inquiry) -> None:
    scenario = await made(desk, graph(chain(2)))
    await desk.flow.pause_scenario(scenario.scenario_id, ANN)

    code, facts = await desk.first(scenario, "c0")

    assert (code, facts["reason"], facts["by"]) == ("scenario_paused", "repair", "ann")
    assert await desk.codes(scenario, "c1") == ["waits_for_tasks", "scenario_paused"]


async def test_its_scenario_is_being_resumed(desk: Inquiry) -> None:
    scenario = await made(desk, graph(chain(1)))
    await desk.flow.pause_scenario(scenario.scenario_id, ANN)
    await desk.link.execute("HDEL", desk.at.scenario(scenario.scenario_id), "paused")

    assert await desk.first(scenario, "c0") == ("resuming", {"position": 1, "of": 1})


async def test_the_limit_of_its_service_is_reached(desk: Inquiry) -> None:
    await desk.flow.limit(SERVICE, Limits(concurrency=1))
    holder = await desk.add(["holder"])
    await desk.take()
    scenario = await desk.add(["a"], {"tenant": "gold"})
    await desk.due()

    limit, lane = await desk.why(scenario, "a")

    assert (limit.code, limit.facts["limit"], limit.facts["out"]) == ("concurrency_limit", 1, 1)
    assert [one["id"] for one in limit.facts["holders"]] == holder.task_ids
    assert (lane.code, lane.facts) == (
        "waits_in_lane",
        {"tenant": "gold", "position": 1, "of": 1, "tenants": 1},
    )


async def test_the_rate_of_its_service_is_spent(desk: Inquiry) -> None:
    await desk.flow.limit(SERVICE, Limits(rate=Rate(1, 10_000)))
    await desk.add(["first"])
    await desk.take()
    scenario = await desk.add(["a"])
    await desk.due()
    await desk.passed(4_000)

    rate, lane = await desk.why(scenario, "a")

    assert (rate.code, rate.facts["in_ms"], lane.code) == ("rate_limit", 6_000, "waits_in_lane")
    assert rate.message == "tasks of test-service may begin at 1 per 10 s: the next one in 6 s"


async def test_the_queue_of_its_service_is_kept_short(desk: Inquiry) -> None:
    await desk.flow.limit(SERVICE, Limits())
    scenario = await desk.add([f"t{n}" for n in range(200)])
    await desk.due()
    waiting = [task.name for task in await desk.store.tasks(scenario.task_ids) if task and not task.token]

    codes = await desk.codes(scenario, waiting[0])

    assert codes == ["queue_full", "waits_in_lane"]


async def test_the_limit_of_its_key_is_reached(desk: Inquiry) -> None:
    flow = {"key": "user 7", "max": 1}
    holder = await desk.add(["holder"], flow)
    await desk.take()
    scenario = await desk.add(["a"], flow)
    await desk.due()

    [reason] = await desk.why(scenario, "a")

    assert (reason.code, reason.facts["key"], reason.facts["max"]) == ("key_limit", "user 7", 1)
    assert [one["id"] for one in reason.facts["holders"]] == holder.task_ids


async def test_the_rate_of_its_key_is_spent(desk: Inquiry) -> None:
    flow = {"key": "user 7", "rate": {"count": 1, "per_ms": 10_000, "burst": 1}}
    await desk.add(["first"], flow)
    await desk.take()
    scenario = await desk.add(["a"], flow)
    await desk.due()
    await desk.passed(4_000)

    [reason] = await desk.why(scenario, "a")

    assert (reason.code, reason.facts["in_ms"], reason.facts["position"]) == ("key_rate", 6_000, 1)
    await desk.passed(6_000)
    assert await desk.codes(scenario, "a") == ["key_turn"]


async def test_nobody_has_made_its_tasks_yet(desk: Inquiry) -> None:
    before, scenario = graph(chain(1)), graph(chain(3))
    await desk.store.submit(before)
    await desk.passed(1)
    await desk.store.submit(scenario)

    found = await desk.whole(scenario)

    assert [(one.code, one.facts["behind"], one.facts["planned"]) for one in found.reasons] == [
        ("not_materialized", 1, 3)
    ]
    assert (found.unfinished, found.groups) == (0, [])
    assert await Why(desk.store).task(scenario.task_ids[0]) is None


async def test_some_of_its_tasks_were_not_made_yet(desk: Inquiry) -> None:
    scenario = await made(desk, graph(chain(3)))
    await desk.link.execute("HSET", desk.at.scenario(scenario.scenario_id), "materialized", 1)
    assert [one.code for one in (await desk.whole(scenario)).reasons] == ["lost"]

    await desk.link.execute("XADD", desk.at.scenarios, "*", "scenario_id", scenario.scenario_id)
    assert [one.code for one in (await desk.whole(scenario)).reasons] == ["materializing"]
    await desk.link.execute("DEL", desk.at.scenarios)


@pytest.mark.parametrize("unknown", ["0" * 16, "zzzzzzzzzzzzzzzz"])
async def test_nothing_is_said_of_what_is_not_there(desk: Inquiry, unknown: str) -> None:
    assert await Why(desk.store).task(unknown) is None
    assert await Why(desk.store).scenario(unknown) is None
