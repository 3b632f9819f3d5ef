"""The example of docs/workers.md: the files that the page shows, run as they stand there."""

import asyncio
import re
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.handover import new_scenario
from orchestrator.templates import Registry, generate
from tests.support.engines import running_engine
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status
from workers_sdk.protocol.spawn import spawned_id

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = DOCS / "examples" / "workers"


def test_the_page_shows_the_files_it_links_to() -> None:
    page = (DOCS / "workers.md").read_text("utf-8")
    for language, name in (("python", "count_book.py"), ("yaml", "count_book.yml")):
        shown = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        assert shown[0] == (EXAMPLE / name).read_text("utf-8")


async def test_the_example_runs(redis_url: str, tmp_path: Path) -> None:
    template = Registry([EXAMPLE]).get("CountBook")
    scenario_id = scenario_id_from(secrets.token_bytes(16))
    generated = generate(template, scenario_id=scenario_id, variables={}, now=datetime.now(UTC))
    ids = {task.name: task.id for task in generated.tasks}
    environment = {
        "REDIS_URL": redis_url,
        "SCENARIST_ARTIFACTS": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),
    }
    async with running_engine(redis_url) as engine:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, EXAMPLE / "count_book.py", env=environment
        )
        try:
            await engine.store.submit(new_scenario(generated, []))
            record = await engine.finished(scenario_id)
        finally:
            worker.terminate()
            assert await worker.wait() == 0
        book, last = await engine.store.tasks([ids["FetchBook"], ids["Publish"]])
        total = await engine.store.task(spawned_id(ids["CountBook"], "AddUp_1"))

    assert (record.status, record.total) == (Status.SUCCESS, 7)
    assert book and book.result_ref == f"file://{tmp_path}/{scenario_id}/{book.id}/1/result.json"
    assert last and last.result == "published"
    assert total and total.result == {"to": 30_000, "be": 30_000, "or": 15_000}
