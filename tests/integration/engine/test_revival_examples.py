"""The examples of docs/dead-letters.md, run as they stand there."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.handover import new_scenario
from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.edits import Edits
from orchestrator.store.rerun import Rerun
from orchestrator.templates import Registry, generate
from tests.support.engines import running_engine
from workers_sdk import Context, Fail, Worker
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status

EXAMPLES = Registry([Path(__file__).parents[3] / "docs" / "examples" / "durable"])


async def test_redrive(redis_url: str) -> None:
    generated = generate(
        EXAMPLES.get("Redrive"),
        scenario_id=scenario_id_from(secrets.token_bytes(16)),
        variables={},
        now=datetime.now(UTC),
    )
    worker = Worker("voice-service", redis_url=redis_url)
    drawn: list[str] = []

    @worker.task("Speak")
    async def speak(ctx: Context) -> str:
        if ctx.params["voice"] == "anna":
            raise Fail("no such voice 'anna'", code="BadVoice")
        return f"{ctx.params['voice']} at {ctx.params['speed']}"

    @worker.task("Draw")
    async def draw(ctx: Context) -> None:
        drawn.append(ctx.task_id)

    @worker.task("Film")
    async def film(ctx: Context) -> str:
        return f"film with {ctx.result('voice_task_id').value}"

    async with running_engine(redis_url) as engine, worker.running():
        letters = DeadLetters(engine.store)
        await engine.store.submit(new_scenario(generated, []))
        assert (await engine.finished(generated.scenario_id)).status is Status.FAILED
        ((kind,), _) = await letters.kinds(10)
        assert kind.sample.name == "Speak" and kind.sample.attempt == 1

        assert await letters.edit(kind.sample.id, Edits(params={"voice": "ben"})) == "OK"
        assert await letters.redrive_one(kind.sample.id) == "OK"
        record = await engine.finished(generated.scenario_id)
        result = await engine.store.task(record.task_ids[-1])

    assert record.status is Status.SUCCESS
    assert result and result.result == "film with ben at 1"
    assert len(drawn) == 1


async def test_rerun(redis_url: str) -> None:
    generated = generate(
        EXAMPLES.get("Rerun"),
        scenario_id=scenario_id_from(secrets.token_bytes(16)),
        variables={},
        now=datetime.now(UTC),
    )
    worker = Worker("film-service", redis_url=redis_url)
    ran: list[str] = []

    @worker.task("Write")
    async def write(ctx: Context) -> str:
        ran.append(ctx.name)
        return "cats"

    @worker.task("Draw")
    async def draw(ctx: Context) -> None:
        ran.append(ctx.name)

    @worker.task("Speak")
    async def speak(ctx: Context) -> str:
        ran.append(ctx.name)
        return f"{ctx.params['voice']} reads {ctx.result('text_task_id').value}"

    @worker.task("Film")
    async def film(ctx: Context) -> str:
        ran.append(ctx.name)
        return str(ctx.result("voice_task_id").value)

    async with running_engine(redis_url) as engine, worker.running():
        await engine.store.submit(new_scenario(generated, []))
        old = await engine.finished(generated.scenario_id)
        first_run = sorted(ran)
        ran.clear()
        new_id = scenario_id_from(secrets.token_bytes(16))
        new = await Rerun(engine.store).of(old, "Speak", new_id, Edits(params={"voice": "ben"}))
        await engine.store.submit(new)
        record = await engine.finished(new.scenario_id)
        result = await engine.store.task(record.task_ids[-1])

    assert first_run == ["Draw", "Film", "Speak", "Write"]
    assert ran == ["Speak", "Film"]
    assert record.status is Status.SUCCESS
    assert result and result.result == "ben reads cats"
