"""Why a task is where it is: each reason of those that were handed out, are held by the engine, or have ended."""

from collections.abc import AsyncIterator

import pytest_asyncio

from orchestrator.store.gates import GateStore
from orchestrator.store.records import Cause
from orchestrator.store.store import Policy
from orchestrator.store.why import Why
from orchestrator.store.why_records import Reason
from tests.support.engines import running_engine
from tests.support.graphs import chain, graph
from tests.support.inquiry import Inquiry
from tests.support.lanes import SERVICE
from tests.support.machines import Desk as Order
from tests.support.scripts import START_MS
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import META, short_uuid
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, TaskEvent


@pytest_asyncio.fixture
async def desk(link: RedisLink) -> AsyncIterator[Inquiry]:
    """An empty server, an engine by hand."""
    desk = Inquiry(link)
    await desk.open()
    yield desk
    await link.execute("SET", "test:now_ms", START_MS)


async def test_it_stands_in_the_queue(desk: Inquiry) -> None:
    first = await desk.add(["holder"])
    [entry] = await desk.take()
    scenario = await desk.add([f"t{n}" for n in range(120)])

    places = {}
    for task in scenario.tasks:
        queued, busy = await desk.why(scenario, task.name)
        assert (queued.code, queued.facts["waiting"], queued.facts["taken"]) == ("queued", 120, 1)
        assert (busy.code, [one["name"] for one in busy.facts["workers"]]) == ("workers_busy", ["plain-1"])
        places[queued.facts["position"]] = queued.facts["entry"]

    assert list(places) == sorted(places) == list(range(1, 121))
    assert entry.task_id == first.task_ids[0]


async def test_in_the_middle_of_a_long_queue_its_place_is_not_counted(desk: Inquiry) -> None:
    scenario = await desk.add([f"t{n}" for n in range(300)])

    reason = (await desk.why(scenario, scenario.tasks[150].name))[-1]

    assert reason.message.startswith("in the queue of test-service more than 100 of 300 stand before it")


async def test_no_worker_has_ever_read_its_queue(link: RedisLink) -> None:
    desk = Inquiry(link)
    await desk.store.agree(sets_lease=True)
    scenario = graph(chain(1))
    await desk.submit(scenario)

    assert await desk.codes(scenario, "c0") == ["no_worker", "queued"]


async def test_a_worker_came_and_went_before_there_was_a_task(desk: Inquiry) -> None:
    """Redis knows a reader from the first entry on that it got."""
    await desk.link.execute("HSET", META, "lease_ms", 500)
    scenario = await desk.add(["a"])

    async def told() -> bool:
        return await desk.codes(scenario, "a") == ["no_worker", "queued"]

    await wait_until(told, what="an entry that nobody takes")


async def test_no_worker_reads_its_queue_any_more(redis_url: str, link: RedisLink) -> None:
    async with running_engine(redis_url, Policy(lease_ms=100)) as engine:
        desk = Inquiry(link)
        desk.store = engine.store
        await engine.store.submit(graph(chain(1)))
        await wait_until(desk.worker.take, what="a task")
        scenario = graph(chain(1))
        await engine.store.submit(scenario)

        async def codes() -> bool:
            if await engine.store.task(scenario.task_ids[0]) is None:
                return False
            return (await desk.codes(scenario, "c0"))[:2] == ["no_worker", "queued"]

        await wait_until(codes, what="the silence to be told")
        reason = (await desk.why(scenario, "c0"))[0]
        assert reason.facts["silent_ms"] > 100
        assert reason.message.startswith("no worker has read the queue of test-service for")


async def test_a_worker_has_it(desk: Inquiry) -> None:
    scenario = await desk.add(["a"])
    [entry] = await desk.take()

    code, facts = await desk.first(scenario, "a")
    assert (code, facts["worker"], facts["attempt"], facts["started_at"]) == ("running", "plain-1", 1, None)
    assert 0 < facts["lease_left_ms"] <= 15_000

    await desk.worker.report(entry, EventKind.PROGRESS, progress="40", message="4 of 10")
    await desk.worker.report(entry, EventKind.PROCESSING)
    await desk.worker.report(entry, EventKind.PROGRESS, progress="40", message="4 of 10")
    await desk.end([])
    [reason] = await desk.why(scenario, "a")
    assert (reason.code, reason.facts["progress"], reason.facts["message"]) == ("running", 40, "4 of 10")
    assert "the worker plain-1 has it since 2025-06-26T10:34:12.349Z, 40 % done" in reason.message


async def test_somebody_works_on_it_over_http(desk: Inquiry) -> None:
    scenario = await desk.add(["a"])
    await desk.store.report(TaskEvent(scenario.task_ids[0], EventKind.PROCESSING))
    await desk.passed(100_000)

    code, facts = await desk.first(scenario, "a")

    assert (code, facts["lease_left_ms"]) == ("running_over_http", 200_000)


async def test_its_report_is_on_its_way(desk: Inquiry) -> None:
    scenario = await desk.add(["a"])
    [entry] = await desk.take()
    await desk.link.execute("XACK", desk.at.queue(SERVICE), "workers", entry.entry_id)
    await desk.link.execute("XDEL", desk.at.queue(SERVICE), entry.entry_id)
    assert await desk.codes(scenario, "a") == ["lost"]

    await desk.worker.succeed(entry)
    assert await desk.codes(scenario, "a") == ["report_on_its_way", "engine_busy"]


async def test_no_engine_reads_the_reports(redis_url: str, link: RedisLink) -> None:
    desk = Inquiry(link)
    await desk.store.agree(sets_lease=True)
    scenario = graph({"a": []}, rules={"a": {"ask": True}}, on_ready={"a": {"delay_ms": 1}})
    await desk.submit(scenario)

    assert await desk.codes(scenario, "a") == ["engine_will_look", "no_engine"]


async def test_somebody_else_acknowledged_its_entry(desk: Inquiry) -> None:
    scenario = await desk.add(["a"])
    [entry] = await desk.take()
    await desk.link.execute("XACK", desk.at.queue(SERVICE), "workers", entry.entry_id)

    [reason] = await desk.why(scenario, "a")

    assert (reason.code, reason.facts["entry_state"]) == ("lost", "acked")


async def test_people_must_decide(desk: Inquiry) -> None:
    gate = {"title": "Publish?", "who": ["ann", "group:editors"], "quorum": 2, "deadline_ms": 3_600_000}
    scenario = graph({"ok": []}, rules={"ok": {"ask": True}}, on_ready={"ok": {"gate": gate}})
    await desk.submit(scenario)
    await desk.end([])
    await desk.passed(600_000)

    [reason] = await desk.why(scenario, "ok")

    assert reason.code == "gate"
    assert {name: reason.facts[name] for name in ("who", "quorum", "approvals", "in_ms")} == {
        "who": ["ann", "group:editors"], "quorum": 2, "approvals": 0, "in_ms": 3_000_000,
    }  # fmt: skip
    expected = "people must decide: Publish? (ann, group:editors may; 0 of 2 approvals; it fails in 50 min)"
    assert reason.message == expected


async def test_people_have_decided_and_the_engine_has_not_heard_of_it(desk: Inquiry) -> None:
    gate = {"deadline_ms": 1_000, "default": {"decision": "approve"}}
    scenario = graph({"ok": []}, rules={"ok": {"ask": True}}, on_ready={"ok": {"gate": gate}})
    await desk.submit(scenario)
    await desk.end([])
    await desk.passed(1_000)
    assert await GateStore(desk.store).close(desk.at, scenario.task_ids[0]) == "ENDED"

    codes = await desk.codes(scenario, "ok")

    assert codes == ["gate_ended", "report_on_its_way", "engine_busy"]


async def test_it_is_a_scenario_of_its_own(desk: Inquiry) -> None:
    on_ready = {"sub": {"scenario": {"name": "Inner", "variables": {}}}}
    scenario = graph({"sub": []}, rules={"sub": {"ask": True}}, on_ready=on_ready)
    await desk.submit(scenario)
    child = short_uuid(scenario.scenario_id, f"{scenario.task_ids[0]}/scenario/1")
    held = TaskEvent(scenario.task_ids[0], EventKind.HOLD, "", {"child_scenario_id": child}, by_engine=True)
    await desk.store.advance(desk.at, [held])
    await desk.link.execute("XTRIM", desk.at.task_events, "MAXLEN", 0)
    assert await desk.codes(scenario, "sub") == ["sub_scenario_ended", "lost"]

    inner = graph(chain(1), scenario_id=child)
    await desk.submit(inner)
    code, facts = await desk.first(scenario, "sub")
    assert (code, facts["scenario_id"], facts["status"]) == ("sub_scenario", child, "processing")


async def test_its_scenario_is_being_cancelled(desk: Inquiry) -> None:
    scenario = await desk.add(["a", "b"])
    key = desk.at.scenario(scenario.scenario_id)
    await desk.link.execute("HSET", key, "cancel", '{"type":"cancelled","message":"enough"}')

    assert (await desk.codes(scenario, "a"))[0] == "cancelling"
    assert [one.code for one in (await desk.whole(scenario)).reasons] == ["cancelling"]


async def test_how_a_task_ended_leads_back_to_where_it_began(desk: Inquiry) -> None:
    scenario = graph(chain(4))
    await desk.submit(scenario)
    await desk.end(await desk.take())
    await desk.fail(await desk.take())

    assert await desk.codes(scenario, "c0") == ["succeeded"]
    [reason] = await desk.why(scenario, "c1")
    assert (reason.code, reason.message) == ("failed", "it is failed after 1 attempt: Boom: no")
    assert reason.facts["fingerprint"].startswith("test-service:")
    reasons = await desk.why(scenario, "c3")
    assert [one.code for one in reasons] == ["skipped", "caused_by", "caused_by"]
    assert [one.facts["task"]["name"] for one in reasons[1:]] == ["c2", "c1"]
    whole = await desk.whole(scenario)
    assert [one.code for one in whole.reasons] == ["ended", "caused_by"]
    assert (whole.status, whole.unfinished, whole.groups) == ("failed", 0, [])


async def test_a_failed_child_is_found_as_the_cause(desk: Inquiry) -> None:
    on_ready = {"each": {"foreach": {"items": [{"n": 1}, {"n": 2}]}}}
    scenario = graph({"each": [], "after": ["each"]}, rules={"each": {"ask": True}}, on_ready=on_ready)
    await desk.submit(scenario)
    await desk.end([])
    await desk.fail(await desk.take())

    reasons = await desk.why(scenario, "after")

    assert [one.code for one in reasons] == ["skipped", "caused_by", "caused_by"]
    assert reasons[-1].facts["error"]["type"] == "Boom"


async def test_who_cancelled_it_is_said(desk: Inquiry) -> None:
    scenario = await desk.add(["a"])
    await desk.store.cancel(scenario.scenario_id, Cause("enough", "ann"))

    code, facts = await desk.first(scenario, "a")

    assert (code, facts["error"]["by"], facts["error"]["message"]) == ("cancelled", "ann", "enough")


async def test_tasks_of_a_scenario_that_wait_for_the_same_stand_together(desk: Inquiry) -> None:
    middle = {f"m{n}": ["first"] for n in range(7)}
    scenario = graph({"first": [], **middle, "other": [], "last": list(middle)})
    await desk.submit(scenario)
    entries = {entry.name: entry for entry in await desk.take()}
    await desk.end([entries["first"]])

    found = await desk.whole(scenario)

    assert (found.unfinished, found.complete) == (9, True)
    assert [(one.code, one.count, len(one.tasks)) for one in found.groups] == [
        ("queued", 7, 3), ("running", 1, 1), ("waits_for_tasks", 1, 1),
    ]  # fmt: skip
    assert [one.reasons[0].code for one in found.groups] == ["queued", "running", "waits_for_tasks"]


async def test_a_scenario_with_states_says_which_events_it_takes(link: RedisLink) -> None:
    order = await Order(link).open()
    why = Why(order.store)

    async def reason() -> Reason:
        found = await why.task(order.machine_id)
        assert found is not None
        return found.reasons[0]

    new = await reason()
    assert (new.code, new.facts["state"], new.facts["allowed"], new.facts["until"]) == (
        "state_machine", "new", ["cancel", "pay"], None,
    )  # fmt: skip
    await order.send("pay")
    assert "waits for an event (cancel) or the end of its tasks" in (await reason()).message
    for service in ("shop", "shop"):
        await order.succeed(await order.one(service))
    shipped = await reason()
    assert (shipped.facts["state"], shipped.facts["in_ms"]) == ("shipped", 7 * 86_400_000)
    whole = await why.scenario(order.id)
    assert whole and [(one.code, one.count) for one in whole.groups] == [("state_machine", 1)]


async def test_an_event_that_the_engine_has_not_heard_of_is_said(link: RedisLink) -> None:
    order = await Order(link).open()
    await order.send("cancel", settle=False)

    found = await Why(order.store).task(order.machine_id)

    assert found and [one.code for one in found.reasons] == [
        "state_machine",
        "engine_will_look",
        "engine_busy",
    ]
