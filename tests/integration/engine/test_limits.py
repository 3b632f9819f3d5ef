"""Limits of managed services, under a virtual clock: slots, rates, keys; whatever ends a task lets the next one go."""

from collections.abc import Awaitable, Callable

import pytest

from orchestrator.store.deciding import overdue, spawn
from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Limits, Pause, Rate, TooSmallToShare
from orchestrator.store.records import Cause, NewTask
from orchestrator.store.store import Policy, Store
from tests.support.graphs import graph
from tests.support.lanes import SERVICE, Lanes, names
from tests.support.scripts import virtual_scripts
from workers_sdk.protocol.keys import GROUP_WORKERS, Partitions, short_uuid
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, TaskEntry, TaskEvent

TEN = [f"t{n}" for n in range(10)]
Ending = Callable[[Lanes, TaskEntry], Awaitable[None]]


async def test_never_more_are_out_than_the_limit_says(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=3))
    await lanes.add(TEN)

    seen: list[TaskEntry] = []
    running = await lanes.take()
    while running:
        assert len(running) == min(3, 10 - len(seen))
        seen.append(running.pop(0))
        await lanes.end(seen[-1:])
        running += await lanes.take()

    assert sorted(names(seen)) == TEN
    state = await lanes.flow.state(SERVICE)
    assert (state.waiting, state.out, state.queued) == ({}, 0, 0)
    assert await lanes.waits_until() is None


async def _succeed(lanes: Lanes, entry: TaskEntry) -> None:
    await lanes.end([entry])


async def _fail(lanes: Lanes, entry: TaskEntry) -> None:
    await lanes.worker.report(entry, EventKind.FAILED, error='{"type":"Boom"}')
    await lanes.end([])


async def _cancel(lanes: Lanes, entry: TaskEntry) -> None:
    await lanes.store.cancel_task(entry.task_id, Cause())


async def _cancel_scenario(lanes: Lanes, entry: TaskEntry) -> None:
    while await lanes.store.cancel(entry.scenario_id, Cause()) == "MORE":
        continue


async def _by_http(lanes: Lanes, entry: TaskEntry) -> None:
    await lanes.store.report(TaskEvent(entry.task_id, EventKind.SUCCESS, entry.token))


@pytest.mark.parametrize("ending", [_succeed, _fail, _cancel, _cancel_scenario, _by_http])
async def test_whatever_ends_a_task_lets_the_next_one_go(link: RedisLink, ending: Ending) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1))
    await lanes.add(["first"])
    await lanes.add(["second"])
    [entry] = await lanes.take()
    assert await lanes.take() == []

    await ending(lanes, entry)

    assert len(await lanes.take()) == 1


async def _lose(lanes: Lanes, entry: TaskEntry) -> None:
    quick = Store(lanes.link, Partitions(1), Policy(lease_ms=0), scripts=virtual_scripts())
    await quick.sweep(lanes.at, SERVICE)


async def _give_back(lanes: Lanes, entry: TaskEntry) -> None:
    values = {
        "home": lanes.at.task_events,
        "prefix": "",
        "group": GROUP_WORKERS,
        "worker": lanes.worker.name,
        "nonce": "n",
    }
    item = (SERVICE, entry.entry_id, entry.task_id, entry.token)
    assert await virtual_scripts().call(lanes.link, "give_back", values, item) == [b"OK"]


async def _let_http_expire(lanes: Lanes, entry: TaskEntry) -> None:
    await lanes.store.report(TaskEvent(entry.task_id, EventKind.PROCESSING, ""))
    await lanes.passed(lanes.store.policy.http_lease_ms + 1)
    assert await lanes.store.expire(lanes.at, entry.task_id) == "AGAIN"


@pytest.mark.parametrize("losing", [_lose, _give_back, _let_http_expire])
async def test_a_lost_task_comes_again_under_the_limit_and_before_those_behind_it(
    link: RedisLink, losing: Ending
) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1))
    await lanes.add(["first"])
    await lanes.passed(1)
    await lanes.add(["second"])
    [entry] = await lanes.take()

    await losing(lanes, entry)
    [again] = await lanes.take()

    assert again.task_id == entry.task_id
    assert again.token != entry.token
    assert await lanes.take() == []
    await lanes.end([entry])  # a late report under the old token
    assert await lanes.take() == []
    await lanes.end([again])
    assert names(await lanes.take()) == ["second"]


async def test_a_task_that_waits_in_a_lane_takes_no_report(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1))
    scenario = await lanes.add(["first", "second"])
    [entry] = await lanes.take()
    [waiting] = [one for one in scenario.task_ids if one != entry.task_id]

    assert await lanes.store.report(TaskEvent(waiting, EventKind.PROCESSING)) == "NOT_READY"


async def test_what_waits_in_the_stream_comes_under_new_limits_too(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    await lanes.add(TEN)
    assert len(await lanes.worker.take(4)) == 4

    await lanes.flow.limit(SERVICE, Limits(concurrency=2))

    assert len(await lanes.take()) == 2
    assert (await lanes.flow.state(SERVICE)).waiting == {"-": 4}


async def test_what_waits_is_handed_out_when_a_service_is_not_managed_any_more(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1))
    await lanes.add([f"t{n}" for n in range(100)])
    running = await lanes.take()

    await lanes.flow.forget(SERVICE)
    running += await lanes.take()

    assert len(running) == 100
    await lanes.end(running)
    state = await lanes.flow.state(SERVICE)
    assert (state.limits, state.waiting, state.out, state.queued) == (None, {}, 0, 0)


async def test_the_stream_stays_short_so_that_what_is_urgent_comes_soon(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits())
    await lanes.add([f"t{n}" for n in range(100)])
    await lanes.due()
    assert (await lanes.flow.state(SERVICE)).queued == 8

    await lanes.add(["urgent"], {"priority": 0})
    first = await lanes.take()
    await lanes.passed(1_000)

    assert "urgent" not in names(first)
    assert (await lanes.take())[0].name == "urgent"


async def test_a_rate_is_exact(link: RedisLink) -> None:
    """Three a second: at 0, 334, 667, 1000 ... and not a millisecond before."""
    lanes = await Lanes(link).open(Limits(rate=Rate(3, 1_000)))
    await lanes.add(TEN)
    times: list[int] = []
    while len(times) < 10:
        taken = await lanes.take()
        times += [lanes.now] * len(taken)
        if len(times) < 10:
            wait_ms = await lanes.waits_until()
            assert wait_ms
            await lanes.passed(wait_ms - 1)
            assert await lanes.take() == []
            await lanes.passed(1)

    assert [time - times[0] for time in times] == [0, 334, 667, 1000, 1334, 1667, 2000, 2334, 2667, 3000]


async def test_a_burst_is_spent_at_once_and_comes_back_with_time(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(rate=Rate(1, 1_000, burst=4)))
    await lanes.add([f"t{n}" for n in range(20)])

    assert len(await lanes.take()) == 4
    await lanes.passed(999)
    assert len(await lanes.take()) == 0
    await lanes.passed(1)
    assert len(await lanes.take()) == 1
    await lanes.passed(60_000)
    assert len(await lanes.take()) == 4


async def test_when_workers_come_late_no_more_than_a_burst_begins_at_once(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(rate=Rate(1, 1_000, burst=2)))
    await lanes.add(TEN)
    for _ in range(60):
        await lanes.due()
        await lanes.passed(1_000)
    await lanes.due()

    assert len(await lanes.worker.take()) == 2
    assert len(await lanes.take()) == 0
    await lanes.passed(1_000)
    assert len(await lanes.take()) == 1


async def test_each_key_has_its_own_limit(link: RedisLink) -> None:
    lanes = await Lanes(link, chunk=8).open()
    for user in ("ann", "bob"):
        await lanes.add([f"{user}{n}" for n in range(30)], {"key": user, "max": 3})

    running = await lanes.take()
    assert sorted(one[:3] for one in names(running)) == ["ann"] * 3 + ["bob"] * 3
    seen = 0
    while running:
        seen += 1
        first = running.pop(0)
        await lanes.end([first])
        running += await lanes.take()
        ours = [one for one in names(running) if one[:3] == first.name[:3]]
        assert len(ours) <= 3
    assert seen == 60


async def test_a_key_waits_while_the_service_itself_is_full(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=2))
    await lanes.add(["ann1", "ann2"], {"key": "ann", "max": 1})
    await lanes.add(["bob1", "bob2"], {"key": "bob", "max": 1})

    first = await lanes.take()
    assert sorted(one[:3] for one in names(first)) == ["ann", "bob"]
    await lanes.end(first)
    assert sorted(one[:3] for one in names(await lanes.take())) == ["ann", "bob"]


async def test_a_key_is_not_blocked_by_what_was_cancelled_while_it_waited(link: RedisLink) -> None:
    """It waits in its lane for the service, and has its slot of the key already."""
    lanes = await Lanes(link).open(Limits(concurrency=2))
    for n in range(3):
        await lanes.add([f"ann{n}"], {"key": "ann", "max": 1})
    [running] = await lanes.take()
    assert await link.execute("ZCARD", lanes.at.parked(SERVICE, "ann")) == 2
    await lanes.add(["other1", "other2"])
    assert len(await lanes.take()) == 1
    await lanes.end([running])
    await lanes.flow.unpark(lanes.at, SERVICE, "ann")
    [next_up] = await link.execute("SMEMBERS", lanes.at.slots(SERVICE, "ann"))

    await lanes.store.cancel_task(next_up.decode(), Cause())

    [last] = await lanes.take()
    assert last.name.startswith("ann")


async def test_a_rate_of_a_key_is_exact(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    await lanes.add(TEN, {"key": "ann", "rate": {"count": 2, "per_ms": 60_000, "burst": 1}})
    times = []
    for _ in range(3000):
        times += [lanes.now for _ in await lanes.take()]
        if len(times) == 10:
            break
        await lanes.passed(100)

    assert [time - times[0] for time in times] == [30_000 * n for n in range(10)]


@pytest.mark.parametrize("limits", [Limits(concurrency=3), Limits(concurrency=1)])
async def test_a_rate_of_a_key_counts_when_a_task_is_handed_out(link: RedisLink, limits: Limits) -> None:
    """Those whose turn had come while their service was paused, or full, were handed out together afterwards."""
    lanes = await Lanes(link).open(limits)
    await lanes.add(TEN, {"key": "ann", "max": 5, "rate": {"count": 1, "per_ms": 1_000, "burst": 1}})
    [first] = await lanes.take()
    await lanes.flow.pause(SERVICE, Pause())
    for _ in range(4):
        await lanes.passed(1_000)
        assert await lanes.take() == []
    await lanes.end([first])
    await lanes.flow.resume(SERVICE)

    times: list[int] = []
    while len(times) < 9:
        entries = await lanes.take()
        times += [lanes.now for _ in entries]
        await lanes.end(entries)
        await lanes.passed(100)
    assert [time - times[0] for time in times] == [1_000 * n for n in range(9)]


async def test_a_rate_of_a_key_goes_on_though_one_in_between_was_cancelled(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    rules = {"key": "ann", "rate": {"count": 1, "per_ms": 1_000}}
    scenarios = [await lanes.add([f"t{n}"], rules) for n in range(4)]
    taken = await lanes.take()
    running = taken[0].scenario_id
    doomed = next(one.scenario_id for one in scenarios if one.scenario_id != running)
    await lanes.store.cancel(doomed, Cause())
    for _ in range(3):
        await lanes.passed(1_000)
        taken += await lanes.take()

    assert len(taken) == 3


async def test_partitions_share_the_limits_of_a_service(link: RedisLink) -> None:
    store = Store(link, Partitions(4))
    flow = Flow(store)
    limits = Limits(concurrency=6, rate=Rate(100, 1_000, burst=2))

    await flow.limit(SERVICE, limits)

    assert (await flow.state(SERVICE)).limits == limits
    parts = [await link.execute("HGET", at.flow, SERVICE) for at in store.partitions]
    assert [b'"concurrency":2' in part for part in parts] == [True, True, False, False]
    assert all(b'"rate":{"count":100,"per_ms":4000,"burst":1}' in part for part in parts)
    with pytest.raises(TooSmallToShare):
        await flow.limit(SERVICE, Limits(concurrency=3))


async def test_a_task_that_waits_for_its_children_has_no_slot(link: RedisLink) -> None:
    """They may be of the same service."""
    lanes = await Lanes(link).open(Limits(concurrency=1))
    scenario = await lanes.add(["parent"])
    [entry] = await lanes.take()
    parent = await lanes.store.task(entry.task_id)
    assert parent
    ids = [short_uuid(scenario.scenario_id, name) for name in ("one", "two")]
    children = [NewTask(task_id, SERVICE, "Child", 0, [entry.task_id], {}) for task_id in ids]

    assert await spawn(lanes.store, lanes.at, parent, children, token=entry.token) == "OK"

    seen = []
    for _ in range(2):
        [child] = await lanes.take()
        seen.append(child.task_id)
        await lanes.worker.succeed(child)
        await lanes.advancer.step()
    assert sorted(seen) == sorted(ids)


async def test_the_time_in_a_lane_counts_as_time_in_the_queue(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1))
    scenario = graph(
        {"first": [], "second": []},
        rules={name: {"timeouts": {"queue_ms": 5_000}} for name in ("first", "second")},
    )
    await lanes.submit(scenario)
    [entry] = await lanes.take()
    [waiting] = [task_id for task_id in scenario.task_ids if task_id != entry.task_id]

    await lanes.passed(4_999)
    assert (await overdue(lanes.store, lanes.at, waiting)).word == "NOT_DUE"
    await lanes.passed(1)
    found = await overdue(lanes.store, lanes.at, waiting)

    assert (found.word, found.token) == ("QUEUE", "")
