"""The whole system on a cluster: nobody but the link knows that it is one."""

import itertools
from collections.abc import Iterator
from functools import partial

import pytest
from redis.crc import key_slot

from orchestrator.store.backlog import health_of
from orchestrator.store.fsck import Fsck
from orchestrator.store.records import NewScenario, ScenarioRecord
from tests.support.engines import Running, running_engine
from tests.support.graphs import diamond, graph
from tests.support.wait import wait_until
from workers_sdk import Worker
from workers_sdk.protocol.keys import Partitions, scenario_id_from
from workers_sdk.protocol.link import Unavailable
from workers_sdk.protocol.messages import Status

from .servers import THIRDS, RedisCluster, has_replicated

PARTITIONS = 4
WIDTH = 5


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster for one test."""
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def worker_on(url: str) -> Worker:
    """Does every task of a diamond."""
    worker = Worker("test-service", redis_url=url)
    for name in diamond(WIDTH):
        worker.task(name)(lambda: {"done": True})
    return worker


def scenario_ids(partition: int, count: int) -> list[str]:
    """Ids of a partition."""
    partitions = Partitions(PARTITIONS)
    ids = (scenario_id_from(n.to_bytes(16)) for n in itertools.count())
    return list(itertools.islice((i for i in ids if partitions.of(i).index == partition), count))


async def test_scenarios_of_all_partitions_run_to_their_end(cluster: RedisCluster) -> None:
    async with (
        running_engine(cluster.url(1), partitions=PARTITIONS) as engine,
        worker_on(cluster.url(2)).running(),
    ):
        ids = [i for partition in range(PARTITIONS) for i in scenario_ids(partition, 3)]
        for scenario_id in ids:
            await engine.store.submit(graph(diamond(WIDTH), service="test-service", scenario_id=scenario_id))
        for scenario_id in ids:
            record = await engine.finished(scenario_id)
            assert record.status is Status.SUCCESS
            tasks = await engine.store.tasks(record.task_ids)
            assert [task.result for task in tasks if task] == [{"done": True}] * (WIDTH + 2)
        report = await Fsck(engine.store, settle_s=0.1).run()
        assert (report.findings, report.scenarios, report.tasks) == ([], len(ids), len(ids) * (WIDTH + 2))

        page = await engine.store.scenarios(limit=50)
        assert {record.scenario_id for record in page.items} == set(ids)
        assert set((await health_of(engine.store)).backlog.values()) == {0}
        used = {master_of(f"{at.prefix}scenarios") for at in engine.store.partitions}
        assert len(used) > 1, "the partitions lie on several masters"


async def test_work_goes_on_after_a_master_was_replaced_by_its_replica(cluster: RedisCluster) -> None:
    async with (
        running_engine(cluster.url(1), partitions=PARTITIONS) as engine,
        worker_on(cluster.url(2)).running(),
    ):
        on_first = next(at.index for at in engine.store.partitions if master_of(f"{at.prefix}scenarios") == 0)
        before, after = scenario_ids(on_first, 2)
        await run(engine, before)
        await wait_until(lambda: has_replicated(cluster), what="the copy")
        cluster.nodes[0].kill()

        await run(engine, after)
        assert (await engine.finished(before)).status is Status.SUCCESS


async def run(engine: Running, scenario_id: str) -> None:
    """Submit until somebody takes it, and wait for the end."""
    scenario = graph(diamond(WIDTH), service="test-service", scenario_id=scenario_id)
    await wait_until(partial(_submitted, engine, scenario), what="a master that takes it", timeout_s=60)
    record = await wait_until(partial(_ended, engine, scenario_id), what="the end", timeout_s=60)
    assert record.status is Status.SUCCESS


async def _submitted(engine: Running, scenario: NewScenario) -> bool:
    try:
        await engine.store.submit(scenario)
    except Unavailable:
        return False
    return True


async def _ended(engine: Running, scenario_id: str) -> ScenarioRecord | None:
    try:
        record = await engine.store.scenario(scenario_id)
    except Unavailable:
        return None
    return record if record and record.status.is_final else None


def master_of(key: str) -> int:
    """Which master owns a key."""
    slot = key_slot(key.encode())
    return next(n for n, (first, last) in enumerate(THIRDS) if first <= slot <= last)
