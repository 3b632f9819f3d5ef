"""Work that takes many leases: the template docs/examples/durable/long_running.yml, on the loop and in a thread."""

import asyncio
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.handover import new_scenario
from orchestrator.store.store import Policy
from orchestrator.templates import Registry, generate
from tests.support.engines import running_engine
from tests.support.wait import wait_until
from workers_sdk import Context, Worker
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status

EXAMPLES = Registry([Path(__file__).parents[3] / "docs" / "examples" / "durable"])
SHORT = Policy(lease_ms=1_000)
LEASES = 4


async def test_a_task_of_many_leases_is_one_attempt_and_tells_how_far_it_is(redis_url: str) -> None:
    scenario = new_scenario(
        generate(
            EXAMPLES.get("LongRunning"),
            scenario_id=scenario_id_from(secrets.token_bytes(16)),
            variables={},
            now=datetime.now(UTC),
        ),
        [],
    )
    enough, enough_in_threads = asyncio.Event(), threading.Event()
    calls: list[str] = []
    worker = Worker("film-service", redis_url=redis_url, concurrency=2)

    @worker.task("Encode")
    async def encode(ctx: Context) -> str:
        calls.append(ctx.name)
        await enough.wait()
        ctx.progress(50, "half")
        return "on the loop"

    @worker.task("Watch")
    def watch(ctx: Context) -> str:
        calls.append(ctx.name)
        frames = 0
        while not enough_in_threads.wait(0.01):
            frames += 1
            ctx.progress(min(99, frames / 10), f"frame {frames}")
        return "in a thread"

    async with running_engine(redis_url, SHORT) as engine, running_engine(redis_url, SHORT), worker.running():
        store, link = engine.store, engine.store.link
        await store.submit(scenario)
        seen: set[float] = set()

        async def ms() -> int:
            seconds, micros = await link.execute("TIME")
            return int(seconds) * 1000 + int(micros) // 1000

        async def long_enough() -> bool:
            (_, told) = await store.tasks(scenario.task_ids)
            seen.update([told.progress] if told and told.progress else [])
            return len(calls) == 2 and len(seen) > 3 and await ms() > begun + LEASES * SHORT.lease_ms

        begun = await ms()
        await wait_until(long_enough, what=f"{LEASES} leases with progress")
        running = await store.tasks(scenario.task_ids)
        enough.set()
        enough_in_threads.set()
        record = await engine.finished(scenario.scenario_id)
        done = await store.tasks(scenario.task_ids)

    assert [one and (one.status, one.attempt) for one in running] == [(Status.PROCESSING, 1)] * 2
    assert record.status is Status.SUCCESS
    assert [one and (one.attempt, one.result) for one in done] == [(1, "on the loop"), (1, "in a thread")]
    assert sorted(calls) == ["Encode", "Watch"]
    assert max(seen) <= 99
