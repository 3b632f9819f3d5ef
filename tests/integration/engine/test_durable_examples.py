"""The templates in docs/examples/durable, run as they stand there."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.handover import new_scenario
from orchestrator.store.records import Cause
from orchestrator.templates import Registry, generate
from tests.integration.engine.test_graph_examples import Crew, ended, example
from tests.support.engines import running_engine
from tests.support.wait import wait_until
from workers_sdk import Context, Fail, Worker
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status

EXAMPLES = Registry([Path(__file__).parents[3] / "docs" / "examples" / "durable"])


async def test_retries(redis_url: str) -> None:
    template = EXAMPLES.get("Retries")
    generated = generate(
        template, scenario_id=scenario_id_from(secrets.token_bytes(16)), variables={}, now=datetime.now(UTC)
    )
    worker = Worker("flaky-service", redis_url=redis_url)

    @worker.task("Fetch")
    async def fetch(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise Fail("not yet", code="Busy")
        return ctx.attempt

    worker.task("Store")(lambda: "stored")
    async with running_engine(redis_url) as engine, worker.running():
        await engine.store.submit(new_scenario(generated, []))
        record = await engine.finished(generated.scenario_id)
        fetched = await engine.store.task(generated.tasks[0].id)
        attempts = await engine.store.attempts(generated.tasks[0].id)

    assert record.status is Status.SUCCESS
    assert fetched is not None and (fetched.attempt, fetched.result) == (3, 3)
    assert [(one.attempt, one.error["type"]) for one in attempts] == [(1, "Busy"), (2, "Busy")]


async def test_timeouts(redis_url: str) -> None:
    scenario = example("Timeouts")
    worker = Worker("page-service", redis_url=redis_url)

    @worker.task("Render")
    async def render(ctx: Context) -> None:
        await ctx.cancelled.wait()

    worker.task("Fallback")(lambda: "a plain page")
    async with running_engine(redis_url) as engine, worker.running():
        await engine.store.submit(scenario)
        _, found = await ended(engine, scenario)
        attempts = await engine.store.attempts(found["Render"].id)

    assert found["Render"].error["type"] == "run_timeout"
    assert [one.error["type"] for one in attempts] == ["run_timeout", "run_timeout"]
    assert found["Fallback"].result == "a plain page"


async def test_cancel(redis_url: str) -> None:
    scenario = example("Cancel")
    crew = Crew(redis_url, "machine-service", scenario, waits="Compute")
    async with running_engine(redis_url) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        await wait_until(lambda: "Compute" in crew.ran, what="the computation")
        await engine.store.cancel(scenario.scenario_id, Cause("too dear", "alice"))
        status, found = await ended(engine, scenario)

    assert status is Status.CANCELLED
    assert crew.ran == ["Rent", "Compute", "GiveBack"]
    assert found["Report"].error == {"type": "cancelled", "message": "too dear", "by": "alice"}
