"""A redrive of many dead letters goes on in steps, each of them bounded by what it looks at."""

import pytest

from orchestrator.engine.reviver import Reviver
from orchestrator.store import redrive
from orchestrator.store.dead_letters import DeadLetters, Handled
from orchestrator.store.records import NewScenario
from orchestrator.store.store import Policy, Store
from tests.support.engines import materialized
from tests.support.graphs import chain, graph
from tests.support.scripts import virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent

BAD = '{"type":"Boom","message":"no"}'


class Counting(Store):
    """Counts the calls of `revive`."""

    calls = 0

    async def call(self, name, values, rest=()):  # type: ignore[no-untyped-def]
        self.calls += name == "revive"
        return await super().call(name, values, rest)


async def dead(link: RedisLink, count: int, gone: int) -> tuple[Counting, list[NewScenario]]:
    """Scenarios whose first task is a dead letter, all of the same millisecond; the first `gone` of the list of letters
    cannot be redriven, since the removal of their scenarios has begun."""
    store = Counting(link, Partitions(1), Policy(), scripts=virtual_scripts())
    scenarios = [graph(chain(2)) for _ in range(count)]
    for scenario in scenarios:
        await materialized(store, scenario)
        await store.report(TaskEvent(scenario.task_ids[0], EventKind.FAILED, fields={"error": BAD}))
    scenarios.sort(key=lambda scenario: scenario.task_ids[0])  # as letters of one millisecond are
    for scenario in scenarios[:gone]:
        await link.execute("HSET", f"scenario:{scenario.scenario_id}", "purged", 1)
    return store, scenarios


async def timers(link: RedisLink) -> list[str]:
    """Subjects of the redrives that are to be carried on."""
    found = [one.decode() for one in await link.execute("ZRANGE", "timers", 0, -1)]
    return [one.removeprefix("redrive:") for one in found if one.startswith("redrive:")]


async def revived(store: Store, scenarios: list[NewScenario]) -> list[bool]:
    records = [await store.scenario(scenario.scenario_id) for scenario in scenarios]
    return [record is not None and record.status is Status.PROCESSING for record in records]


@pytest.mark.parametrize("whole", [True, False])
async def test_letters_that_cannot_be_redriven_do_not_make_a_step_longer(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(redrive, "PAGE", 4)
    store, scenarios = await dead(link, 23, gone=20)
    letters = DeadLetters(store)
    ((kind,), total) = await letters.kinds(10)
    assert (total, kind.count) == (23, 23)

    assert await letters.redrive(None if whole else kind.fingerprint, most=8) == Handled(0, 23, True)
    steps = [store.calls]
    while subjects := await timers(link):
        before = store.calls
        (subject,) = subjects
        await letters.carry_on(store.partitions[0], subject, most=8)
        steps.append(store.calls - before)

    assert steps == [8, 8, 7]
    assert await revived(store, scenarios) == [False] * 20 + [True] * 3
    assert (await letters.kinds(10))[1] == 20


async def test_a_step_is_bounded_by_the_tasks_that_it_reads(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive, "MOST_READ", 3)
    store, scenarios = await dead(link, 5, gone=2)

    assert await DeadLetters(store).redrive(None, most=100) == Handled(0, 5, True)
    assert store.calls == 2
    reviver = Reviver(store)
    for left in (1, 0):
        (subject,) = await timers(link)
        assert await reviver.redrive(store.partitions[0], subject)
        assert (await revived(store, scenarios)).count(False) == 2 + left
    # It is over when it has seen that there are no more.
    for subject in await timers(link):
        await reviver.redrive(store.partitions[0], subject)
    assert await timers(link) == []


@pytest.mark.parametrize(
    "subject", ["", "x", "5:no-kind", "5: ", "5: 7.x", "-1:", "5:service:0123456789abcdef 9"]
)
async def test_a_timer_that_makes_no_sense_is_removed(link: RedisLink, subject: str) -> None:
    store, scenarios = await dead(link, 1, gone=0)
    await link.execute("ZADD", "timers", 1, f"redrive:{subject}")

    assert await Reviver(store).redrive(store.partitions[0], subject)

    assert await timers(link) == []
    assert await revived(store, scenarios) == [False]


async def test_a_timer_of_the_version_before_goes_on_from_the_beginning(link: RedisLink) -> None:
    store, scenarios = await dead(link, 3, gone=0)
    await link.execute("ZADD", "timers", 1, "redrive:9999999999999:")

    assert await Reviver(store).redrive(store.partitions[0], "9999999999999:")

    assert await revived(store, scenarios) == [True] * 3
    assert await timers(link) == []
