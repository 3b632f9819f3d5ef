"""The pause of a scenario reaches the scenarios within it, and its resume what the pause brought with it."""

from pathlib import Path

import pytest
import pytest_asyncio

from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Pause
from orchestrator.store.why import Why
from tests.support.plain_worker import PlainWorker
from tests.support.within import WHY, House, outer, templates, tree
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status

OWN = Pause("mine", "ben", "")


@pytest_asyncio.fixture
async def house(link: RedisLink, tmp_path: Path) -> House:
    return await House(link, outer(), templates=templates(tmp_path)).enter()


async def test_a_pause_reaches_all_that_is_within_and_so_does_the_resume(house: House) -> None:
    top, middle, deep = await tree(house)
    (running,) = await house.worker.take(1)
    await house.pause(top)

    assert await house.paused(top, middle, deep) == ["own", top, top]
    assert await house.worker.take() == []
    await house.ends(running)
    await house.due()
    assert await house.worker.take() == []
    facts = (await house.record(deep)).paused
    assert (facts["reason"], facts["by"]) == ("repair", "ann")

    assert await house.resume(top) == "DONE"
    assert await house.paused(top, middle, deep) == [None, None, None]
    assert await house.works() is Status.SUCCESS
    assert await house.link.execute("HEXISTS", house.at.scenario(top), "within") == 0


async def test_why_says_whose_pause_it_is(house: House) -> None:
    top, _, deep = await tree(house)
    await house.pause(top)

    why = await Why(house.store).task((await house.record(deep)).task_ids[0])
    assert why
    (reason,) = why.reasons
    assert (reason.code, reason.facts["scenario_id"]) == ("scenario_paused", top)
    assert f"the scenario {top}, which its scenario is a part of, is paused by ann" in reason.message
    whole = await Why(house.store).scenario(deep)
    assert whole and whole.reasons == [reason]


async def test_what_was_paused_by_itself_stays_so(house: House) -> None:
    top, middle, deep = await tree(house)
    await house.pause(middle, OWN)
    await house.pause(top)
    assert await house.paused(top, middle, deep) == ["own", "own", middle]

    await house.resume(top)

    assert await house.paused(top, middle, deep) == [None, "own", middle]
    assert await house.worker.take() == []
    await house.resume(middle)
    assert await house.works() is Status.SUCCESS


async def test_who_pauses_what_is_paused_from_above_has_a_pause_of_his_own(house: House) -> None:
    top, middle, deep = await tree(house)
    await house.pause(top)
    await house.pause(middle, OWN)
    await house.resume(top)

    assert await house.paused(top, middle, deep) == [None, "own", top]
    assert await house.worker.take() == []
    await house.resume(middle)
    assert await house.paused(middle, deep) == [None, None]
    assert await house.works() is Status.SUCCESS


@pytest.mark.parametrize("own", [True, False])
async def test_what_is_within_a_paused_one_is_not_resumed_before_that(house: House, own: bool) -> None:
    """Pauses add up."""
    top, middle, deep = await tree(house)
    if own:
        await house.pause(middle, OWN)
    await house.pause(top)

    assert await house.resume(middle) == "ABOVE"
    assert await house.paused(top, middle) == ["own", top]
    assert await house.worker.take() == []
    await house.resume(top)
    assert await house.paused(top, middle, deep) == [None, None, None]
    assert await house.works() is Status.SUCCESS


async def test_a_scenario_that_is_started_while_the_one_above_becomes_paused_waits(
    link: RedisLink, tmp_path: Path
) -> None:
    """Its task is held already; it is submitted a moment after the pause."""
    house = House(link, outer(), templates=templates(tmp_path))
    house.flow = Flow(house.store)
    await house.submitted()
    await house.materializer.step()
    top = house.scenario.scenario_id
    house.between("submit", 1, lambda: house.pause(top))

    await house.settle()
    (middle,) = await house.below(top)
    await house.due()

    assert await house.paused(top, middle) == ["own", top]
    assert await house.worker.take() == []
    assert await house.below(middle) == []
    await house.resume(top)
    assert await house.works() is Status.SUCCESS


async def test_pause_and_resume_of_many_are_carried_on_where_the_caller_died(
    link: RedisLink, tmp_path: Path
) -> None:
    house = await House(link, outer(5), templates=templates(tmp_path), chunk=2).enter()
    top = house.scenario.scenario_id
    below = await house.below(top)

    assert await house.flow.pause_scenario(top, WHY) == "MORE"
    assert (await house.paused(*below)).count(top) == 2
    await house.passes(1_000)
    await house.due()
    deep = [one for each in below for one in await house.below(each)]
    assert len(deep) == 5
    assert await house.paused(*below, *deep) == [top] * 10
    assert await house.worker.take() == []

    assert await house.flow.resume_scenario(top, begin=True) == "MORE"
    assert (await house.paused(*below)).count(top) == 3
    # In the middle of that it is paused again: nothing is missed, nor left behind.
    await house.flow.pause_scenario(top, WHY)
    await house.passes(1_000)
    await house.due()
    assert await house.paused(*below, *deep) == [top] * 10
    await house.flow.resume_scenario(top, begin=True)
    await house.passes(1_000)
    await house.due()
    assert await house.paused(top, *below, *deep) == [None] * 11
    assert await house.works() is Status.SUCCESS


async def test_a_paused_tree_is_cancelled_and_nothing_of_it_remains(house: House) -> None:
    top, middle, deep = await tree(house)
    await house.pause(top)
    await house.cancels()
    for _ in range(3):
        await house.passes(1_000)
        await house.due()

    assert [(await house.record(one)).status for one in (top, middle, deep)] == [Status.CANCELLED] * 3
    assert await house.worker.take() == []
    kinds = {one.split(b":")[0] for one in await house.link.execute("ZRANGE", house.at.timers, 0, -1)}
    assert kinds == {b"purge"}


async def test_what_ended_while_it_was_paused_is_not_paused_when_it_lives_again(
    house: House, link: RedisLink
) -> None:
    top, _, deep = await tree(house)
    worker = PlainWorker(link)
    entries = [entry for entry in await worker.take() if entry.scenario_id == deep]
    await house.pause(top)
    await house.ends(entries[0], EventKind.FAILED)
    assert (await house.record(deep)).status is Status.FAILED

    await house.resume(top)

    assert await house.paused(deep) == [None]
