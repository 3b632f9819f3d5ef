"""The list of scenarios: newest first, filtered, in pages that meet without gap or overlap."""

import pytest

from orchestrator.store.listing import BadCursor
from orchestrator.store.store import Store
from tests.support.graphs import chain, graph
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status


async def test_pages_meet_without_gap_or_overlap(link: RedisLink) -> None:
    """Many of the scenarios share one millisecond."""
    store = await Store.open(link, unsafe_volatile=True)
    submitted = [(await store.submit(graph(chain(1)))).scenario_id for _ in range(57)]
    listed: list[str] = []
    cursor = None
    while True:
        page = await store.scenarios(cursor=cursor, limit=10)
        assert len(page.items) <= 10
        listed += [record.scenario_id for record in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert len(listed) == len(set(listed))
    assert set(listed) == set(submitted)


async def test_the_newest_comes_first(link: RedisLink) -> None:
    store = await Store.open(link, unsafe_volatile=True)
    for _ in range(5):
        await store.submit(graph(chain(1)))
    records = (await store.scenarios()).items

    assert [r.created_at for r in records] == sorted((r.created_at for r in records), reverse=True)


async def test_filters_by_status_and_name(link: RedisLink) -> None:
    store = await Store.open(link, unsafe_volatile=True)
    for _ in range(3):
        await store.submit(graph(chain(1)))

    assert len((await store.scenarios(status=Status.PENDING, name="Graph")).items) == 3
    assert (await store.scenarios(status=Status.SUCCESS)).items == []
    assert (await store.scenarios(name="Other")).items == []


@pytest.mark.parametrize(
    "cursor", ["x", "1.", ".0000000000000000", "1.UPPER", "-1.0000000000000000", "1" * 400]
)
async def test_a_cursor_of_somebody_else_is_refused(link: RedisLink, cursor: str) -> None:
    store = await Store.open(link, unsafe_volatile=True)
    with pytest.raises(BadCursor):
        await store.scenarios(cursor=cursor)
