"""What a check does with many partitions, with keys of another type, with one scenario, and when it is in doubt."""

from collections import Counter

import pytest

from orchestrator.store import fsck_scenarios
from orchestrator.store.fsck import Fsck
from orchestrator.store.store import Policy, Store
from tests.support.damage import NOBODY, Workshop
from tests.support.engines import QUICK, running_engine
from tests.support.graphs import chain, diamond, graph
from tests.support.harms import QUEUE, begun, made
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink


async def test_all_partitions_are_checked(redis_url: str, link: RedisLink) -> None:
    async with running_engine(redis_url, QUICK, partitions=4) as engine:
        scenarios = [graph(chain(2)) for _ in range(20)]
        for scenario in scenarios:
            await engine.store.submit(scenario)
        workers = [PlainWorker(link, at=at) for at in engine.store.partitions]

        async def done() -> bool:
            for worker in workers:
                for entry in await worker.take():
                    await worker.succeed(entry)
            records = [await engine.store.scenario(one.scenario_id) for one in scenarios]
            return all(record and record.status.is_final for record in records)

        await wait_until(done, what="the end of all")
        assert (await Fsck(engine.store, settle_s=0).run()).findings == []
        for at in engine.store.partitions:
            await link.execute("ZADD", at.timers, 9e15, f"start:{NOBODY}")
        report = await Fsck(engine.store, settle_s=0).run(repair=True)

    assert (report.scenarios, report.tasks) == (20, 40)
    assert {finding.partition for finding in report.findings} == {0, 1, 2, 3}
    assert (report.drift, report.left) == (Counter(timer_left=4), 0)


async def test_keys_of_another_type_are_named_and_hide_nothing(link: RedisLink) -> None:
    shop = Workshop(link)
    await shop.open()
    scenario = await begun(shop)
    foreign = [
        f"task:{NOBODY}",
        f"scenario:{NOBODY}",
        "queue:other",
        "lane:other:-",
        f"batch:{NOBODY}",
        "gates",
    ]
    for key in foreign:
        await link.execute("SET", key, "of another type")
    await link.execute("ZADD", shop.at.timers, 9e15, f"start:{'y' * 16}")

    report = await shop.checked(repair=True)

    assert set(report.drift) == {"unreadable", "timer_left"}
    assert {one.subject for one in report.findings if one.kind == "unreadable"} >= {*foreign} - {
        f"scenario:{NOBODY}", f"batch:{NOBODY}",
    }  # fmt: skip
    assert report.left == report.drift["unreadable"] > 0
    for key in foreign:
        await link.execute("DEL", key)
    assert (await shop.checked()).findings == []
    assert scenario


async def test_a_task_that_holds_nonsense_is_named_and_hides_no_other(link: RedisLink) -> None:
    shop = Workshop(link)
    await shop.open()
    bad, other = await begun(shop), await begun(shop)
    await link.execute("HSET", shop.at.task(bad.task_ids[1]), "queue", "many")
    await link.execute("HSET", shop.at.task(other.task_ids[1]), "queue", 5)

    report = await shop.checked(repair=True)

    assert (report.drift, report.left) == (Counter(unreadable=1, queue_wrong=1), 1)
    assert {one.subject for one in report.findings} == {bad.scenario_id, other.task_ids[1]}


async def test_one_scenario_is_checked_alone(link: RedisLink) -> None:
    shop = Workshop(link)
    await shop.open()
    one, other = await begun(shop), await begun(shop)
    await link.execute("XTRIM", QUEUE, "MAXLEN", 0)

    report = await Fsck(shop.store, settle_s=0).scenario(one.scenario_id, repair=True)

    assert [finding.subject for finding in report.findings] == [one.task_ids[0]]
    assert (report.left, report.scenarios, report.tasks) == (0, 1, 2)
    assert [finding.subject for finding in (await shop.checked()).findings] == [other.task_ids[0]]


async def test_nothing_is_said_of_what_is_gone(link: RedisLink) -> None:
    shop = Workshop(link)
    await shop.open()

    report = await Fsck(shop.store, settle_s=0).scenario(NOBODY, repair=True)

    assert (report.findings, report.tasks) == ([], 0)


async def test_with_too_many_reports_under_way_nobody_can_tell(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task whose entry is gone may be one of those that are being reported."""
    shop = Workshop(link)
    await shop.open()
    await begun(shop)
    await link.execute("XTRIM", QUEUE, "MAXLEN", 0)
    for _ in range(3):
        await link.execute("XADD", shop.at.task_events, "*", "task_id", NOBODY, "status", "look", "token", "")
    monkeypatch.setattr(fsck_scenarios, "MOST_REPORTS", 2)

    report = await shop.checked(repair=True)

    assert (report.findings, report.undecided) == ([], 1)


async def test_a_report_under_way_explains_a_missing_entry(link: RedisLink) -> None:
    shop = Workshop(link)
    await shop.open()
    scenario = await made(shop, graph(chain(1)))
    [entry] = await shop.take()
    await link.execute("XACK", QUEUE, "workers", entry.entry_id)
    await link.execute("XDEL", QUEUE, entry.entry_id)
    await shop.worker.succeed(entry)

    assert (await shop.checked(repair=True)).findings == []
    await shop.end([])
    record = await shop.store.scenario(scenario.scenario_id)
    assert record and record.status.is_final


async def test_what_changes_between_two_looks_is_no_finding(link: RedisLink) -> None:
    """The second look comes after somebody else mended it."""
    shop = Workshop(link)
    await shop.open()
    scenario = await begun(shop)
    key = shop.at.task(scenario.task_ids[1])
    await link.execute("HSET", key, "queue", 3)

    class Meanwhile:
        """Time passes, and something happens."""

        def monotonic(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            await link.execute("HSET", key, "queue", 1)

    report = await Fsck(shop.store, clock=Meanwhile()).run(repair=True)

    assert report.findings == []


async def test_a_large_scenario_is_read_in_steps(link: RedisLink) -> None:
    shop = Workshop(link)
    await shop.open()
    store = Store(link, Partitions(1), Policy(chunk=500))
    scenario = graph(diamond(3_000))
    shop.store = store
    await made(shop, scenario)
    await link.execute("HSET", shop.at.task(scenario.task_ids[-1]), "queue", 2_999)

    report = await shop.checked(repair=True)

    assert (report.drift, report.left, report.tasks) == (Counter(queue_wrong=1), 0, 3_002)
