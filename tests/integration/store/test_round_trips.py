"""What a list costs: the same few round trips to Redis, however much it lists and however many partitions there are."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

import pytest

from orchestrator.api.queues import queues_of
from orchestrator.store.backlog import health_of
from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.deliveries import Deliveries
from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Limits, Pause
from orchestrator.store.gate_list import Wanted, list_gates
from orchestrator.store.listing import newest_of, oldest_of
from orchestrator.store.quarantine import set_aside
from orchestrator.store.schedule_records import Definition
from orchestrator.store.schedules import Schedules
from orchestrator.store.store import Store
from orchestrator.store.when import When
from tests.support.engines import materialized
from tests.support.graphs import chain, graph
from workers_sdk.protocol.keys import GROUP_WORKERS, Partitions, scenario_id_from
from workers_sdk.protocol.link import Argument, Command, Link, RedisLink
from workers_sdk.protocol.messages import Status


class CountingLink:
    """Counts round trips."""

    def __init__(self, inner: Link) -> None:
        self._inner = inner
        self.trips = 0

    async def execute(self, *command: Argument) -> Any:
        """See `Link`."""
        self.trips += 1
        return await self._inner.execute(*command)

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link`."""
        self.trips += bool(commands)
        return await self._inner.execute_many(commands)

    async def unblock(self) -> None:
        """See `Link`."""

    async def close(self) -> None:
        """See `Link`."""


def ids_of(partitions: Partitions, each: int) -> list[str]:
    """Ids of scenarios, so many of every partition."""
    found: dict[int, list[str]] = {at.index: [] for at in partitions}
    for one in (scenario_id_from(n.to_bytes(16)) for n in count()):
        own = found[partitions.of(one).index]
        if len(own) < each:
            own.append(one)
        if all(len(one) == each for one in found.values()):
            return [one for own in found.values() for one in own]
    raise AssertionError


async def filled(link: Link, partitions: int, each: int) -> Store:
    """Of everything so many in each partition; each scenario has a service of its own."""
    store = await Store.open(link, partitions=partitions, unsafe_volatile=True)
    flow = Flow(store)
    for n, scenario_id in enumerate(ids_of(store.partitions, each)):
        await materialized(store, graph(chain(2), service=f"service-{n}", scenario_id=scenario_id))
        await Schedules(store).create(scenario_id, Definition("Report", When(every_ms=60_000)))
        await flow.limit(f"managed-{n}", Limits(concurrency=8))
        await flow.pause(f"service-{n}", Pause("why", "who"))
        at = store.partitions.of(scenario_id)
        await link.execute("XGROUP", "CREATE", at.queue(f"service-{n}"), GROUP_WORKERS, "0", "MKSTREAM")
        await link.execute("ZADD", at.lanes(f"managed-{n}"), 1, "ann", 2, "bob")
        await link.execute("ZADD", at.lane(f"managed-{n}", "ann"), 1, "one", 2, "two")
    return store


LISTS: dict[str, tuple[int, Callable[[Store], Awaitable[object]]]] = {
    "names of services": (1, lambda store: Flow(store).services()),
    "services": (3, lambda store: _services(store)),
    "queues": (4, queues_of),
    "health": (3, health_of),
    "scenarios": (2, lambda store: store.scenarios(limit=50)),
    "scenarios by name": (2, lambda store: store.scenarios(name="Graph", limit=1)),
    "schedules": (2, lambda store: Schedules(store).page()),
    "kinds of dead letters": (1, lambda store: DeadLetters(store).kinds(50)),
    "dead letters": (1, lambda store: DeadLetters(store).letters(None, cursor=None, limit=50)),
    "deliveries": (1, lambda store: Deliveries(store).page(scenario_id_from(b"nobody"))),
    "gates": (1, lambda store: list_gates(store, Wanted(), cursor=None, limit=50)),
    "quarantine": (1, lambda store: set_aside(store, 50)),
}


async def _services(store: Store) -> None:
    flow = Flow(store)
    await flow.states(await flow.services())


@pytest.mark.parametrize(("partitions", "each"), [(1, 1), (1, 12), (4, 3)])
async def test_a_list_takes_the_same_few_round_trips_whatever_is_in_it(
    link: RedisLink, partitions: int, each: int
) -> None:
    await filled(link, partitions, each)
    counting = CountingLink(link)
    store = Store(counting, Partitions(partitions))
    trips = {}
    for what, (_, ask) in LISTS.items():
        counting.trips = 0
        await ask(store)
        trips[what] = counting.trips

    assert trips == {what: most for what, (most, _) in LISTS.items()}


async def test_the_states_of_all_services_are_those_of_each(link: RedisLink) -> None:
    store = await filled(link, 4, 2)
    flow = Flow(store)
    names = await flow.services()

    states = await flow.states(names)

    assert [state.service for state in states] == names
    assert states == [await flow.state(name) for name in names]
    by_name = {state.service: state for state in states}
    managed, worked = by_name["managed-3"], by_name["service-3"]
    assert (managed.waiting, managed.limits) == ({"ann": 2}, Limits(concurrency=8))
    assert (worked.paused and worked.paused.by, managed.paused) == ("who", None)


async def test_pages_meet_in_each_direction_where_all_share_one_moment(link: RedisLink) -> None:
    """As the lists of gates and of schedules are read: several indexes, everything in the same millisecond."""
    store = await Store.open(link, partitions=4, unsafe_volatile=True)
    ids = sorted(ids_of(store.partitions, 5))
    for one in ids:
        at = store.partitions.of(one)
        await link.execute("ZADD", at.index_of(Status.PENDING), 7, one, 7, "a stranger's member")
    keys = [at.index_of(Status.PENDING) for at in store.partitions]

    for newest in (True, False):
        listed: list[str] = []
        after = None
        while page := await (newest_of if newest else oldest_of)(link, keys, after, 3):
            listed += [position.scenario_id for position in page]
            after = page[-1]
        assert listed == sorted(ids, reverse=newest)
