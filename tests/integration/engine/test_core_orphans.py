"""What a task leaves behind that ended before what it waits for, and what a pause holds back of the engine's own work."""

from dataclasses import replace
from pathlib import Path

from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Pause
from orchestrator.store.records import Cause
from tests.integration.engine.test_core_races import SUB, each
from tests.support.bench import Bench
from tests.support.graphs import graph
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status


async def test_a_cancelled_task_takes_its_children_with_it(link: RedisLink) -> None:
    bench = await Bench(link, graph({"each": []}, **each(3))).open()

    await bench.store.cancel_task(bench.ids["each"], Cause())
    await bench.settle()

    assert await bench.takes() == {}
    assert await bench.status() is Status.CANCELLED


async def test_a_paused_scenario_starts_no_scenario_within(link: RedisLink, inner: Path) -> None:
    made = graph({"before": [], "sub": ["before"]}, **{**SUB, "service": "test-service"})
    tasks = [replace(task, service="orchestrator") if task.name == "sub" else task for task in made.tasks]
    bench = await Bench(link, replace(made, tasks=tasks), templates=inner).open()
    before = (await bench.takes())["before"]
    flow = Flow(bench.store)
    await flow.pause_scenario(made.scenario_id, Pause("wait", "ann", ""))

    await bench.ends(before)
    assert (await bench.task("sub")).status is Status.PENDING
    assert await bench.takes() == {}
    await flow.resume_scenario(made.scenario_id, begin=True)
    await bench.settle()

    assert (await bench.task("sub")).status is Status.PROCESSING
    assert (await bench.child("sub")).status is Status.PENDING
