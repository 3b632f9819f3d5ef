"""The receiver that `docs/webhooks.md` publishes, run as it stands there: plain Python, no code of ours."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.egress import Egress
from orchestrator.engine import Sending
from orchestrator.signing import new_secret
from orchestrator.store.deliveries import Deliveries
from orchestrator.store.endpoints import Endpoint, Endpoints, Secret
from orchestrator.store.records import Cause
from tests.support.engines import running_engine
from tests.support.graphs import chain, graph
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import scenario_id_from

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "webhook_receiver.py"
SECRET = new_secret()


@pytest.fixture
def published_receiver() -> Iterator[subprocess.Popen[str]]:
    """The example as a process of its own. Its first line is its URL."""
    environment = {**os.environ, "WEBHOOK_SECRET": SECRET}
    command = [sys.executable, str(EXAMPLE), "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield process
        process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_example_is_short_and_needs_nothing_but_python() -> None:
    source = EXAMPLE.read_text()
    imported = {node.names[0].name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import)}
    assert len(source.splitlines()) <= 60
    assert imported <= sys.stdlib_module_names


async def test_the_published_receiver_takes_each_message_once(
    redis_url: str, published_receiver: subprocess.Popen[str]
) -> None:
    url = line_of(published_receiver)
    sending = Sending(egress=Egress(allow_http=True, allow_private=True))
    scenarios = [graph(chain(1)) for _ in range(2)]
    async with running_engine(redis_url, sending=sending) as engine:
        endpoints, deliveries = Endpoints(engine.store), Deliveries(engine.store)
        endpoint = await endpoints.add(Endpoint(scenario_id_from(b"e"), url, [Secret(SECRET)]))

        async def taken(count: int) -> None:
            async def look() -> bool:
                return sum(one.attempts for one in (await deliveries.page(endpoint.id)).items) == count

            await wait_until(look, what=f"{count} attempts are noted")

        async def cancelled(number: int) -> None:
            await engine.store.submit(scenarios[number])
            await engine.store.cancel(scenarios[number].scenario_id, Cause())

        await cancelled(0)
        await taken(1)
        [first] = (await deliveries.page(endpoint.id)).items
        await deliveries.redrive(endpoint.id, [first.id])
        await taken(2)
        await cancelled(1)
        await taken(3)
        found = (await deliveries.page(endpoint.id)).items
    async with httpx.AsyncClient() as client:
        forged = await client.post(url, content=b"{}", headers={"webhook-id": "x", "webhook-timestamp": "1"})

    assert {one.status for one in found} == {"success"}
    told = [line_of(published_receiver) for _ in range(2)]
    assert told == [f"scenario.cancelled {scenario.scenario_id}" for scenario in scenarios]
    assert forged.status_code == 401
