"""Three at once, never four: four workers, 200 tasks, and the power cut for one that works."""

import os
import signal
from pathlib import Path

from orchestrator.cli.client import ApiClient
from tests.support.counted_worker import AT_WORK, COUNTS
from tests.support.fleet import running_api
from tests.support.freeze import freeze
from tests.support.leaks import leaked_keys
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

TEMPLATES = Path(__file__).parent / "templates"
SLOTS = "slots:limited-service"
TASKS = 200


async def test_a_limit_is_exact_and_the_slot_of_a_killed_worker_is_used_again(
    tmp_path: Path, link: RedisLink, redis_url: str
) -> None:
    settings = {"SCENARIST_TEMPLATES": str(TEMPLATES), "SCENARIST_LEASE_MS": "1000"}
    with running_api(tmp_path, redis_url, **settings) as running, ApiClient(running.api_url) as client:
        for number in (1, 2):
            running.fleet.start(f"engine-{number}", "orchestrator", "engine")
        for number in range(4):
            running.fleet.start(f"worker-{number}", "workers_sdk", "tests.support.counted_worker")
        client.call("PUT", "/services/limited-service", "limits", json={"concurrency": 3})
        scenario_id = client.generate({"scenario": "Limited", "variables": {"N": TASKS}})["scenario_id"]

        await wait_until(lambda: link.execute("LLEN", COUNTS), what="the first handlers", timeout_s=60)
        victim = running.fleet.children.pop("worker-0")
        held = await killed_at_work(victim.pid, link)
        victim.wait()
        before = await link.execute("LLEN", COUNTS)
        assert {task_id.encode() for task_id in held} <= set(await link.execute("SMEMBERS", SLOTS))
        assert before < TASKS, "the kill came too late to be in the middle"
        await wait_until(lambda: _ended(client, scenario_id), what="the scenario ends", timeout_s=60)
        found = client.scenario(scenario_id)

    counts = [int(count) for count in await link.execute("LRANGE", COUNTS, 0, -1)]
    assert found["status"] == "success"
    assert max(counts) == 3
    assert counts[before + 20 :].count(3) > 20, "all three slots are used after the kill"
    assert held <= {task["id"] for task in found["tasks"] if task["attempt"] == 2}
    assert await link.execute("SCARD", SLOTS) == 0
    assert await leaked_keys(link) == []


async def killed_at_work(pid: int, link: RedisLink) -> set[str]:
    """Kill a worker at a moment at which it holds tasks; returns their ids."""

    async def frozen() -> set[str]:
        await freeze(pid)
        await link.execute("PING")  # what it had sent was there before, and is done now
        held = {
            member for member in await link.execute("SMEMBERS", AT_WORK) if member.startswith(b"%d " % pid)
        }
        if not held:
            os.kill(pid, signal.SIGCONT)
            return set()
        os.kill(pid, signal.SIGKILL)
        await link.execute("SREM", AT_WORK, *held)
        return {member.split()[1].decode() for member in held}

    held: set[str] = await wait_until(frozen, what="the worker holds a task")
    return held


def _ended(client: ApiClient, scenario_id: str) -> bool:
    return bool(
        client.call("GET", f"/scenarios/{scenario_id}", "status", params={"limit": 1})["status"]
        != "processing"
    )
