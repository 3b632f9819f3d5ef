"""The example of docs/schedules.md: made over HTTP, fired by an engine, done by a worker, on the real clock."""

from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from orchestrator.api.app import create_app
from orchestrator.config import Settings
from orchestrator.store.records import Cause
from orchestrator.store.schedule_records import Definition, State
from orchestrator.store.schedules import Schedules
from orchestrator.store.when import When
from orchestrator.templates import Registry
from tests.support.engines import running_engine
from tests.support.wait import wait_until
from workers_sdk import Context, Worker
from workers_sdk.protocol.keys import scenario_id_from

DURABLE = Path(__file__).parents[3] / "docs" / "examples" / "durable"


async def test_a_scenario_starts_after_its_delay_and_is_done(redis_url: str) -> None:
    without_file: dict[str, Any] = {"_env_file": None}
    app = create_app(
        Settings(**without_file, redis_url=redis_url, unsafe_volatile=True, templates=(DURABLE,))
    )
    worker = Worker("news-service", redis_url=redis_url)

    @worker.task("Collect")
    async def collect(ctx: Context) -> str:
        return str(ctx.prompt)

    @worker.task("Publish")
    async def publish(ctx: Context) -> str:
        return str(ctx.result("digest_id").value)

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client,
        running_engine(redis_url, templates=Registry([DURABLE])) as engine,
        worker.running(),
    ):
        body = {"scenario": "WeeklyDigest", "variables": {"CITY": "Rome"}, "delay_s": 0.3}
        path = (await client.post("/schedules", json=body)).headers["location"]

        async def last() -> Any:
            return (await client.get(path)).json()["last_scenario_id"]

        scenario_id = await wait_until(last, what="a scenario of the schedule")
        await engine.finished(scenario_id)
        schedule = (await client.get(path)).json()
        publish_task = (await client.get(f"/scenarios/{scenario_id}")).json()["tasks"][-1]
        await client.delete(path)

    fired_at = schedule["last_fires"][0]["at"]
    assert (schedule["state"], schedule["runs"], schedule["next_at"]) == ("ended", 1, None)
    assert publish_task["result"] == f"Rome, the week before {fired_at}"
    assert datetime.fromisoformat(fired_at) > datetime.fromisoformat(schedule["created_at"])


async def test_two_engines_that_see_the_same_moment_make_each_scenario_once(redis_url: str) -> None:
    templates = Registry([DURABLE])
    async with (
        running_engine(redis_url, templates=templates) as one,
        running_engine(redis_url, templates=templates),
    ):
        schedules = Schedules(one.store)
        ids = [scenario_id_from(bytes([n])) for n in range(20)]
        for schedule_id in ids:
            await schedules.create(schedule_id, Definition("WeeklyDigest", When()), delay_ms=500)

        async def all_ended() -> bool:
            read = [await schedules.read(schedule_id) for schedule_id in ids]
            return all(record and record.state is State.ENDED for _, record in read)

        await wait_until(all_ended, what="the fires of all schedules")
        page = await one.store.scenarios(limit=100)
        assert len(page.items) == 20
        for item in page.items:
            await one.store.cancel(item.scenario_id, Cause())
