"""A scenario is worked through by HTTP alone: no worker process, only GET and PATCH."""

from pathlib import Path
from typing import Any

import httpx

from orchestrator.cli.client import ApiClient
from tests.support.fleet import running_api
from tests.support.leaks import leaked_keys
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

TEMPLATES = Path(__file__).parent / "templates"


async def test_patch_alone_completes_a_scenario(tmp_path: Path, link: RedisLink, redis_url: str) -> None:
    with (
        running_api(tmp_path, redis_url, SCENARIST_TEMPLATES=str(TEMPLATES)) as running,
        ApiClient(running.api_url) as client,
        httpx.Client(base_url=running.api_url) as http,
    ):
        running.fleet.start("engine", "orchestrator", "engine")
        scenario_id = client.generate({"scenario": "Diamond"})["scenario_id"]

        def state() -> Any:
            return client.scenario(scenario_id)

        await wait_until(lambda: state()["status"] == "processing", what="the tasks are there")
        while (now := state())["status"] == "processing":
            ready = [task for task in now["tasks"] if task["status"] == "pending" and task["queue"] == 0]
            assert ready, "something must be ready as long as the scenario is not finished"
            for task in ready:
                report_success(http, task["id"])
        assert now["status"] == "success"
        assert all(task["result"] == {"by": "hand"} for task in now["tasks"])
    for service in ("alpha-service", "beta-service"):
        assert await link.execute("XLEN", f"queue:{service}") == 0
    assert await leaked_keys(link) == []


def report_success(http: httpx.Client, task_id: str) -> None:
    report = {"status": "success", "result": {"by": "hand"}}
    assert http.patch(f"/tasks/{task_id}/status", json=report).is_success
