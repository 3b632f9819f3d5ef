"""Large scenarios and small ones at the same time."""

from collections.abc import Sequence
from typing import Any

from orchestrator.engine import Seams
from orchestrator.engine.materializer import BATCH, Materializer
from orchestrator.store.store import Policy, Store
from tests.support.graphs import chain, graph
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink

CHUNK = 4
LARGE = {f"task-{i}": list[str]() for i in range(10 * CHUNK)}


class Counting(Store):
    """Counts the chunks that were written, and submits a scenario after some."""

    chunks = 0
    at_small = 0

    async def call(self, name: str, values: dict[str, Any], rest: Sequence[str | bytes | int] = ()) -> Any:
        answer = await super().call(name, values, rest)
        if name == "materialize":
            self.chunks += 1
            if self.chunks == BATCH:
                await self.submit(graph(chain(1), service="small"))
            if not self.at_small and await self.link.execute("XLEN", "queue:small"):
                self.at_small = self.chunks
        return answer


async def test_a_small_scenario_does_not_wait_for_the_large_ones_before_it(link: RedisLink) -> None:
    store = Counting(link, Partitions(1), Policy(chunk=CHUNK))
    large = [graph(LARGE, service="large") for _ in range(BATCH - 1)]
    for scenario in large:
        await store.submit(scenario)
    materializer = Materializer(store, Seams(link), store.partitions[0], "one")
    await materializer.step()  # makes the group

    await materializer.step()

    assert store.chunks == len(large) * 10 + 1
    assert store.at_small <= 3 * BATCH
    assert await link.execute("XLEN", "queue:large") == len(large) * len(LARGE)
    assert await link.execute("XLEN", "scenarios") == 0
