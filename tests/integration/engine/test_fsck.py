"""Each kind of damage is found by its name and repaired; then the scenario ends, and repairing again changes nothing."""

import pytest

from tests.support import harms, harms_apart
from tests.support.damage import HARMS, Workshop
from tests.support.dump import dump
from workers_sdk.protocol.link import RedisLink

assert harms
assert harms_apart


@pytest.mark.parametrize("name", HARMS)
async def test_damage_is_found_and_repaired(redis_url: str, link: RedisLink, name: str) -> None:
    kinds, ends, harm = HARMS[name]
    shop = Workshop(link)
    await shop.open()
    scenario = await harm(shop)
    harmed = await dump(link)

    found = await shop.checked()
    assert set(found.drift) == kinds, found.findings
    assert (found.left, found.undecided) == (found.drift.total(), 0)
    assert await dump(link) == harmed  # to look changes nothing

    repaired = await shop.checked(repair=True)
    assert repaired.left == 0, repaired.findings
    whole = await dump(link)
    again = await shop.checked(repair=True)
    assert (again.drift, again.findings) == ({}, [])
    assert await dump(link) == whole

    if scenario is not None:
        while await shop.flow.resume_scenario(scenario.scenario_id, begin=True) == "MORE":
            continue
        assert await shop.finished(redis_url, scenario) is ends
        assert (await shop.checked()).findings == []
