"""A scenario with so many added tasks that their ids stand in pieces: all that goes through the ids comes to every task."""

import pytest

from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Pause
from orchestrator.store.fsck import Fsck
from orchestrator.store.graph import read_graph
from orchestrator.store.records import Cause
from orchestrator.store.why import Why
from tests.integration.engine.test_children import for_each
from tests.support.bench import Bench
from workers_sdk.protocol.keys import short_uuid
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status, dumps, loads

CHILDREN = 1_700
LONGEST = 20_000
"""Bytes of ids that a call writes anew at most, and some more."""


@pytest.fixture
async def bench(link: RedisLink) -> Bench:
    """The children are there, and nobody works."""
    return await Bench(link, for_each(CHILDREN)).open()


def all_ids(bench: Bench) -> list[str]:
    """Of the scenario, in the order in which they came to be."""
    children = [
        short_uuid(bench.scenario.scenario_id, f"{bench.ids['each']}/{n}") for n in range(1, CHILDREN + 1)
    ]
    return [bench.ids["each"], bench.ids["join"], *children]


async def waiting(bench: Bench) -> int:
    return int(await bench.link.execute("XLEN", bench.at.queue("test-service")))


async def test_ids_stand_in_pieces_and_are_read_as_one_list(bench: Bench) -> None:
    key, expected = bench.at.scenario(bench.scenario.scenario_id), all_ids(bench)
    pieces = int(await bench.link.execute("HGET", key, "id_pieces"))
    texts = await bench.link.execute(
        "HMGET", key, "task_ids", *[f"task_ids:{n}" for n in range(1, pieces + 1)]
    )
    record = await bench.store.scenario(bench.scenario.scenario_id)
    graph = await read_graph(bench.link, bench.at, bench.scenario.scenario_id)
    why = await Why(bench.store).scenario(bench.scenario.scenario_id)

    assert pieces > 1
    assert max(map(len, texts)) < LONGEST
    assert [one for text in texts for one in loads(text)] == expected
    assert record and record.task_ids == expected
    assert graph and list(graph) == expected
    assert why and why.unfinished > 0
    assert (await Fsck(bench.store, settle_s=0).run()).findings == []


async def test_pause_resume_cancel_and_purge_come_to_all(bench: Bench) -> None:
    scenario_id, flow = bench.scenario.scenario_id, Flow(bench.store)
    assert await waiting(bench) == CHILDREN
    while await flow.pause_scenario(scenario_id, Pause()) == "MORE":
        continue
    assert await waiting(bench) == 0
    begin = True
    while await flow.resume_scenario(scenario_id, begin=begin) == "MORE":
        begin = False
    assert await waiting(bench) == CHILDREN
    while await bench.store.cancel(scenario_id, Cause("enough")) == "MORE":
        continue
    record = await bench.store.scenario(scenario_id)
    assert record and record.counts[Status.CANCELLED] == record.total == CHILDREN + 2
    await bench.link.execute("ZADD", bench.at.timers, 1, f"purge:{scenario_id}")
    assert await bench.store.begin_purge(bench.at, scenario_id) == "BEGUN"
    while await bench.store.purge(bench.at, scenario_id) == "MORE":
        continue
    assert await bench.link.execute("KEYS", "*task:*") == []


async def test_a_task_that_is_not_listed_is_found_and_listed_again(bench: Bench) -> None:
    key, field = bench.at.scenario(bench.scenario.scenario_id), "task_ids"
    ids = loads(await bench.link.execute("HGET", key, field))
    await bench.link.execute("HSET", key, field, dumps(ids[1:]))

    found = await Fsck(bench.store, settle_s=0).run(repair=True)

    assert "task_unlisted" in {one.kind for one in found.findings}
    record = await bench.store.scenario(bench.scenario.scenario_id)
    assert record and sorted(record.task_ids) == sorted(all_ids(bench))
    assert await bench.link.execute("HEXISTS", key, "id_pieces") == 0
    assert (await Fsck(bench.store, settle_s=0).run()).findings == []
