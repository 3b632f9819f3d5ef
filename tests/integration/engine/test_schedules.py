"""Schedules on a real server under a virtual clock: on time, exactly once, after outages, and one after the other."""

import asyncio
from itertools import islice
from pathlib import Path

import pytest

from orchestrator.store.records import Cause
from orchestrator.store.schedule_records import State
from orchestrator.store.schedules import POLL_MS, ScheduleEnded
from orchestrator.store.turns import Misfire, Overlap
from orchestrator.store.when import BadWhen, When
from tests.support.leaks import leaked_keys
from tests.support.schedules import HOUR, ID, RETENTION_MS, Replica, Town
from tests.support.scripts import START_MS
from workers_sdk.protocol.keys import short_uuid
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

HOURLY = When(cron="0 * * * *", timezone="Europe/Berlin")
FIRST = 1_750_935_600_000  # 2025-06-26T11:00Z, the first full hour after the clock's start
WEEK = 7 * 24


def id_of(fire_ms: int) -> str:
    return short_uuid(ID, f"fire {fire_ms}")


@pytest.fixture
def town(link: RedisLink, tmp_path: Path) -> Town:
    return Town(link, tmp_path)


async def test_a_week_of_cron_is_fired_exactly_once_by_two_replicas(town: Town) -> None:
    replicas = [Replica(town), Replica(town)]
    await town.make(HOURLY)
    hours = list(islice(HOURLY.fires(START_MS), WEEK))

    for fire_ms in hours:
        await town.at_time(fire_ms - 1)
        await asyncio.gather(*(replica.step() for replica in replicas))
        await town.at_time(fire_ms)
        await asyncio.gather(*(replica.step() for replica in replicas))

    record = await town.read()
    assert await town.accepted() == [id_of(fire_ms) for fire_ms in hours]
    assert (record.runs, record.next_ms, record.last_scenario_id) == (
        WEEK,
        hours[-1] + HOUR,
        id_of(hours[-1]),
    )
    assert await town.told() == [("started", fire_ms) for fire_ms in hours[-20:]]


async def test_the_template_sees_the_time_of_the_fire_and_the_variables(town: Town) -> None:
    await town.make(HOURLY, variables={"CITY": "Rome"})
    await town.at_time(FIRST + 700)
    await Replica(town).step()

    [(_, flat)] = await town.link.execute("XRANGE", town.at.scenarios, "-", "+")
    assert b"Rome 2025-06-26T11:00:00.000Z" in dict(zip(flat[::2], flat[1::2], strict=True))[b"tasks"]


@pytest.mark.parametrize(
    ("misfire", "ran", "told"),
    [
        (Misfire.ONCE, [5], [("missed", 5), ("started", FIRST + 5 * HOUR)]),
        (Misfire.SKIP, [], [("missed", 6)]),
        (Misfire.ALL, [0, 1, 2, 3, 4, 5], [("started", FIRST + n * HOUR) for n in range(6)]),
    ],
)
async def test_after_an_outage_the_policy_says_what_is_made_up_for(
    town: Town, misfire: Misfire, ran: list[int], told: list[tuple[str, int]]
) -> None:
    await town.make(HOURLY, misfire=misfire)
    await town.at_time(FIRST + 5 * HOUR + HOUR // 2)
    await asyncio.gather(Replica(town).step(), Replica(town).step())
    for _ in range(10):
        await Replica(town).step()

    record = await town.read()
    assert await town.accepted() == [id_of(FIRST + n * HOUR) for n in ran]
    assert await town.told() == told
    assert record.next_ms == FIRST + 6 * HOUR


async def test_after_a_year_no_more_than_a_hundred_are_made_up_for(town: Town) -> None:
    await town.make(When(every_ms=60_000), misfire=Misfire.ALL)
    await town.at_time(START_MS + 365 * 24 * HOUR)
    for _ in range(3):
        await Replica(town).step()

    assert len(await town.accepted()) == 100
    assert (await town.read()).next_ms == town.now + 60_000


async def test_a_fire_is_skipped_while_the_scenario_before_runs(town: Town) -> None:
    replica = Replica(town)
    await town.make(HOURLY, overlap=Overlap.SKIP)
    for n in range(3):
        await town.at_time(FIRST + n * HOUR)
        await replica.step()
    await town.end_of(id_of(FIRST))
    await town.at_time(FIRST + 3 * HOUR)
    await replica.step()

    assert await town.accepted() == [id_of(FIRST), id_of(FIRST + 3 * HOUR)]
    assert [word for word, _ in await town.told()] == ["started", "skipped", "skipped", "started"]
    assert (await town.read()).runs == 2


async def test_a_fire_waits_for_the_end_of_the_scenario_before(town: Town) -> None:
    replica = Replica(town)
    await town.make(HOURLY, overlap=Overlap.WAIT)
    for n in range(3):  # the second waits, the third takes its place
        await town.at_time(FIRST + n * HOUR)
        await replica.step()
    assert await town.accepted() == [id_of(FIRST)]

    await town.end_of(id_of(FIRST))
    await replica.step()
    assert len(await town.accepted()) == 1
    await town.at_time(town.now + POLL_MS)
    await replica.step()

    assert await town.accepted() == [id_of(FIRST), id_of(FIRST + 2 * HOUR)]
    assert await town.told() == [("started", FIRST), ("missed", 1), ("started", FIRST + 2 * HOUR)]


async def test_the_scenario_before_is_cancelled_by_the_next(town: Town) -> None:
    replica = Replica(town)
    await town.make(HOURLY, overlap=Overlap.CANCEL)
    for n in range(2):
        await town.at_time(FIRST + n * HOUR)
        await replica.step()

    before = await town.store.scenario(id_of(FIRST))
    assert before and (before.status, before.error["by"]) == (Status.CANCELLED, f"schedule {ID}")
    assert await town.accepted() == [id_of(FIRST), id_of(FIRST + HOUR)]


async def test_a_scenario_that_takes_its_time_to_be_cancelled_is_waited_for(town: Town) -> None:
    replica = Replica(town)
    await town.make(HOURLY, overlap=Overlap.CANCEL)
    await town.at_time(FIRST)
    await replica.step()
    await town.link.execute("HSET", town.at.scenario(id_of(FIRST)), "cancel", "{}", "status", "processing")
    await town.at_time(FIRST + HOUR)
    await replica.step()
    assert await town.accepted() == [id_of(FIRST)]

    await town.end_of(id_of(FIRST))
    await town.at_time(FIRST + HOUR + POLL_MS)
    await replica.step()
    assert await town.accepted() == [id_of(FIRST), id_of(FIRST + HOUR)]


async def test_one_moment_makes_one_scenario_and_then_nothing_of_the_schedule_remains(town: Town) -> None:
    await town.make(When(once_ms=FIRST + 123))
    await town.at_time(FIRST + 122)
    await Replica(town).step()
    assert await town.accepted() == []
    await town.at_time(FIRST + 123)
    await Replica(town).step()

    assert await town.accepted() == [id_of(FIRST + 123)]
    assert (await town.read()).state is State.ENDED
    await town.at_time(FIRST + 123 + RETENTION_MS - 1)
    await Replica(town).step()
    assert (await town.read()).state is State.ENDED
    await town.at_time(FIRST + 123 + RETENTION_MS)
    await Replica(town).step()

    assert await town.schedules.read(ID) == (town.now, None)
    assert not await town.link.execute("EXISTS", town.at.schedule(ID), town.at.fires(ID), town.at.schedules)
    assert await town.link.execute("ZCARD", town.at.timers) == 0


async def test_a_moment_that_has_passed_when_the_schedule_is_made_is_late_not_lost(town: Town) -> None:
    await town.make(When(once_ms=START_MS - HOUR))
    await Replica(town).step()
    assert await town.accepted() == [id_of(START_MS - HOUR)]


async def test_a_delay_counts_from_now(town: Town) -> None:
    made = await town.make(When(), delay_ms=90_000)
    assert made.next_ms == START_MS + 90_000


async def test_intervals_are_kept(town: Town) -> None:
    replica = Replica(town)
    await town.make(When(every_ms=45_000))
    for second in range(0, 181, 5):
        await town.at_time(START_MS + second * 1000)
        await replica.step()
    assert await town.accepted() == [id_of(START_MS + n * 45_000) for n in (1, 2, 3, 4)]


async def test_jitter_delays_the_fire_but_not_its_name(town: Town) -> None:
    when = When(cron="0 * * * *", jitter_ms=HOUR // 2)
    made = await town.make(when)
    jitter = when.jitter_of(ID, FIRST)
    assert (made.next_ms, made.next_at_ms) == (FIRST, FIRST + jitter) and jitter > 0
    await town.at_time(FIRST + jitter - 1)
    await Replica(town).step()
    assert await town.accepted() == []
    await town.at_time(FIRST + jitter)
    await Replica(town).step()

    assert await town.accepted() == [id_of(FIRST)]
    assert (await town.read()).next_at_ms == FIRST + HOUR + when.jitter_of(ID, FIRST + HOUR)


async def test_it_ends_after_its_number_of_runs(town: Town) -> None:
    replica = Replica(town)
    await town.make(HOURLY, max_runs=2)
    for n in range(4):
        await town.at_time(FIRST + n * HOUR)
        await replica.step()
    record = await town.read()
    assert (record.state, record.runs, record.next_ms) == (State.ENDED, 2, 0)
    assert len(await town.accepted()) == 2


async def test_a_template_that_fails_is_told_and_the_schedule_goes_on(town: Town) -> None:
    replica = Replica(town)
    await town.make(HOURLY, variables={"NOBODY": 1})
    await town.at_time(FIRST)
    await replica.step()

    record = await town.read()
    assert record.last_error["type"] == "unknown_variable" and "NOBODY" in record.last_error["message"]
    assert (record.state, record.runs, record.next_ms) == (State.ACTIVE, 0, FIRST + HOUR)
    assert await town.told() == [("failed", FIRST)]
    assert await town.accepted() == []


async def test_while_it_is_paused_nothing_is_fired_nor_made_up_for(town: Town) -> None:
    replica = Replica(town)
    await town.make(HOURLY, misfire=Misfire.ALL)
    paused = await town.schedules.pause(ID, Cause("holidays", "ann"))
    assert paused is not None
    await town.at_time(FIRST + 5 * HOUR)
    await replica.step()
    stopped = await town.read()
    assert (stopped.state, stopped.paused, stopped.next_ms) == (
        State.PAUSED,
        {"reason": "holidays", "by": "ann"},
        0,
    )
    assert await leaked_keys(town.link) == []

    await town.schedules.resume(ID)
    await replica.step()
    assert await town.accepted() == []
    await town.at_time(FIRST + 6 * HOUR)
    await replica.step()
    assert await town.accepted() == [id_of(FIRST + 6 * HOUR)]


async def test_what_has_ended_cannot_be_resumed(town: Town) -> None:
    await town.make(When(once_ms=FIRST))
    await town.schedules.pause(ID, Cause("wait"))
    await town.at_time(FIRST + HOUR)
    await town.schedules.resume(ID)
    assert (await town.read()).state is State.ENDED
    with pytest.raises(ScheduleEnded):
        await town.schedules.pause(ID, Cause("again"))
    await town.at_time(FIRST + HOUR + RETENTION_MS)
    await Replica(town).step()
    assert (await town.schedules.read(ID))[1] is None


async def test_a_schedule_that_would_never_fire_is_refused(town: Town) -> None:
    with pytest.raises(BadWhen):
        await town.make(When(cron="0 0 1 1 *", end_ms=FIRST))
    with pytest.raises(BadWhen):
        await town.make(When(once_ms=FIRST, end_ms=FIRST - 1))
    assert not await town.link.execute("EXISTS", town.at.schedule(ID))


async def test_made_twice_it_is_there_once(town: Town) -> None:
    made = await town.make(HOURLY)
    again, created = await town.schedules.create(ID, made.definition)
    assert (again, created) == (made, False)


async def test_removed_it_leaves_nothing_and_its_scenarios_go_on(town: Town) -> None:
    await town.make(HOURLY)
    await town.at_time(FIRST)
    await Replica(town).step()
    assert await town.schedules.remove(ID) == "REMOVED"
    assert await town.schedules.remove(ID) == "UNKNOWN"
    await town.at_time(FIRST + HOUR)
    await Replica(town).step()

    assert await town.accepted() == [id_of(FIRST)]
    assert await town.link.execute("ZCARD", town.at.timers) == 0
    assert await leaked_keys(town.link) == []


async def test_schedules_live_in_their_partition(link: RedisLink, tmp_path: Path) -> None:
    town = Town(link, tmp_path, partitions=4)
    await town.make(HOURLY)
    await town.at_time(FIRST)
    await Replica(town).step()

    page = await town.schedules.page()
    assert [one.schedule_id for one in page.items] == [ID]
    assert await town.accepted() == [id_of(FIRST)]
    assert {town.partitions.of(one) for one in await town.accepted()} == {town.at}


async def test_a_timer_without_a_schedule_is_removed(town: Town) -> None:
    await town.link.execute("ZADD", town.at.timers, 1, f"schedule:{ID}")
    await Replica(town).step()
    assert await town.link.execute("ZCARD", town.at.timers) == 0
