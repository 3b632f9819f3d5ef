"""What runs at the end of a scenario waits for all that is left over: children of tasks that ended before them, scenarios within."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.fsck import Fsck
from orchestrator.store.outcomes import Outcome
from orchestrator.store.records import Cause
from orchestrator.store.revival import Revival
from orchestrator.store.why import Why
from tests.support.estate import END, TOP, Death, dies, ending, watched
from tests.support.graphs import graph
from tests.support.within import House
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status, dumps

SUCCESS, FAILED, CANCELLED, PROCESSING = Status.SUCCESS, Status.FAILED, Status.CANCELLED, Status.PROCESSING
SEVERAL: dict[str, Any] = {"foreach": {"items": [1, 2, 3, 4, 5]}}
CHILDREN = [{"key": key, "service": "test-service", "name": key, "needs": [], "fields": {}} for key in "xyz"]
DEEP: dict[str, Any] = {"scenario": {"name": "Deep"}}
"""Of tests.support.within: two tasks, one after the other."""


async def test_children_of_a_cancelled_task_end_before_what_runs_at_the_end(
    link: RedisLink, tmp_path: Path
) -> None:
    """It began while they were still being cancelled, a chunk at a time."""
    estate = watched(link, ending({"each": SEVERAL}), tmp_path, chunk=2)
    await estate.enter()
    await estate.worker.take(2)

    assert await estate.store.cancel_task(estate.ids["each"], Cause()) is Outcome.APPLIED
    assert (await estate.task("each")).status is CANCELLED
    await estate.sound()
    assert await estate.work() == [f"{TOP} tell"]

    assert (estate.begun, await estate.status()) == ("", CANCELLED)


async def test_a_replica_that_dies_while_it_cancels_children_lets_nothing_begin(
    link: RedisLink, tmp_path: Path
) -> None:
    estate = watched(link, ending({"each": SEVERAL}), tmp_path, chunk=2)
    await estate.enter()
    await estate.store.cancel_task(estate.ids["each"], Cause())
    estate.between("advance", 2, dies)
    with pytest.raises(Death):
        await estate.settle()
    assert len(await estate.alive(TOP)) == 3

    assert await estate.work() == [f"{TOP} tell"]

    assert (estate.begun, await estate.status()) == ("", CANCELLED)


async def test_children_of_children_end_before_what_runs_at_the_end(link: RedisLink, tmp_path: Path) -> None:
    estate = watched(link, ending({"each": SEVERAL}), tmp_path, chunk=2)
    await estate.enter()
    for entry in await estate.worker.take(3):
        await estate.ends(entry, spawn=dumps(CHILDREN).decode())
    assert len(await estate.alive(TOP)) == 1 + 5 + 9

    await estate.store.cancel_task(estate.ids["each"], Cause())
    assert await estate.work() == [f"{TOP} tell"]

    assert (estate.begun, await estate.status()) == ("", CANCELLED)


async def test_children_that_were_only_begun_to_be_made_end_before_what_runs_at_the_end(
    link: RedisLink, tmp_path: Path
) -> None:
    """Those that were not made are not waited for."""
    estate = watched(link, ending({"each": SEVERAL}), tmp_path, chunk=2)

    async def cancel() -> None:
        await estate.store.cancel_task(estate.ids["each"], Cause())

    estate.between("spawn", 2, cancel)
    await estate.enter()
    assert await estate.work() == [f"{TOP} tell"]

    assert (estate.begun, await estate.status()) == ("", CANCELLED)
    assert len((await estate.record(TOP)).task_ids) == 4


async def test_children_of_a_task_whose_time_is_over_end_before_what_runs_at_the_end(
    link: RedisLink, tmp_path: Path
) -> None:
    made = graph(
        {"first": [], "tell": ["first"]},
        scenario_id=TOP,
        rules={"first": {"timeouts": {"total_ms": 60_000}}, "tell": END},
    )
    estate = watched(link, made, tmp_path)
    await estate.enter()
    await estate.ends((await estate.takes())["first"], spawn=dumps(CHILDREN).decode())
    await estate.worker.take(2)

    await House.passes(estate, 61_000)
    assert await estate.work() == [f"{TOP} tell"]

    assert (estate.begun, await estate.status()) == ("", FAILED)


# Scenarios within


@pytest.mark.parametrize("way", ["task", "time", "whole"])
async def test_a_scenario_within_ends_before_what_runs_at_the_end(
    link: RedisLink, tmp_path: Path, way: str
) -> None:
    """It was cancelled with its task, and what runs at the end of the outer one began at once."""
    rules = {"timeouts": {"total_ms": 60_000}} if way == "time" else {}
    estate = watched(link, ending({"sub": DEEP}, **rules), tmp_path)
    await estate.enter()
    (below,) = await estate.below(TOP)
    await estate.worker.take()

    if way == "task":
        await estate.store.cancel_task(estate.ids["sub"], Cause())
    elif way == "whole":
        await estate.cancels()
    else:
        await House.passes(estate, 61_000)
    await estate.settle()
    gone = (FAILED if way == "time" else CANCELLED).value
    assert [one.name for one in await estate.worker.take()] == []
    waits = await Why(estate.store).task(estate.ids["tell"])
    assert waits and waits.reasons[0].message.endswith(f"sub ({gone}, what is below it has not ended)")
    assert (await estate.record(below)).status is PROCESSING
    await estate.sound()
    assert await estate.work() == [f"{TOP} tell"]

    assert estate.begun == ""
    assert await estate.statuses(TOP, below) == [FAILED if way == "time" else CANCELLED, CANCELLED]
    await estate.sound()


@pytest.mark.parametrize("whole", [True, False])
async def test_what_runs_at_the_end_of_a_scenario_within_ends_before_that_of_the_outer_one(
    link: RedisLink, tmp_path: Path, whole: bool
) -> None:
    (tmp_path / "Tidy.yml").write_text(
        "tasks:\n  - {name: Work, service: test-service}\n  - {name: Sweep, service: test-service, finally: true}\n"
    )
    estate = watched(link, ending({"sub": {"scenario": {"name": "Tidy"}}}), tmp_path)
    await estate.enter()
    (below,) = await estate.below(TOP)
    await estate.worker.take()

    await (estate.cancels() if whole else estate.store.cancel_task(estate.ids["sub"], Cause()))
    assert await estate.work() == [f"{below} Sweep", f"{TOP} tell"]

    assert (estate.begun, await estate.statuses(TOP, below)) == ("", [CANCELLED, CANCELLED])


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("begun", [True, False])
async def test_scenarios_within_of_a_list_end_before_what_runs_at_the_end(
    link: RedisLink, tmp_path: Path, whole: bool, begun: bool
) -> None:
    each = {"foreach": {"items": [1, 2, 3]}, **DEEP}
    estate = watched(link, ending({"each": each, "other": {}}), tmp_path, chunk=2)
    await estate.enter()
    below = await estate.below(TOP)
    await estate.worker.take()

    if whole and begun:  # one of them was cancelled before
        tasks = await estate.store.tasks((await estate.record(TOP)).task_ids)
        first = next(one for one in tasks if one and one.child_scenario_id)
        await estate.store.cancel_task(first.id, Cause())
    elif begun:  # and here some of them go by the cancellation of all
        await estate.store.cancel_task(estate.ids["each"], Cause())
        await estate.settle()
    if whole or begun:
        await estate.cancels()
    else:
        await estate.store.cancel_task(estate.ids["each"], Cause())
        await estate.store.cancel_task(estate.ids["other"], Cause())
    assert await estate.work() == [f"{TOP} tell"]

    assert estate.begun == ""
    assert await estate.statuses(TOP, *below) == [CANCELLED] * 4
    assert await link.execute("HGET", estate.at.scenario(TOP), "late") in (None, b"0")
    await estate.sound()


async def test_a_task_that_is_brought_back_while_its_scenario_ends_is_waited_for_again(
    link: RedisLink, tmp_path: Path
) -> None:
    """The end of what was within before then means nothing any more."""
    estate = watched(link, ending({"sub": DEEP}), tmp_path)
    await estate.enter()
    (old,) = await estate.below(TOP)
    await estate.store.cancel_task(estate.ids["sub"], Cause())
    assert (await Revival(estate.store).retry(TOP)).ids == [estate.ids["sub"]]
    await estate.settle()
    (new,) = await estate.below(TOP)
    await estate.tend()

    assert await estate.statuses(old, new) == [CANCELLED, PROCESSING]
    assert (await estate.task("tell")).queue == 1
    assert await estate.work() == [f"{new} Work", f"{new} More", f"{TOP} tell"]
    assert (estate.begun, await estate.status()) == ("", SUCCESS)
    await estate.sound()


async def test_a_cancelled_scenario_can_be_retried_before_what_is_within_has_ended(
    link: RedisLink, tmp_path: Path
) -> None:
    estate = watched(link, ending({"sub": DEEP, "other": {}}), tmp_path)
    await estate.enter()
    (old,) = await estate.below(TOP)
    await estate.worker.take()
    await estate.cancels()
    assert (await Revival(estate.store).retry(TOP)).word == "CANCELLING"  # `tell` waits
    await estate.tend()
    assert await estate.work() == [f"{TOP} tell"]

    assert len((await Revival(estate.store).retry(TOP)).ids) == 2
    await estate.settle()
    (new,) = await estate.below(TOP)
    assert sorted(await estate.work()) == sorted([f"{TOP} other", f"{new} Work", f"{new} More"])
    assert await estate.statuses(TOP, old, new) == [SUCCESS, CANCELLED, SUCCESS]
    await estate.sound()


async def test_a_check_finds_what_would_wait_for_ever_for_what_is_within(
    link: RedisLink, tmp_path: Path
) -> None:
    estate = watched(link, ending({"sub": DEEP}), tmp_path)
    await estate.enter()
    await estate.store.cancel_task(estate.ids["sub"], Cause())
    await estate.settle()
    (below,) = await estate.below(TOP)
    while await estate.store.cancel(below) == "MORE":
        continue
    await link.execute("XTRIM", estate.at.task_events, "MAXLEN", 0)  # the look that its end brought

    report = await Fsck(estate.store, settle_s=0.01).run(repair=True)

    assert report.drift == {"release_lost": 1} == report.repaired
    assert await estate.work() == [f"{TOP} tell"]


@pytest.mark.parametrize("whole", [True, False])
async def test_a_scenario_whose_task_ends_while_it_is_started_does_not_begin(
    link: RedisLink, tmp_path: Path, whole: bool
) -> None:
    """It was submitted and cancelled at once, while what runs at the end had begun."""
    estate = watched(link, ending({"sub": DEEP}), tmp_path)

    async def cancel() -> None:
        await (estate.cancels() if whole else estate.store.cancel_task(estate.ids["sub"], Cause()))

    estate.between("submit", 2, cancel)
    await estate.enter()

    assert await estate.work() == [f"{TOP} tell"]
    assert (estate.begun, await estate.status()) == ("", CANCELLED)
    assert await estate.child("sub") is None
    await estate.sound()
