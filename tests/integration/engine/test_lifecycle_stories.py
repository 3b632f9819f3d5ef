"""Retried, paused, cancelled: scenarios within scenarios at once, and whoever asks for it dies in between."""

from pathlib import Path

import pytest
import pytest_asyncio

from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.edits import Edits
from orchestrator.store.rerun import Rerun
from orchestrator.store.revival import CARRY_ON_MS, Revival
from tests.support.estate import TOP, Death, Estate, dies, ending, ours, watched
from tests.support.graphs import graph
from tests.support.within import templates
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry

SUCCESS, FAILED, CANCELLED, PROCESSING = Status.SUCCESS, Status.FAILED, Status.CANCELLED, Status.PROCESSING


# --- brought back below what is paused --------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def estate(link: RedisLink, tmp_path: Path) -> Estate:
    """sub (a scenario with some work and a scenario of its own), other -> tell (at the end)."""
    made = ending({"sub": {"scenario": {"name": "Inner"}}, "other": {}})
    estate = watched(link, made, tmp_path)
    await estate.enter()
    return estate


async def broken(estate: Estate, level: int) -> tuple[list[str], TaskEntry]:
    """Ids of the scenarios, the outermost first, of which that of the level has failed, and those above, but for the
    outermost one: `other` of it is at work."""
    ids = [TOP, *await estate.below(TOP)]
    ids += await estate.below(ids[1])
    entries = await estate.worker.take()
    (other,) = [one for one in entries if one.scenario_id == TOP]
    waiting = [one for one in entries if one.scenario_id != TOP]
    while waiting:
        for entry in waiting:
            kind = EventKind.FAILED if entry.scenario_id == ids[level] else EventKind.SUCCESS
            await estate.ends(entry, kind, **({} if kind is EventKind.FAILED else {"result": "1"}))
        waiting = await estate.worker.take()
    assert await estate.statuses(*ids[: level + 1]) == [PROCESSING, *[FAILED] * level]
    assert (await estate.task("sub")).status is FAILED
    return ids, other


def calls(level: int) -> int:
    """How often `revive` is called for that."""
    return 2 * level + 1


def left_of(ids: list[str], level: int) -> list[str]:
    """What is yet to be done of a tree that was broken at a level."""
    return [f"{ids[level]} Work", f"{ids[level]} More"]


@pytest.mark.parametrize("level", [1, 2])
async def test_what_is_retried_below_a_paused_scenario_waits_for_its_resume(
    estate: Estate, level: int
) -> None:
    """It was over when the pause came, so that did not reach it: it ran."""
    ids, other = await broken(estate, level)
    await estate.pause(TOP)

    assert (await Revival(estate.store).retry(ids[level])).word == "OK"
    await estate.tend()
    assert await estate.worker.take() == []
    assert await estate.paused(*ids[: level + 1]) == ["own", *[TOP] * level]
    await estate.sound()

    await estate.resume(TOP)
    assert await estate.paused(*ids) == [None] * 3
    await estate.ends(other)
    assert await estate.work() == [*left_of(ids, level), f"{TOP} tell"]
    assert (estate.begun, await estate.statuses(*ids)) == ("", [SUCCESS] * 3)
    await estate.sound()


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("call", [1, 2, 3, 4, 5])
async def test_a_pause_that_comes_while_it_is_retried_reaches_it(
    estate: Estate, level: int, call: int
) -> None:
    ids, other = await broken(estate, level)
    estate.between("revive", min(call, calls(level)), lambda: estate.pause(TOP))

    assert (await Revival(estate.store).retry(ids[level])).word == "OK"
    await estate.tend()
    assert await estate.worker.take() == []
    assert await estate.paused(*ids[: level + 1]) == ["own", *[TOP] * level]
    await estate.sound()

    await estate.resume(TOP)
    await estate.ends(other)
    assert await estate.work() == [*left_of(ids, level), f"{TOP} tell"]
    assert await estate.statuses(*ids) == [SUCCESS] * 3


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("call", [1, 2, 3, 4, 5])
async def test_a_resume_that_comes_while_it_is_retried_lets_it_go_on(
    estate: Estate, level: int, call: int
) -> None:
    ids, other = await broken(estate, level)
    await estate.pause(TOP)
    estate.between("revive", min(call, calls(level)), lambda: estate.resume(TOP))

    assert (await Revival(estate.store).retry(ids[level])).word == "OK"
    await estate.tend()
    assert await estate.paused(*ids) == [None] * 3
    await estate.ends(other)
    assert await estate.work() == [*left_of(ids, level), f"{TOP} tell"]
    assert await estate.statuses(*ids) == [SUCCESS] * 3
    await estate.sound()


async def test_what_was_retried_below_a_paused_scenario_may_be_paused_by_itself_too(estate: Estate) -> None:
    ids, other = await broken(estate, 1)
    await estate.pause(TOP)
    await Revival(estate.store).retry(ids[1])

    await estate.pause(ids[1])
    await estate.resume(TOP)
    assert await estate.paused(*ids[:2]) == [None, "own"]
    assert await estate.worker.take() == []
    await estate.resume(ids[1])
    await estate.ends(other)
    assert await estate.work() == [*left_of(ids, 1), f"{TOP} tell"]


async def test_a_rerun_of_what_is_within_a_paused_scenario_stands_alone(estate: Estate) -> None:
    ids, _ = await broken(estate, 1)
    await estate.pause(TOP)
    await Revival(estate.store).retry(ids[1])  # waits

    new = await Rerun(estate.store).of(await estate.record(ids[1]), "Work", TOP[:2] + "0" * 14, Edits())
    await estate.store.submit(new)
    await estate.settle()

    assert await estate.paused(ids[1], new.scenario_id) == [TOP, None]
    assert {one.split()[0] for one in await estate.work()} == {
        new.scenario_id,
        *await estate.below(new.scenario_id),
    }
    assert await estate.statuses(new.scenario_id) == [SUCCESS]


# --- whoever brings it back dies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("call", [2, 3, 4, 5])
@pytest.mark.parametrize("way", ["retry", "redrive"])
async def test_what_is_above_lives_again_though_the_caller_died(
    estate: Estate, level: int, call: int, way: str
) -> None:
    """It stayed failed, and what was brought back below it ran for nothing."""
    ids, other = await broken(estate, level)
    (letter,) = (await DeadLetters(estate.store).letters(None, cursor=None, limit=10)).items
    estate.between("revive", min(call, calls(level)), dies)

    with pytest.raises(Death):
        if way == "retry":
            await Revival(estate.store).retry(ids[level])
        else:
            await DeadLetters(estate.store).redrive_one(letter.id)
    assert await estate.statuses(*ids[: level + 1]) != [PROCESSING, *[FAILED] * level]
    assert await estate.work() == left_of(ids, level)
    await estate.passes(CARRY_ON_MS)

    assert (await estate.task("sub")).status is SUCCESS
    await estate.ends(other)
    assert await estate.work() == [f"{TOP} tell"]
    assert (estate.begun, await estate.statuses(*ids)) == ("", [SUCCESS] * 3)
    await estate.sound()


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_two_retries_at_once_bring_it_back_once(estate: Estate, call: int) -> None:
    ids, other = await broken(estate, 1)
    second: list[str] = []

    async def retry() -> None:
        second.append((await Revival(estate.store).retry(ids[1])).word)

    estate.between("revive", call, retry)
    assert (await Revival(estate.store).retry(ids[1])).word == "OK"

    assert second == ["OK"]
    assert await estate.below(TOP) == ids[1:2]
    await estate.ends(other)
    assert await estate.work() == [*left_of(ids, 1), f"{TOP} tell"]
    assert await estate.statuses(*ids) == [SUCCESS] * 3
    await estate.sound()


async def test_the_outer_one_is_retried_while_what_is_within_is_brought_back(estate: Estate) -> None:
    ids, other = await broken(estate, 1)

    async def retry() -> None:
        assert (await Revival(estate.store).retry(TOP)).ids == [estate.ids["sub"]]
        await estate.settle()

    estate.between("revive", 2, retry)
    await Revival(estate.store).retry(ids[1])

    assert await estate.below(TOP) == ids[1:2]
    await estate.ends(other)
    assert await estate.work() == [*left_of(ids, 1), f"{TOP} tell"]


async def test_a_late_look_at_the_task_above_does_not_end_what_was_brought_back(estate: Estate) -> None:
    """It was taken for a scenario that was started for a task that had ended, and cancelled."""
    ids, other = await broken(estate, 1)

    async def look() -> None:
        await estate.link.execute(
            "XADD", estate.at.task_events, "*", "task_id", estate.ids["sub"], "status", "look"
        )
        await estate.settle()

    estate.between("revive", 2, look)
    await Revival(estate.store).retry(ids[1])

    await estate.ends(other)
    assert await estate.work() == [*left_of(ids, 1), f"{TOP} tell"]
    assert await estate.statuses(*ids) == [SUCCESS] * 3


# --- cancelled while it is brought back -------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [2, 3])
@pytest.mark.parametrize("dead", [True, False])
async def test_what_is_brought_back_below_is_cancelled_with_the_outer_one(
    estate: Estate, call: int, dead: bool
) -> None:
    """The task that failed because of it did not live yet, so the cancellation did not reach what was below it."""
    ids, _ = await broken(estate, 1)

    async def cancel() -> None:
        await estate.cancels()
        if dead:
            raise Death

    estate.between("revive", call, cancel)
    if dead:
        with pytest.raises(Death):
            await Revival(estate.store).retry(ids[1])
    else:
        await Revival(estate.store).retry(ids[1])
    assert await estate.work() == [f"{TOP} tell"]
    await estate.passes(CARRY_ON_MS)

    assert await estate.work() == []
    assert (estate.begun, await estate.statuses(*ids)) == ("", [CANCELLED, CANCELLED, SUCCESS])
    await estate.sound()


async def test_an_outer_one_that_was_cancelled_in_between_is_not_brought_back(
    link: RedisLink, tmp_path: Path
) -> None:
    """A task of it had failed, and lived again in a cancelled scenario."""
    made = graph(
        {"sub": [], "other": []},
        scenario_id=TOP,
        rules={"sub": {"ask": True}},
        on_ready={"sub": {"scenario": {"name": "Inner"}}},
    )
    estate = await Estate(link, ours(made, "sub"), templates=templates(tmp_path)).enter()
    assert isinstance(estate, Estate)
    ids, _ = await broken(estate, 1)
    await estate.cancels()
    assert await estate.statuses(*ids[:2]) == [CANCELLED, FAILED]

    assert (await Revival(estate.store).retry(ids[1])).word == "OK"
    assert await estate.work() == left_of(ids, 1)

    assert await estate.statuses(*ids[:2]) == [CANCELLED, SUCCESS]
    assert (await estate.task("sub")).status is FAILED
    await estate.sound()
