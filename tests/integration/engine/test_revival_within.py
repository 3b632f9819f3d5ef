"""Retry and redrive of what no worker does: gates, and scenarios within scenarios."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from orchestrator.engine.gates import Gates
from orchestrator.store.dead_letters import DeadLetters, Handled
from orchestrator.store.gate_records import Gate, Vote
from orchestrator.store.gates import GateStore
from orchestrator.store.records import Cause
from orchestrator.store.revival import Revival
from tests.support.bench import Bench
from tests.support.graphs import graph
from tests.support.within import House, outer, templates, tree
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry

HOUR_MS = 3_600_000
FAILED, SUCCESS, CANCELLED = Status.FAILED, Status.SUCCESS, Status.CANCELLED


# --- gates ------------------------------------------------------------------------------------------------------------


class Desk(Bench):
    """write -> ask (a gate) -> publish."""

    def __init__(self, link: RedisLink) -> None:
        asks = {"ask": {"gate": {"deadline_ms": HOUR_MS, "quorum": 2}}}
        made = graph(
            {"write": [], "ask": ["write"], "publish": ["ask"]}, rules={"ask": {"ask": True}}, on_ready=asks
        )
        tasks = [replace(task, service="orchestrator") if task.name == "ask" else task for task in made.tasks]
        super().__init__(link, replace(made, tasks=tasks))
        self.gates = GateStore(self.store)

    async def vote(self, by: str, decision: str) -> None:
        await self.gates.vote(self.ids["ask"], Vote(by, decision))  # type: ignore[arg-type]
        await self.settle()

    async def gate(self) -> Gate:
        found = await self.gates.gate(self.ids["ask"])
        assert found
        return found


@pytest.mark.parametrize("way", ["rejected", "expired"])
@pytest.mark.parametrize("one", [True, False])
async def test_a_gate_that_failed_is_opened_anew(link: RedisLink, way: str, one: bool) -> None:
    desk = Desk(link)
    await desk.open()
    await desk.ends((await desk.takes())["write"], result="1")
    await desk.vote("ann", "approve")
    if way == "rejected":
        await desk.vote("ben", "reject")
    else:
        await desk.passes(HOUR_MS)
        await Gates(desk.store).due(desk.at, desk.ids["ask"])
        await desk.settle()
    assert (await desk.task("ask")).error["type"] == {"rejected": "rejected", "expired": "gate_timeout"}[way]
    assert await desk.status() is FAILED

    if one:
        assert await DeadLetters(desk.store).redrive_one(desk.ids["ask"]) == "OK"
    else:
        assert (await Revival(desk.store).retry(desk.scenario.scenario_id)).word == "OK"
    await desk.settle()

    gate = await desk.gate()
    assert (gate.is_open, gate.approvals, gate.version) == (True, 0, 0)
    due = await link.execute("ZSCORE", desk.at.timers, f"gate:{desk.ids['ask']}")
    assert int(due) == desk.now + HOUR_MS
    told = [note["what"] for note in await desk.gates.audit(desk.ids["ask"])]
    assert told.count("opened") == 2  # what happened before is still told
    for person in ("ann", "ben"):
        await desk.vote(person, "approve")
    assert await desk.works() is SUCCESS
    assert (await desk.task("write")).attempt == 1


# --- scenarios within scenarios ---------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def house(link: RedisLink, tmp_path: Path) -> House:
    return await House(link, outer(), templates=templates(tmp_path)).enter()


async def work(house: House, *failing: str) -> Counter[str]:
    """Do all that is to be done: tasks `<scenario id> <name>` that are named fail. Returns how often each was done."""
    done: Counter[str] = Counter()

    def name(entry: TaskEntry) -> str:
        return f"{entry.scenario_id} {entry.name}"

    while entries := await house.worker.take():
        for entry in entries:
            done[name(entry)] += 1
            kind = EventKind.FAILED if name(entry) in failing else EventKind.SUCCESS
            more = {"fingerprint": "0123456789abcdef"} if kind is EventKind.FAILED else {"result": "1"}
            await house.ends(entry, kind, **more)
    return done


async def statuses(house: House, *ids: str) -> list[Status]:
    return [(await house.record(one)).status for one in ids]


async def test_a_retry_starts_a_scenario_within_anew(house: House) -> None:
    top, middle, deep = await tree(house)
    await work(house, f"{middle} More")
    assert await statuses(house, top, middle, deep) == [FAILED, FAILED, SUCCESS]

    assert (await Revival(house.store).retry(top)).word == "OK"
    await house.settle()
    _, new_middle, _ = await tree(house)
    assert new_middle != middle
    done = await work(house)

    assert await statuses(house, top, middle, new_middle) == [SUCCESS, FAILED, SUCCESS]
    assert not [name for name in done if name.startswith((middle, deep))]
    assert (await house.task("sub0")).result["scenario_id"] == new_middle


async def test_one_task_that_is_a_scenario_is_run_again(house: House) -> None:
    top, middle, _ = await tree(house)
    await work(house, f"{middle} Work")

    assert await DeadLetters(house.store).redrive_one(house.ids["sub0"]) == "OK"
    await house.settle()
    assert (await tree(house))[1] != middle
    await work(house)
    assert await statuses(house, top, middle) == [SUCCESS, FAILED]
    assert await DeadLetters(house.store).redrive_one(house.ids["sub0"]) == "NOT_DEAD"


@pytest.mark.parametrize("how", ["redrive", "kind", "retry"])
async def test_what_is_above_goes_on_with_what_is_brought_back_below(house: House, how: str) -> None:
    """Nothing that had succeeded is done again, at any level."""
    top, middle, deep = await tree(house)
    await work(house, f"{deep} More")
    assert await statuses(house, top, middle, deep) == [FAILED] * 3
    letters = DeadLetters(house.store)
    (letter,) = (await letters.letters(None, cursor=None, limit=10)).items

    if how == "redrive":
        assert await letters.redrive_one(letter.id) == "OK"
    elif how == "kind":
        assert await letters.redrive(letter.fingerprint, most=10) == Handled(1, 0)
    else:
        assert len((await Revival(house.store).retry(deep)).ids) == 1
    assert await statuses(house, top, middle, deep) == [Status.PROCESSING] * 3
    await house.settle()
    assert await tree(house) == (top, middle, deep)

    assert await work(house) == {f"{deep} More": 1}
    assert await statuses(house, top, middle, deep) == [SUCCESS] * 3
    assert (await house.task("sub0")).result["scenario_id"] == middle


async def test_what_is_below_may_be_done_before_anybody_looks(house: House) -> None:
    top, middle, deep = await tree(house)
    await work(house, f"{middle} More")
    revival = Revival(house.store)
    (more,) = [
        one.id
        for one in await house.store.tasks((await house.record(middle)).task_ids)
        if one and one.name == "More"
    ]

    async def finish() -> None:
        """Between the two calls of `revive`: that of the scenario within, and that of the outer one."""
        for entry in await house.worker.take():
            await house.ends(entry, result="1")
        assert await statuses(house, middle) == [Status.PROCESSING]  # until the outer one lives again

    house.between("revive", 2, finish)
    assert (await revival.redrive(middle, [more])).word == "OK"
    await house.settle()

    assert await work(house) == {}
    assert await statuses(house, top, middle, deep) == [SUCCESS] * 3


@pytest.mark.parametrize("whole", [True, False])
async def test_what_lives_again_below_is_cancelled_with_the_task_that_has_not_begun(
    house: House, whole: bool
) -> None:
    """The engine has not looked at it yet."""
    top, middle, deep = await tree(house)
    await work(house, f"{middle} More")
    await Revival(house.store).retry(middle)
    assert (await house.task("sub0")).status is Status.PENDING

    if whole:
        await house.cancels()
    else:
        await house.store.cancel_task(house.ids["sub0"], Cause())
    await house.passes(1_000)

    assert await statuses(house, top, middle, deep) == [CANCELLED, CANCELLED, SUCCESS]
    assert await house.worker.take() == []


async def test_a_pause_reaches_what_lives_again_below_a_task_that_has_not_begun(house: House) -> None:
    top, middle, deep = await tree(house)
    await work(house, f"{middle} More")
    await Revival(house.store).retry(middle)

    await house.pause(top)
    assert await house.paused(top, middle) == ["own", top]
    assert await house.worker.take() == []
    assert await house.resume(middle) == "ABOVE"

    await house.resume(top)
    assert await work(house) == {f"{middle} More": 1}
    assert await statuses(house, top, middle, deep) == [SUCCESS] * 3


async def test_a_scenario_within_that_was_replaced_lives_again_alone(house: House) -> None:
    top, middle, _ = await tree(house)
    await work(house, f"{middle} More")
    await Revival(house.store).retry(top)
    await house.settle()
    _, new_middle, _ = await tree(house)

    assert (await Revival(house.store).retry(middle)).word == "OK"
    await work(house)

    assert await statuses(house, top, middle, new_middle) == [SUCCESS] * 3
    assert (await house.task("sub0")).result["scenario_id"] == new_middle


async def test_what_still_runs_within_is_left_alone_by_a_retry(link: RedisLink, tmp_path: Path) -> None:
    house = await House(link, outer(2), templates=templates(tmp_path)).enter()
    top = house.scenario.scenario_id
    bad, good = await house.below(top)
    taken = await house.worker.take()
    for entry in taken:
        if entry.scenario_id == bad:
            await house.ends(entry, EventKind.FAILED)
    assert (await house.task("sub0")).status is Status.PROCESSING  # what is within that is at work

    await cancelled(house, bad)
    assert await statuses(house, top, bad, good) == [Status.PROCESSING, CANCELLED, Status.PROCESSING]
    assert len((await Revival(house.store).retry(top)).ids) == 1
    await house.settle()
    assert (await house.below(top))[1] == good

    for entry in taken:
        if entry.scenario_id != bad:
            await house.ends(entry, result="1")
    await work(house)
    assert await statuses(house, top, good) == [SUCCESS, SUCCESS]


async def test_scenarios_within_of_a_list_come_back_with_what_waits_for_all_of_them(
    link: RedisLink, tmp_path: Path
) -> None:
    each = {"foreach": {"items": [1, 2, 3]}, "scenario": {"name": "Deep"}}
    needs: dict[str, list[str]] = {"each": [], "last": ["each"]}
    made = graph(needs, rules={"each": {"ask": True}}, on_ready={"each": each})
    tasks = [replace(one, service="orchestrator") if one.name == "each" else one for one in made.tasks]
    house = await House(link, replace(made, tasks=tasks), templates=templates(tmp_path)).enter()
    below = await house.below(made.scenario_id)
    await work(house, *(f"{one} More" for one in below[:2]))
    assert await statuses(house, made.scenario_id, *below) == [FAILED, FAILED, FAILED, SUCCESS]

    assert await DeadLetters(house.store).redrive(None, most=10) == Handled(2, 0)
    await house.settle()
    assert await house.below(made.scenario_id) == below

    assert await work(house) == {f"{one} More": 1 for one in below[:2]} | {f"{made.scenario_id} last": 1}
    assert await house.status() is SUCCESS
    assert (await house.task("each")).attempt == 0


# --- cancelled --------------------------------------------------------------------------------------------------------


async def cancelled(house: House, scenario_id: str) -> None:
    while await house.store.cancel(scenario_id, Cause("not wanted", "ann")) == "MORE":
        continue
    for _ in range(3):
        await house.passes(1_000)


async def test_a_scenario_within_that_is_cancelled_by_itself_fails_its_task(
    link: RedisLink, tmp_path: Path
) -> None:
    made = outer()
    house = await House(link, made, templates=templates(tmp_path)).enter()
    top, middle, deep = await tree(house)

    await cancelled(house, middle)

    assert await statuses(house, top, middle, deep) == [FAILED, CANCELLED, CANCELLED]
    task = await house.task("sub0")
    assert (task.status, task.error["type"]) == (FAILED, "scenario_cancelled")
    assert middle in task.error["message"] and "not wanted" in task.error["message"]

    await Revival(house.store).retry(top)
    await house.settle()
    assert (await tree(house))[1] != middle
    await work(house)
    assert await statuses(house, top) == [SUCCESS]


async def test_a_retry_of_a_cancelled_scenario_starts_what_was_within_anew(house: House) -> None:
    top, middle, deep = await tree(house)
    await cancelled(house, top)
    assert await statuses(house, top, middle, deep) == [CANCELLED] * 3

    await Revival(house.store).retry(top)
    await house.settle()
    _, new_middle, new_deep = await tree(house)
    done = await work(house)

    assert {name.split()[0] for name in done} == {new_middle, new_deep}
    assert await statuses(house, top, middle, deep) == [SUCCESS, CANCELLED, CANCELLED]


async def test_what_is_retried_below_a_cancelled_scenario_does_not_bring_that_back(house: House) -> None:
    top, middle, _ = await tree(house)
    await cancelled(house, top)

    assert (await Revival(house.store).retry(middle)).word == "OK"
    await work(house)

    assert await statuses(house, top, middle) == [CANCELLED, SUCCESS]


# --- removed ----------------------------------------------------------------------------------------------------------


async def purged(house: House, scenario_id: str) -> str:
    """A word of `begin_purge`; what may go goes."""
    await house.link.execute("ZADD", house.at.timers, 1, f"purge:{scenario_id}")
    word = await house.store.begin_purge(house.at, scenario_id)
    while word == "BEGUN" and await house.store.purge(house.at, scenario_id) == "MORE":
        continue
    return word


async def test_what_is_within_goes_after_what_it_is_within_and_what_was_replaced_at_any_time(
    house: House,
) -> None:
    top, middle, deep = await tree(house)
    await work(house, f"{middle} More")
    await Revival(house.store).retry(top)
    await house.settle()
    _, new_middle, new_deep = await tree(house)
    await work(house)

    assert await purged(house, new_deep) == await purged(house, new_middle) == "NEEDED"
    assert await purged(house, middle) == "BEGUN"  # nobody refers to it any more
    assert await purged(house, top) == "BEGUN"
    assert [await purged(house, one) for one in (deep, new_middle, new_deep)] == ["BEGUN"] * 3
    assert (
        await house.store.scenarios(status=None, name=None, tenant=None, cursor=None, limit=10)
    ).items == []
