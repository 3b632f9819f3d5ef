"""The worker that `docs/protocol.md` publishes, run as it stands there: no SDK, no code of ours."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import Running
from tests.support.graphs import diamond, graph
from tests.support.plain_worker import PlainWorker
from workers_sdk.protocol.messages import Status

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "plain_worker.py"


@pytest.fixture
def published_worker(redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """The example as a process of its own."""
    with subprocess.Popen(
        [sys.executable, EXAMPLE, "test-service"], env={**os.environ, "REDIS_URL": redis_url}
    ) as process:
        yield process
        process.kill()


def test_the_example_is_short_and_needs_nothing_of_ours() -> None:
    source = EXAMPLE.read_text()
    imported = {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import)
        for alias in node.names
    }

    assert len(source.splitlines()) <= 60
    assert imported <= {"json", "os", "socket", "sys", "redis"}


@pytest.mark.usefixtures("published_worker")
async def test_the_published_worker_completes_a_scenario(engine: Running, worker: PlainWorker) -> None:
    scenario = graph(diamond(4))
    await engine.store.submit(scenario)

    record = await engine.finished(scenario.scenario_id)
    tasks = await engine.store.tasks(record.task_ids)

    assert record.status is Status.SUCCESS
    assert [task.result["text"] for task in tasks if task] == ["FIRST", "M0", "M1", "M2", "M3", "LAST"]
    assert await worker.link.execute("XLEN", "queue:test-service") == 0
    pending = await worker.link.execute("XPENDING", "queue:test-service", "workers")
    assert pending[0] == 0
