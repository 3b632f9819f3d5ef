"""Who goes first in a managed service: priorities without starvation, and tenants in turn."""

from collections import Counter

from orchestrator.store.flow_records import Limits
from tests.support.lanes import SERVICE, Lanes, names
from workers_sdk.protocol.link import RedisLink

MINUTE_MS = 60_000


async def one_by_one(lanes: Lanes, count: int) -> list[str]:
    """Names of the next tasks, each ended before the next is taken."""
    order = []
    for _ in range(count):
        [entry] = await lanes.take()
        order.append(entry.name)
        await lanes.end([entry])
    return order


async def test_five_priorities_go_in_their_order(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1))
    for priority in (3, 1, 4, 2, 0):
        await lanes.add([f"p{priority}"], {"priority": priority})
        await lanes.passed(1)

    assert await one_by_one(lanes, 5) == ["p0", "p1", "p2", "p3", "p4"]


async def test_rules_of_flow_make_a_service_managed_and_none_are_in_the_middle(link: RedisLink) -> None:
    lanes = await Lanes(link).open()
    await lanes.add([f"low{n}" for n in range(30)], {"priority": 3})
    await lanes.due()
    await lanes.add(["plain"])
    await lanes.add(["high"], {"priority": 1})
    await lanes.worker.take()

    assert names(await lanes.take())[:2] == ["high", "plain"]
    assert (await lanes.flow.state(SERVICE)).limits == Limits()


async def test_the_lowest_priority_waits_a_few_minutes_longer_and_not_for_ever(link: RedisLink) -> None:
    """More urgent work comes faster than it can be done, for ever."""
    lanes = await Lanes(link).open(Limits(concurrency=1))
    await lanes.add(["low"], {"priority": 4})
    began = lanes.now
    order: list[str] = []
    while "low" not in order:
        await lanes.add(["urgent1", "urgent2"], {"priority": 0})
        order += await one_by_one(lanes, 1)
        await lanes.passed(10_000)
        assert len(order) < 100

    # It is before whatever came 4 minutes after it; of what came until then 24 were done, and 24 were before it.
    assert 8 * MINUTE_MS - 20_000 <= lanes.now - began <= 8 * MINUTE_MS + 20_000


async def test_a_tenant_with_ten_tasks_does_not_wait_for_ten_thousand_of_another(link: RedisLink) -> None:
    lanes = await Lanes(link, chunk=500).open(Limits(concurrency=4))
    await lanes.add([f"big{n}" for n in range(10_000)], {"tenant": "big"})
    running = await lanes.take()
    await lanes.add([f"small{n}" for n in range(10)], {"tenant": "small"})

    order: list[str] = []
    while sum(name.startswith("small") for name in order) < 10:
        await lanes.end(running)
        running = await lanes.take()
        order += names(running)

    # In turn: ten of each.
    assert len(order) <= 22
    assert (await lanes.flow.state(SERVICE)).waiting["big"] > 9_900


async def test_weights_share_a_service_between_tenants(link: RedisLink) -> None:
    lanes = await Lanes(link).open(Limits(concurrency=1, weights={"gold": 3}))
    await lanes.add([f"gold{n}" for n in range(40)], {"tenant": "gold"})
    await lanes.add([f"tin{n}" for n in range(40)], {"tenant": "tin"})

    shares = Counter(name[:3] for name in await one_by_one(lanes, 40))

    assert shares == {"gol": 30, "tin": 10}


async def test_a_tenant_that_always_has_one_task_does_not_starve_another(link: RedisLink) -> None:
    """Its lane is empty whenever it was served; coming back must not put it first again."""
    lanes = await Lanes(link).open(Limits(concurrency=1))
    await lanes.add([f"many{n}" for n in range(20)], {"tenant": "many"})
    order = ["single"]
    for _ in range(20):
        if order[-1] == "single":
            await lanes.add(["single"], {"tenant": "aa"})
        order += await one_by_one(lanes, 1)

    assert Counter(order[1:])["single"] == 10
