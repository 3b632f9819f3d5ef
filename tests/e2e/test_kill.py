"""Two orchestrators, two workers per service, 50 scenarios, and the power cut for one of each in the middle."""

import os
import signal
from pathlib import Path
from typing import Any

from orchestrator.cli.client import ApiClient
from tests.support.fleet import running_api
from tests.support.freeze import freeze
from tests.support.leaks import leaked_keys
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import GROUP_WORKERS
from workers_sdk.protocol.link import RedisLink

SCENARIOS = 50
WIDTH = 4
SERVICES = ("alpha-service", "beta-service")
TEMPLATES = Path(__file__).parent / "templates"


async def test_everything_finishes_once_though_an_orchestrator_and_a_worker_are_killed(
    tmp_path: Path, link: RedisLink, redis_url: str
) -> None:
    settings = {"SCENARIST_TEMPLATES": str(TEMPLATES), "SCENARIST_LEASE_MS": "1000"}
    with running_api(tmp_path, redis_url, **settings) as running, ApiClient(running.api_url) as client:
        for number in (1, 2):
            running.fleet.start(f"engine-{number}", "orchestrator", "engine")
            running.fleet.start(f"worker-{number}", "workers_sdk", "tests.support.noop_worker")
        body = {"scenario": "Diamond", "variables": {"WIDTH": WIDTH}}
        ids = [client.generate(body)["scenario_id"] for _ in range(SCENARIOS)]

        await wait_until(lambda: finished(client) >= 5, what="the first scenarios end", timeout_s=60)
        assert finished(client) < SCENARIOS, "the kill came too late to be in the middle"
        await hold_in_the_middle_of_work(running.fleet.children["worker-1"].pid, link)
        for name in ("engine-1", "worker-1"):
            killed = running.fleet.children.pop(name)
            killed.kill()
            killed.wait()
        await wait_until(lambda: finished(client) == SCENARIOS, what="all scenarios end", timeout_s=60)

        scenarios = [client.scenario(scenario_id) for scenario_id in ids]
    for scenario in scenarios:
        check(scenario)
    assert any(task["attempt"] > 1 for scenario in scenarios for task in scenario["tasks"])
    for stream in ("scenarios", "task-events", *(f"queue:{service}" for service in SERVICES)):
        assert await link.execute("XLEN", stream) == 0, stream
        for group in await link.execute("XINFO", "GROUPS", stream):
            assert group[group.index(b"pending") + 1] == 0, stream
    assert await leaked_keys(link) == []


def finished(client: ApiClient) -> int:
    return len(client.scenarios(status="success", limit=100)["items"])


async def hold_in_the_middle_of_work(pid: int, link: RedisLink) -> None:
    """Freeze a worker at a moment at which tasks are pending for it."""

    async def frozen_at_work() -> bool:
        await freeze(pid)
        await link.execute("PING")  # what it had sent was there before, and is done now
        if await held_by(pid, link):
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    await wait_until(frozen_at_work, what="the worker holds a task")


async def held_by(pid: int, link: RedisLink) -> int:
    count = 0
    for service in SERVICES:
        for consumer in await link.execute("XINFO", "CONSUMERS", f"queue:{service}", GROUP_WORKERS):
            facts = dict(zip(consumer[::2], consumer[1::2], strict=True))
            count += facts[b"pending"] if f"-{pid}-".encode() in facts[b"name"] else 0
    return count


def check(scenario: Any) -> None:
    """Every task succeeded, has the result of the attempt that counts, and started after all it depends on."""
    assert scenario["counts"]["success"] == scenario["total"] == WIDTH + 2
    assert sum(scenario["counts"].values()) == scenario["total"]
    tasks = {task["id"]: task for task in scenario["tasks"]}
    for task in tasks.values():
        assert task["status"] == "success"
        assert task["result"] == {"task": task["id"], "attempt": task["attempt"]}
        for consumer in task["consumers"]:
            assert task["finished_at"] <= tasks[consumer]["started_at"]
