"""What scenarios count for: their tenant and their batch, through every way in, to an end, and back."""

import random
from dataclasses import replace

import pytest

from orchestrator.store.batches import BatchRecord, scenario_id_of
from orchestrator.store.outcomes import BatchCancelled, IdempotencyConflict, TenantFull
from orchestrator.store.records import Cause, Line, NewScenario, Owner
from orchestrator.store.revival import Revival
from orchestrator.store.store import Policy
from tests.support.graphs import chain, graph
from tests.support.works import Works
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

BATCH = scenario_id_from(b"batch")


def owned(tenant: str = "acme", scenario_id: str = "") -> NewScenario:
    return replace(graph(chain(2), scenario_id=scenario_id), owner=Owner(tenant))


def line(number: int, digest: str = "") -> Line:
    return Line(BATCH, number, digest or f"digest {number}")


async def add(works: Works, number: int, tenant: str = "acme") -> str:
    """A line of the batch."""
    return await works.submit(owned(tenant, scenario_id_of(BATCH, number)), line(number))


async def counted(works: Works) -> tuple[int, int, int, int, int]:
    """Total, unfinished, success, failed, cancelled of the batch."""
    batch = await works.batches.get(BATCH)
    assert batch
    return batch.total, batch.unfinished, *batch.ended.values()  # type: ignore[return-value]


async def test_every_end_leaves_the_counts_right(link: RedisLink) -> None:
    works = await Works(link).open()
    ids = [await add(works, number) for number in range(1, 5)]
    other = await works.submit(owned("other"))
    assert await works.tenants() == {"acme": 4, "other": 1}
    assert await counted(works) == (4, 4, 0, 0, 0)

    await works.store.cancel(ids[0], Cause("enough"))
    await works.store.reject(works.at, ids[1], "0-1", "malformed", "no")
    assert await counted(works) == (4, 2, 0, 1, 1)
    await works.work(ids[2])

    assert await counted(works) == (4, 0, 1, 2, 1)
    assert await works.tenants() == {}
    record = await works.record(other)
    assert record and (record.status, record.owner.tenant) == (Status.SUCCESS, "other")


async def test_what_is_brought_back_counts_again(link: RedisLink) -> None:
    works = await Works(link).open()
    failed, cancelled = await add(works, 1), await add(works, 2)
    await works.store.cancel(cancelled, Cause("enough"))
    await works.work(failed)
    assert await counted(works) == (2, 0, 0, 1, 1)

    for scenario_id in (failed, cancelled):
        assert (await Revival(works.store).retry(scenario_id)).word == "OK"
    assert await counted(works) == (2, 2, 0, 0, 0)
    assert await works.tenants() == {"acme": 2}
    await works.work()

    assert await counted(works) == (2, 0, 2, 0, 0)
    assert await works.tenants() == {}


async def test_a_repeated_line_is_counted_once_and_another_one_in_its_place_is_refused(
    link: RedisLink,
) -> None:
    works = await Works(link).open()
    scenario = owned(scenario_id=scenario_id_of(BATCH, 1))
    first = await works.store.submit(scenario, line=line(1))

    again = await works.store.submit(scenario, line=line(1))
    with pytest.raises(IdempotencyConflict):
        await works.store.submit(scenario, line=line(1, "another"))

    assert (first.replayed, again.replayed) == (False, True)
    assert await counted(works) == (1, 1, 0, 0, 0)
    assert await works.tenants() == {"acme": 1}


async def test_a_tenant_that_is_full_gets_room_by_an_end(link: RedisLink) -> None:
    works = await Works(link, Policy(max_unfinished_of_tenant=1)).open()
    first = await works.submit(owned(), admit=True)
    with pytest.raises(TenantFull):
        await works.submit(owned(), admit=True)
    await works.submit(owned("other"), admit=True)
    await works.submit(owned())  # the engine's own
    assert await works.tenants() == {"acme": 2, "other": 1}

    await works.work(first)

    await works.submit(owned(), admit=True)
    assert await works.tenants() == {"acme": 1}


async def test_a_cancelled_batch_is_cancelled_in_chunks_and_takes_no_more(link: RedisLink) -> None:
    works = await Works(link, Policy(chunk=64)).open()
    ids = [await add(works, number) for number in range(1, 8)]
    await works.work(*ids[:1])  # all of it is over
    ids += [await add(works, number) for number in range(8, 240)]

    assert await works.batches.cancel(BATCH, Cause("enough", "ann")) == "MORE"
    with pytest.raises(BatchCancelled):
        await add(works, 300)
    assert await works.due_in(f"cancel-batch:{BATCH}") == 1_000
    for _ in range(8):
        await works.pass_by(1_000)  # who asked for it is gone

    assert await counted(works) == (239, 0, 6, 1, 232)
    assert await works.due_in(f"cancel-batch:{BATCH}") is None
    record = await works.record(ids[100])
    assert record and record.error == {"type": "cancelled", "message": "enough", "by": "ann"}
    assert await works.batches.cancel("0" * 16, Cause()) == "UNKNOWN"


async def test_a_batch_goes_with_the_last_of_its_scenarios(link: RedisLink) -> None:
    works = await Works(link, Policy(retention_ms=1_000)).open()
    await add(works, 1)
    await works.work()
    await add(works, 2)
    await works.batches.close(BATCH, 3)
    await works.pass_by(1_000)
    batch = await works.batches.get(BATCH)
    assert batch and (batch.total, batch.unfinished, batch.lines) == (2, 1, 3)
    page = await works.batches.scenarios(BATCH, 0, 10)
    assert [number for number, _ in page.items] == [2]
    await works.work()

    await works.pass_by(1_000)

    assert await works.batches.get(BATCH) is None
    assert not await link.execute("EXISTS", works.at.batch(BATCH), works.at.batch_scenarios(BATCH))


async def test_a_batch_whose_sender_went_away_expires_after_the_last_of_its_scenarios(
    link: RedisLink,
) -> None:
    works = await Works(link, Policy(retention_ms=1_000)).open()
    await add(works, 1)
    assert await link.execute("PTTL", works.at.batch(BATCH)) == -1
    await works.work()
    await works.pass_by(1_000)
    assert 0 < await link.execute("PTTL", works.at.batch(BATCH)) <= 24 * 3_600_000

    await add(works, 2)  # it is there again

    assert await link.execute("PTTL", works.at.batch(BATCH)) == -1
    assert await counted(works) == (2, 1, 1, 0, 0)


@pytest.mark.parametrize("seed", range(12))
async def test_any_history_leaves_counts_that_could_be_counted_anew(link: RedisLink, seed: int) -> None:
    works, chance = await Works(link, Policy(chunk=2)).open(), random.Random(seed)
    ids: list[str] = []
    for number in range(1, 30):
        move = chance.choice(["add", "add", "work", "cancel", "retry", "reject", "cancel twice"])
        scenario_id = chance.choice(ids) if ids else ""
        if move == "add":
            ids.append(await add(works, number, chance.choice(["a", "b"])))
        elif move == "work":
            await works.work(*chance.sample(ids, len(ids) // 2))
        elif ids and move == "retry":
            await Revival(works.store).retry(scenario_id)
        elif ids and move == "reject":
            await works.store.reject(works.at, scenario_id, "0-1", "malformed", "no")
        elif ids:
            await works.store.cancel(scenario_id, Cause())
            if move == "cancel twice":
                await works.pass_by(1_000)
        await agree(works, ids)


async def agree(works: Works, ids: list[str]) -> None:
    """Compare with what the scenarios say."""
    records = [record for one in ids if (record := await works.record(one))]
    unfinished = [record for record in records if not record.status.is_final]
    tenants = {tenant: sum(one.owner.tenant == tenant for one in unfinished) for tenant in ("a", "b")}
    assert await works.tenants() == {tenant: n for tenant, n in tenants.items() if n}
    batch = await works.batches.get(BATCH)
    if batch:
        assert batch == BatchRecord(
            BATCH,
            batch.created_at,
            len(records),
            len(unfinished),
            {end: sum(one.status is end for one in records) for end in batch.ended},
            None,
            "",
            None,
        )
