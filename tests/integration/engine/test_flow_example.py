"""docs/examples/durable/flow.yml, as it stands there, with workers of the SDK."""

import asyncio
from collections import Counter

from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Limits
from tests.integration.engine.test_graph_examples import ended, example
from tests.support.engines import running_engine
from workers_sdk import Context, Worker
from workers_sdk.protocol.messages import Status


class Studio:
    """A worker that notes who is at work."""

    def __init__(self, url: str, began: list[str], at_work: Counter[str], most: Counter[str]) -> None:
        self.worker = Worker("draw-service", redis_url=url, concurrency=8)
        self.began, self.at_work, self.most = began, at_work, most
        self.together = 0
        self.worker.task("Draw")(self._draw)
        self.worker.task("Cover")(self._cover)

    async def _draw(self, ctx: Context) -> None:
        self.began.append(ctx.name)
        self.at_work[ctx.scenario_id] += 1
        self.most[ctx.scenario_id] = max(self.most[ctx.scenario_id], self.at_work[ctx.scenario_id])
        self.together = max(self.together, self.at_work.total())
        await asyncio.sleep(0.02)
        self.at_work[ctx.scenario_id] -= 1

    async def _cover(self, ctx: Context) -> None:
        self.began.append(ctx.name)


async def test_three_at_once_for_each_user_and_the_cover_first(redis_url: str) -> None:
    scenarios = [example("Flow", USER=user) for user in ("ann", "bob")]
    began: list[str] = []
    at_work, most = Counter[str](), Counter[str]()
    studios = [Studio(redis_url, began, at_work, most) for _ in range(2)]
    async with running_engine(redis_url) as engine:
        for scenario in scenarios:
            await engine.store.submit(scenario)
        async with studios[0].worker.running(), studios[1].worker.running():
            ends = [(await ended(engine, scenario))[0] for scenario in scenarios]

    assert ends == [Status.SUCCESS, Status.SUCCESS]
    assert began[0] == "Cover"
    assert set(most.values()) == {3}
    assert len(began) == 26


async def test_a_limit_holds_over_all_partitions_together(redis_url: str) -> None:
    scenarios = [example("Flow", USER=f"user-{n}", N=8) for n in range(6)]
    began: list[str] = []
    at_work, most = Counter[str](), Counter[str]()
    studio = Studio(redis_url, began, at_work, most)
    async with running_engine(redis_url, partitions=3) as engine, studio.worker.running():
        await Flow(engine.store).limit("draw-service", Limits(concurrency=4))
        for scenario in scenarios:
            await engine.store.submit(scenario)
        ends = [(await ended(engine, scenario))[0] for scenario in scenarios]
        state = await Flow(engine.store).state("draw-service")

    assert ends == [Status.SUCCESS] * 6
    assert studio.together <= 4
    assert len(began) == 6 * 9
    assert (state.waiting, state.out, state.queued) == ({}, 0, 0)
