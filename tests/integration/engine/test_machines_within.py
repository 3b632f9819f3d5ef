"""Scenarios within states, and scenarios with states within others."""

from pathlib import Path

from orchestrator.engine.launcher import Launcher
from orchestrator.store.machine_records import Event
from orchestrator.store.machines import MachineStore
from orchestrator.store.records import ScenarioRecord
from orchestrator.templates import Registry
from tests.support.engines import Running, running_engine
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

TEMPLATES = {
    "Outer": """
tasks:
  - {name: Sale, scenario: Shop}
  - {name: After, service: test-service, needs: [Sale], sale: {{ result('Sale') }}}
""",
    "Shop": """
states:
  open:
    tasks: [{name: Film, scenario: Episode}]
    then: sold
    on: {close: sold}
  sold: {end: success}
""",
    "Episode": "tasks: [{name: Work, service: test-service}]",
}


def registry(folder: Path) -> Registry:
    for name, text in TEMPLATES.items():
        (folder / f"{name}.yml").write_text(text)
    return Registry([folder])


async def begun(engine: Running, templates: Registry, worker: PlainWorker) -> ScenarioRecord:
    """The scenario `Shop`, whose inner work a worker has taken."""
    outer = scenario_id_from(b"outer")
    await Launcher(engine.store, templates).launch("Outer", {}, outer)
    await wait_until(lambda: worker.take(), what="the work within")
    (sale, _) = await engine.store.tasks((await _known(engine, outer)).task_ids)
    assert sale is not None
    return await _known(engine, sale.child_scenario_id)


async def _known(engine: Running, scenario_id: str) -> ScenarioRecord:
    record = await engine.store.scenario(scenario_id)
    assert record is not None
    return record


async def test_a_state_that_is_left_takes_the_scenario_within_it_along(
    tmp_path: Path, redis_url: str, link: RedisLink
) -> None:
    templates, worker = registry(tmp_path), PlainWorker(link)
    async with running_engine(redis_url, templates=templates) as engine:
        shop = await begun(engine, templates, worker)
        film = next(
            task
            for task in await engine.store.tasks((await _known(engine, shop.scenario_id)).task_ids)
            if task and task.name == "Film"
        )

        await MachineStore(engine.store).send(shop, Event("close"))

        assert (await engine.finished(film.child_scenario_id)).status is Status.CANCELLED
        assert (await engine.finished(shop.scenario_id)).status is Status.SUCCESS
        (after,) = await wait_until(worker.take, what="what waits for the sale")
        assert after.name == "After"
        assert after.fields["sale"]["results"]["machine"] == {"state": "sold"}


async def test_a_scenario_within_a_state_that_succeeds_leads_on(
    tmp_path: Path, redis_url: str, link: RedisLink
) -> None:
    templates, worker = registry(tmp_path), PlainWorker(link)
    async with running_engine(redis_url, templates=templates) as engine:
        outer = scenario_id_from(b"outer")
        await Launcher(engine.store, templates).launch("Outer", {}, outer)
        for name in ("Work", "After"):
            (entry,) = await wait_until(worker.take, what=name)
            assert entry.name == name
            await worker.succeed(entry)

        assert (await engine.finished(outer)).status is Status.SUCCESS
