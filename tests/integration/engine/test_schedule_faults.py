"""A replica that dies while it fires a schedule, at every point; replicas that race; a fire out of turn."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.records import Cause
from orchestrator.store.schedule_records import FireOutcome, State
from orchestrator.store.schedules import asked_fire
from orchestrator.store.store import Store
from orchestrator.store.turns import Misfire, Overlap
from orchestrator.store.when import When
from tests.support.schedules import HOLD_MS, HOUR, ID, Replica, Town
from tests.support.scripts import START_MS
from workers_sdk.protocol.keys import short_uuid
from workers_sdk.protocol.link import RedisLink

HOURLY = When(cron="0 * * * *")
FIRST = 1_750_935_600_000
MADE = short_uuid(ID, f"fire {FIRST}")


class Dead(Exception):
    """The process is gone."""


class DyingStore(Store):
    """Dies at its call number `left`: before it reaches the server, or after, when the answer is lost."""

    left = 0
    after = False

    async def call(self, name: str, values: dict[str, Any], rest: Sequence[str | bytes | int] = ()) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Dead
        answer = await super().call(name, values, rest)
        if self.left == 0:
            raise Dead
        return answer


@pytest.fixture
def town(link: RedisLink, tmp_path: Path) -> Town:
    return Town(link, tmp_path)


async def dies(town: Town, left: int, *, after: bool) -> bool:
    """Let a replica die at a call of its scheduler; False when it had fewer to make."""
    store = town.new_store(DyingStore)
    assert isinstance(store, DyingStore)
    replica = Replica(town, store)
    await replica.timekeeper.step()
    store.left, store.after = left, after
    try:
        await replica.scheduler.step()
    except Dead:
        return True
    return False


@pytest.mark.parametrize("after", [False, True])
async def test_a_replica_may_die_at_any_call_and_another_goes_on(town: Town, after: bool) -> None:
    points = 0
    while True:
        await town.link.execute("FLUSHALL")
        await town.make(HOURLY)
        await town.at_time(FIRST)
        if not await dies(town, points + 1, after=after):
            break
        points += 1
        await town.at_time(FIRST + HOLD_MS)
        await asyncio.gather(Replica(town).step(), Replica(town).step())

        record = await town.read()
        assert await town.accepted() == [MADE], points
        assert await town.told() == [("started", FIRST)], points
        assert (record.runs, record.next_ms, record.fire) == (1, FIRST + HOUR, None), points
    assert points >= 4  # read, begin, submit, end


@pytest.mark.parametrize("seed", range(3))
async def test_two_days_of_replicas_that_die_anywhere_leave_every_fire_made_once(
    town: Town, seed: int
) -> None:
    chance = random.Random(seed)
    await town.make(HOURLY, misfire=Misfire.ALL)
    hours = [FIRST + n * HOUR for n in range(48)]
    for fire_ms in hours:
        await town.at_time(fire_ms)
        for _ in range(chance.randrange(4)):
            await asyncio.gather(
                *(dies(town, chance.randint(1, 12), after=chance.random() < 0.5) for _ in range(2))
            )
            await town.at_time(town.now + chance.choice((1, HOLD_MS // 2, HOLD_MS)))
    for _ in range(3):
        await Replica(town).step()
        await town.at_time(town.now + HOLD_MS)

    record = await town.read()
    assert await town.accepted() == [short_uuid(ID, f"fire {fire_ms}") for fire_ms in hours]
    assert (record.runs, record.fire, record.next_ms) == (48, None, hours[-1] + HOUR)


async def test_while_one_fires_the_others_leave_it_alone(town: Town) -> None:
    await town.make(HOURLY)
    await town.at_time(FIRST)
    assert await dies(town, 3, after=False)  # begun, not submitted
    await town.at_time(FIRST + HOLD_MS - 1)
    await Replica(town).step()
    assert await town.accepted() == []


async def test_two_that_both_believe_that_it_is_theirs_make_one_scenario(town: Town) -> None:
    """The one who began was slow, not dead: his hold is over, and both go on."""
    await town.make(HOURLY)
    await town.at_time(FIRST)
    now_ms, record = await town.schedules.read(ID)
    assert record
    fire = town.schedules.due(record, now_ms)
    assert fire
    begun = await town.schedules.begin(ID, fire)
    assert begun.word == "START"
    assert (await town.schedules.begin(ID, fire)).word == "NOT_DUE"

    await town.at_time(FIRST + HOLD_MS)
    await Replica(town).step()
    assert begun.fire
    assert await town.schedules.end(record, begun.fire, FireOutcome.FAILED, {"type": "late"}) == "STALE"

    assert (await town.read()).last_error is None
    assert await town.told() == [("started", FIRST)]


async def test_a_decision_to_skip_is_void_when_another_has_begun(town: Town) -> None:
    """The scenario before ended between the two looks."""
    await town.make(HOURLY, overlap=Overlap.SKIP)
    await town.at_time(FIRST)
    await Replica(town).step()
    await town.at_time(FIRST + HOUR)
    now_ms, record = await town.schedules.read(ID)
    assert record
    fire = town.schedules.due(record, now_ms)
    assert fire
    assert (await town.schedules.begin(ID, fire)).word == "SKIP"
    await town.end_of(MADE)
    assert (await town.schedules.begin(ID, fire)).word == "START"

    assert await town.schedules.end(record, fire, FireOutcome.SKIPPED) == "STALE"


async def test_a_replica_whose_templates_are_older_does_not_undo_a_scenario_that_is_there(
    town: Town, tmp_path: Path
) -> None:
    await town.make(HOURLY)
    await town.at_time(FIRST)
    assert await dies(town, 4, after=False)  # submitted, not ended
    (tmp_path / "Report.yml").write_text(
        "name: Report\ntasks: [{name: Other, service: test-service, needs: [Nobody]}]"
    )
    (tmp_path / "empty").mkdir()
    other = Town(town.link, tmp_path / "empty")
    (tmp_path / "empty" / "Report.yml").unlink()
    other.registry = type(other.registry)([tmp_path / "empty"])
    await other.at_time(FIRST + HOLD_MS)
    await Replica(other).step()

    record = await town.read()
    assert (record.runs, record.last_error, await town.accepted()) == (1, None, [MADE])


async def test_paused_in_the_middle_of_a_fire_the_fire_is_ended_and_nothing_more(town: Town) -> None:
    await town.make(HOURLY)
    await town.at_time(FIRST)
    assert await dies(town, 3, after=False)
    await town.schedules.pause(ID, Cause("stop"))
    await town.at_time(FIRST + HOLD_MS)
    await Replica(town).step()
    await town.at_time(FIRST + HOUR)
    await Replica(town).step()

    record = await town.read()
    assert (record.state, record.fire, record.next_ms) == (State.PAUSED, None, 0)
    assert await town.accepted() == [MADE]
    assert await town.link.execute("ZCARD", town.at.timers) == 0


async def test_removed_in_the_middle_of_a_fire_nothing_comes_back(town: Town) -> None:
    await town.make(HOURLY)
    await town.at_time(FIRST)
    _, record = await town.schedules.read(ID)
    assert record
    fire = town.schedules.due(record, FIRST)
    assert fire
    await town.schedules.begin(ID, fire)
    await town.schedules.remove(ID)
    assert await town.schedules.end(record, fire, FireOutcome.STARTED) == "UNKNOWN"
    assert not await town.link.execute("EXISTS", town.at.schedule(ID), town.at.fires(ID))


async def test_a_fire_out_of_turn_changes_nothing_about_the_next(town: Town) -> None:
    made = await town.make(HOURLY)
    fire = asked_fire(ID, START_MS)
    begun = await town.schedules.begin(ID, fire)
    assert (begun.word, begun.fire) == ("START", fire)
    assert await town.schedules.end(made, fire, FireOutcome.STARTED) == "DONE"

    record = await town.read()
    assert (record.next_ms, record.runs, record.last_scenario_id) == (FIRST, 0, fire.scenario_id)
    [told] = await town.schedules.fires(ID)
    assert told.asked


async def test_a_fire_out_of_turn_is_made_by_the_engine_when_the_one_who_asked_is_gone(town: Town) -> None:
    await town.make(HOURLY)
    await town.schedules.pause(ID, Cause("only when I say so"))
    fire = asked_fire(ID, START_MS)
    await town.schedules.begin(ID, fire)
    assert (await town.schedules.begin(ID, asked_fire(ID, START_MS + 1))).word == "NOT_DUE"
    await town.at_time(START_MS + HOLD_MS)
    await Replica(town).step()

    record = await town.read()
    assert (record.state, record.fire, await town.accepted()) == (State.PAUSED, None, [fire.scenario_id])
    assert await town.link.execute("ZCARD", town.at.timers) == 0


async def test_a_fire_out_of_turn_does_not_delay_the_regular_one(town: Town) -> None:
    await town.make(HOURLY)
    await town.at_time(FIRST - 1_000)
    asked = asked_fire(ID, FIRST - 1_000)
    await town.schedules.begin(ID, asked)
    await town.at_time(FIRST)
    await Replica(town).step()
    assert sorted(await town.accepted()) == sorted([asked.scenario_id, MADE])


async def test_what_redis_refuses_for_one_schedule_does_not_stop_the_others(town: Town) -> None:
    other = short_uuid(ID, "another")
    made = await town.make(HOURLY)
    await town.schedules.create(other, made.definition)
    await town.link.execute("DEL", town.at.fires(ID))
    await town.link.execute("SET", town.at.fires(ID), "of another type")
    await town.at_time(FIRST)
    replica = Replica(town)
    await replica.step()

    assert short_uuid(other, f"fire {FIRST}") in await town.accepted()
    await town.link.execute("DEL", town.at.fires(ID))
    await town.at_time(FIRST + HOLD_MS)
    await replica.step()
    assert sorted(await town.accepted()) == sorted([MADE, short_uuid(other, f"fire {FIRST}")])
    assert await town.told() == [("started", FIRST)]
