"""Webhooks of real processes: an engine dies in the middle of an attempt; and the commands."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.app import run
from orchestrator.cli.client import ApiClient
from tests.support.fleet import running_api
from tests.support.receiver import receiving
from tests.support.wait import wait_until

TEMPLATES = Path(__file__).parent / "templates"
SETTINGS = {
    "SCENARIST_TEMPLATES": str(TEMPLATES),
    "SCENARIST_WEBHOOKS_ALLOW_HTTP": "true",
    "SCENARIST_WEBHOOKS_ALLOW_PRIVATE": "true",
    "SCENARIST_WEBHOOKS_TIMEOUT_S": "3",
}


async def test_a_message_survives_the_death_of_the_engine_that_sends_it(
    tmp_path: Path, redis_url: str
) -> None:
    async with receiving() as receiver:
        with running_api(tmp_path, redis_url, **SETTINGS) as running, ApiClient(running.api_url) as client:
            added = client.call("POST", "/webhooks", "secret", json={"url": receiver.url})
            running.fleet.start("worker", "workers_sdk", "tests.support.noop_worker")
            running.fleet.start("engine-1", "orchestrator", "engine")
            receiver.holds = True
            scenario_id = client.generate({"scenario": "Diamond", "variables": {"WIDTH": 2}})["scenario_id"]
            await wait_until(lambda: receiver.requests, what="the message is under way", timeout_s=60)
            killed = running.fleet.children.pop("engine-1")
            killed.kill()
            killed.wait()
            receiver.let_go()
            running.fleet.start("engine-2", "orchestrator", "engine")
            await wait_until(lambda: len(receiver.requests) > 1, what="the message comes again", timeout_s=60)
            path = f"/webhooks/{added['id']}/deliveries"
            await wait_until(
                lambda: client.call("GET", path, "items")["items"][0]["history"], what="it is noted"
            )
            [delivery] = client.call("GET", path, "items")["items"]
            logs = "".join(log.read_text() for log in (tmp_path / "logs").iterdir())

    first, second = receiver.requests
    assert first.id == second.id == delivery["id"]
    assert second.verified_by(added["secret"])["data"]["scenario_id"] == scenario_id
    assert (delivery["status"], delivery["attempts"]) == ("success", 1)
    assert "webhook_sent" in logs
    assert added["secret"] not in logs and receiver.url not in logs


async def test_the_commands(tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with receiving() as receiver:
        with running_api(tmp_path, redis_url, **SETTINGS) as running:
            running.fleet.start("engine", "orchestrator", "engine")

            async def text_of(*words: str, code: int = 0) -> str:
                assert await asyncio.to_thread(run, ["webhook", *words, "--api", running.api_url]) == code
                return capsys.readouterr().out

            async def call(*words: str, code: int = 0) -> Any:
                return json.loads(await text_of(*words, "--output", "json", code=code))

            added = await call("add", receiver.url, "--event", "scenario.failed", "--name", "Diamond")
            one = added["id"]
            await text_of("add", "ftp://example.org/", code=2)
            tested = await call("test", one)
            receiver.answers = ["500 Broken\r\nretry-after: 3600"]
            said = await text_of("test", one, code=1)
            redriven = await call("redrive", one)
            listed = await call("deliveries", one, "--limit", "1")
            older = await text_of("deliveries", one, "--cursor", listed["next_cursor"])
            shown = await text_of("delivery", one, tested["id"])
            again = await call("redrive", one, tested["id"])
            rotated = await call("rotate", one, "--grace", "60")
            changed = await call("change", one, "--disable", "--event", "scenario.success")
            endpoints = await text_of("list")
            removed = await text_of("remove", one)

    assert (added["events"], added["names"]) == (["scenario.failed"], ["Diamond"])
    assert tested["status"] == "success" and f"{tested['id']}  webhook.test  success" in shown
    assert "HTTP 500" in said
    assert (redriven, again["id"]) == ({"redriven": 1}, tested["id"])
    assert tested["id"] in older
    assert rotated["secret"] != added["secret"]
    assert (changed["enabled"], changed["events"]) == (False, ["scenario.success"])
    assert one in endpoints and "disabled" in endpoints and "whsec_" not in endpoints
    assert "removed" in removed
