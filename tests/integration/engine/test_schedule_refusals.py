"""Fires for which there is no room: refused as any submission is, told, and made up for as `misfire` says."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.admission import Admission
from orchestrator.store.outcomes import Overloaded
from orchestrator.store.records import Cause, Owner
from orchestrator.store.schedule_records import Definition, State
from orchestrator.store.schedules import POLL_MS
from orchestrator.store.turns import Misfire
from orchestrator.store.when import When
from tests.support.leaks import leaked_keys
from tests.support.schedules import HOUR, ID, Replica, Town
from workers_sdk.protocol.keys import short_uuid
from workers_sdk.protocol.link import RedisLink

HOURLY = When(cron="0 * * * *", timezone="Europe/Berlin")
FIRST = 1_750_935_600_000  # 2025-06-26T11:00Z, the first full hour after the clock's start
ACME = Owner("acme", 1, "ann")


def id_of(fire_ms: int) -> str:
    return short_uuid(ID, f"fire {fire_ms}")


@pytest.fixture
def town(link: RedisLink, tmp_path: Path) -> Town:
    """A tenant may have one unfinished scenario."""
    return Town(link, tmp_path)


async def with_one_at_work(town: Town, **more: Any) -> Replica:
    """A schedule whose first scenario has been started."""
    replica = Replica(town)
    await town.make(HOURLY, owner=ACME, **more)
    await town.at_time(FIRST)
    await replica.step()
    assert await town.accepted() == [id_of(FIRST)]
    return replica


async def finish(town: Town, fire_ms: int) -> None:
    assert await town.store.cancel(id_of(fire_ms), Cause("done")) != "MORE"


async def test_a_scenario_of_a_schedule_has_its_owner(town: Town) -> None:
    await with_one_at_work(town)

    scenario = await town.store.scenario(id_of(FIRST))
    assert scenario and scenario.owner == ACME
    assert await town.link.execute("HGETALL", town.at.tenants) == [b"acme", b"1"]


async def test_a_refused_fire_is_told_once_and_tried_until_there_is_room(town: Town) -> None:
    replica = await with_one_at_work(town)
    for n in range(3):
        await town.at_time(FIRST + HOUR + n * POLL_MS)
        await replica.step()

    record = await town.read()
    assert await town.told() == [("started", FIRST), ("refused", FIRST + HOUR)]
    assert record.last_error["type"] == "too_many_requests" and "tenant" in record.last_error["message"]
    assert (record.runs, record.next_ms, record.fire) == (1, FIRST + HOUR, None)

    await finish(town, FIRST)
    await town.at_time(FIRST + HOUR + 3 * POLL_MS)
    await replica.step()

    record = await town.read()
    assert await town.accepted() == [id_of(FIRST), id_of(FIRST + HOUR)]
    assert (await town.told())[2:] == [("started", FIRST + HOUR)]
    assert (record.runs, record.next_ms, record.last_error) == (2, FIRST + 2 * HOUR, None)
    assert await leaked_keys(town.link) == []


@pytest.mark.parametrize(
    ("misfire", "ran", "told"),
    [
        (Misfire.ONCE, [3], [("missed", 2), ("started", FIRST + 3 * HOUR)]),
        (Misfire.ALL, [1], [("started", FIRST + HOUR), ("refused", FIRST + 2 * HOUR)]),
        (Misfire.SKIP, [], [("missed", 3)]),
    ],
)
async def test_misfire_says_what_is_made_up_for_when_there_is_room_again(
    town: Town, misfire: Misfire, ran: list[int], told: list[tuple[str, int]]
) -> None:
    replica = await with_one_at_work(town, misfire=misfire)
    await town.at_time(FIRST + HOUR)
    await replica.step()
    await finish(town, FIRST)

    await town.at_time(FIRST + 3 * HOUR + HOUR // 2)
    await replica.step()

    assert await town.accepted() == [id_of(FIRST), *(id_of(FIRST + n * HOUR) for n in ran)]
    assert await town.told() == [("started", FIRST), ("refused", FIRST + HOUR), *told]


async def test_a_single_moment_that_is_refused_is_not_lost(town: Town) -> None:
    replica = Replica(town)
    other = Definition("Report", When(once_ms=FIRST), owner=ACME)
    other_id = short_uuid(ID, "another schedule")
    await town.schedules.create(other_id, other)
    await town.make(When(once_ms=FIRST), owner=ACME)
    await town.at_time(FIRST)
    await replica.step()
    [first] = await town.accepted()
    refused_id = ID if first != id_of(FIRST) else other_id
    _, refused = await town.schedules.read(refused_id)
    assert refused and (refused.state, refused.next_ms) == (State.ACTIVE, FIRST)

    await town.store.cancel(first, Cause("done"))
    await town.at_time(FIRST + POLL_MS)
    await replica.step()

    _, record = await town.schedules.read(refused_id)
    assert record and (record.state, record.runs) == (State.ENDED, 1)
    assert len(await town.accepted()) == 2


async def test_paused_while_it_was_refused_it_fires_no_more(town: Town) -> None:
    replica = await with_one_at_work(town)
    await town.at_time(FIRST + HOUR)
    await replica.step()
    await town.schedules.pause(ID, Cause("holidays"))
    await finish(town, FIRST)

    await town.at_time(FIRST + HOUR + POLL_MS)
    await replica.step()

    assert await town.accepted() == [id_of(FIRST)]
    assert (await town.read()).state is State.PAUSED


class Full(Admission):
    """A server whose memory is used up, until it is not."""

    is_full = True

    async def check(self) -> None:
        """See `Admission`."""
        if self.is_full:
            raise Overloaded("Redis uses more than 85% of its memory")


async def test_a_full_server_takes_no_fires(town: Town) -> None:
    town.admission = full = Full(town.link, 0.85)
    replica = Replica(town)
    await town.make(HOURLY)
    await town.at_time(FIRST)
    await replica.step()

    assert await town.accepted() == []
    assert await town.told() == [("refused", FIRST)]
    assert (await town.read()).last_error["type"] == "overloaded"

    full.is_full = False
    await town.at_time(FIRST + POLL_MS)
    await replica.step()
    assert await town.accepted() == [id_of(FIRST)]
