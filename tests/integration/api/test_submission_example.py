"""docs/examples/durable/batch.ndjson, sent as it stands there, and worked off."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from orchestrator.api.app import create_app
from orchestrator.config import Settings
from tests.support.wait import wait_until
from workers_sdk import Context, Worker

DURABLE = Path(__file__).parents[3] / "docs" / "examples" / "durable"


@pytest.fixture
def app_of_examples(settings: Settings) -> FastAPI:
    return create_app(settings.model_copy(update={"templates": (DURABLE,), "durability": "replicated(1)"}))


@pytest.mark.usefixtures("engine")
async def test_a_letter_for_each_line(app_of_examples: FastAPI, redis_url: str) -> None:
    worker, written = Worker("letter-service", redis_url=redis_url), []

    @worker.task("Write")
    def write(ctx: Context) -> str:
        return ctx.prompt

    @worker.task("Send")
    def send(ctx: Context) -> None:
        written.append(ctx.result("text_task_id").value)

    transport = httpx.ASGITransport(app_of_examples)
    async with (
        app_of_examples.router.lifespan_context(app_of_examples),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
        worker.running(),
    ):
        lines = (DURABLE / "batch.ndjson").read_bytes()
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "letters"}
        told = (await client.post("/batches", content=lines, headers=headers)).json()
        assert ([one["line"] for one in told["results"]], told["refused"]) == ([1, 2, 4], 0)
        assert told["durability"]["reason"].startswith("0 of 1 replicas")

        async def finished() -> bool:
            return bool((await client.get(told["links"]["self"])).json()["status"] == "finished")

        await wait_until(finished, what="the end of the batch")
        assert sorted(written) == ["Dear Ann", "Dear Bob", "Dear Dan"]
        batch = (await client.get(told["links"]["self"])).json()
        assert (batch["counts"]["success"], batch["percent"]) == (3, 100)
        page = (await client.get(told["links"]["scenarios"], params={"status": "success"})).json()
        assert [(one["line"], one["tenant"], one["priority"]) for one in page["items"]] == [
            (1, None, None),
            (2, "acme", 1),
            (4, "acme", None),
        ]
        again = (await client.post("/batches", content=lines, headers=headers)).json()
        assert (again["batch_id"], again["replayed"]) == (told["batch_id"], 3)
