"""Whatever fails, and whenever it is brought back: all succeed once, in order."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.store.store import Policy
from tests.support.engines import Running, running_engine
from tests.support.plain_worker import PlainWorker
from tests.support.play import Rule, play
from tests.support.wait import wait_until
from workers_sdk.protocol.messages import Status


@pytest_asyncio.fixture(params=[50, 1])
async def chunked(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """An engine that does much at a time, or as little as it can: then all that takes several steps is seen half done."""
    async with running_engine(redis_url, Policy(lease_ms=60_000, chunk=request.param)) as running:
        yield running


JOINS: st.SearchStrategy[Rule] = st.sampled_from([{}, {}, {"need": 1}, {"all_done": True}])


KINDS: st.SearchStrategy[Rule] = st.sampled_from([{}, {}, {"optional": True}])


@st.composite
def stories(draw: st.DrawFn, *, plain: bool) -> tuple[dict[str, list[str]], dict[str, int], dict[str, Rule]]:
    """A graph, how often each task fails, and its rules."""
    size = draw(st.integers(1, 8))
    names = [f"t{i}" for i in range(size)]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:i]), unique=True, max_size=4)) if i else []
        for i, name in enumerate(names)
    }
    failures = {name: draw(st.integers(0, 2)) for name in names}
    rules: dict[str, Rule] = {}
    for name in names if not plain else []:
        rule = {**draw(KINDS), **(draw(JOINS) if needs[name] else {})}
        if rule:
            rules[name] = rule
    return needs, failures, rules


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(plain=True), seed=st.integers(0, 2**32), whole=st.booleans())
async def test_whatever_fails_and_whenever_it_is_redriven_all_succeed_once(
    chunked: Running,
    worker: PlainWorker,
    story: tuple[dict[str, list[str]], dict[str, int], dict[str, Rule]],
    seed: int,
    whole: bool,
) -> None:
    needs, failures, _ = story
    game, chance = await play(chunked, worker, needs, failures), random.Random(seed)
    scenario_id = game.scenario.scenario_id

    async def step() -> bool:
        ended = await game.step()
        if chance.random() < 0.3 or ended:
            failed = [
                n for n, s in (await game.statuses()).items() if s == "failed" and chance.random() < 0.5
            ]
            both = [game.revival.retry(scenario_id)] if whole and chance.random() < 0.5 else []
            await asyncio.gather(*[game.letters.redrive_one(game.ids[name]) for name in failed], *both)
        record = await game.record()
        return record.status is Status.SUCCESS

    await wait_until(step, what="success of the scenario")
    record = await game.record()

    assert sorted(game.succeeded) == sorted(needs)
    assert record.counts[Status.SUCCESS] == len(needs) == sum(record.counts.values())
    assert all(set(needs[name]) <= set(game.succeeded[:at]) for at, name in enumerate(game.succeeded))
    assert await game.dead() == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(plain=False), seed=st.integers(0, 2**32))
async def test_joins_of_all_kinds_hold_under_redrives(
    chunked: Running,
    worker: PlainWorker,
    story: tuple[dict[str, list[str]], dict[str, int], dict[str, Rule]],
    seed: int,
) -> None:
    """Nothing hangs, nothing succeeds twice, and what needs all of its parents never starts before their ends."""
    needs, failures, rules = story
    game, chance = await play(chunked, worker, needs, failures, rules), random.Random(seed)

    async def step() -> bool:
        ended = await game.step()
        failed = [n for n, s in (await game.statuses()).items() if s == "failed"]
        chosen = [name for name in failed if ended or chance.random() < 0.2]
        await asyncio.gather(*[game.letters.redrive_one(game.ids[name]) for name in chosen])
        if ended and chance.random() < 0.3:
            await game.revival.retry(game.scenario.scenario_id)
        record = await game.record()
        return record.status is Status.SUCCESS and record.counts[Status.SUCCESS] == len(needs)

    await wait_until(step, what="success of all tasks")

    assert ((await game.record()).tolerated, await game.dead()) == (0, [])
    assert sorted(game.succeeded) == sorted(needs)
    plain = [name for name in needs if not {"need", "all_done"} & set(rules.get(name, {}))]
    for at, name in enumerate(game.succeeded):
        sure = {p for p in needs[name] if not rules.get(p, {}).get("optional")}
        assert name not in plain or sure <= set(game.succeeded[:at])
