"""The templates in docs/examples/durable, run as they stand there."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.handover import new_scenario
from orchestrator.templates import Registry, generate
from tests.support.engines import running_engine
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
