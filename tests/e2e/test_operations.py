"""Why and fsck from the command line, against real processes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit
from tests.support.fleet import running_api
from tests.support.wait import wait_until
from workers_sdk import Context, Worker
from workers_sdk.protocol.link import RedisLink

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "durable"


async def test_from_a_question_to_a_repair(
    tmp_path: Path,
    redis_url: str,
    link: RedisLink,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An entry is deleted by a foreign hand: nothing else would ever find that."""
    settings = {"SCENARIST_TEMPLATES": str(EXAMPLES), "SCENARIST_UNSAFE_VOLATILE": "1"}
    monkeypatch.setenv("REDIS_URL", redis_url)
    worker = Worker("voice-service", redis_url=redis_url)

    async def scenarist(*tokens: str) -> tuple[int, Any]:
        code = await asyncio.to_thread(run, [*tokens, "-o", "json"])
        said = capsys.readouterr()
        start = said.out.find("{\n")
        return code, json.JSONDecoder().raw_decode(said.out[start:])[0] if start >= 0 else said.err

    @worker.task("Speak")
    @worker.task("Draw")
    @worker.task("Film")
    async def work(ctx: Context) -> str:
        return ctx.name

    with running_api(tmp_path, redis_url, **settings) as running:
        monkeypatch.setenv("SCENARIST_API", running.api_url)
        running.fleet.start("engine", "orchestrator", "engine")
        _, accepted = await scenarist("submit", "Redrive")
        scenario_id = accepted["scenario_id"]

        async def told() -> Any:
            found = (await scenarist("why", scenario_id))[1]
            return found["groups"] and found

        found = await wait_until(told, what="the tasks of the scenario")
        assert [group["code"] for group in found["groups"]] == ["queued", "waits_for_tasks"]
        assert found["groups"][0]["reasons"][0]["code"] == "no_worker"
        assert await asyncio.to_thread(run, ["why", scenario_id]) == Exit.OK
        assert "no worker has ever read the queue of voice-service" in capsys.readouterr().out

        await link.execute("XTRIM", "queue:voice-service", "MAXLEN", 0)
        task_id = found["groups"][0]["tasks"][0]["id"]
        _, why = await scenarist("why", task_id)
        assert [reason["code"] for reason in why["reasons"]] == ["lost"]

        code, report = await scenarist("fsck")
        assert (code, report["drift"], report["left"]) == (Exit.FAILED, {"entry_lost": 2}, 2)
        assert await asyncio.to_thread(run, ["fsck", "--scenario", scenario_id]) == Exit.FAILED
        assert "2 x entry_lost" in capsys.readouterr().out
        code, report = await scenarist("fsck", "--repair")
        assert (code, report["repaired"], report["left"]) == (Exit.OK, {"entry_lost": 2}, 0)

        async with worker.running():
            code, _ = await scenarist("scenario", scenario_id, "--watch", "--timeout", "30")
        assert code == Exit.OK
        code, report = await scenarist("fsck")
        assert (code, report["findings"]) == (Exit.OK, [])
        async with httpx.AsyncClient(base_url=running.api_url) as client:
            last = (await client.get("/health")).json()["last_check"]
        assert (last["repair"], last["drift"], last["left"], last["tasks"]) == (False, {}, 0, report["tasks"])
        assert last["at"] and last["by"]


@pytest.mark.parametrize(
    ("tokens", "code"),
    [(["--scenario", "x"], Exit.USAGE), (["--redis", "redis://127.0.0.1:1"], Exit.UNREACHABLE)],
)
def test_what_cannot_be_checked_is_said(
    tokens: list[str], code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fsck", *tokens]) == code
    assert "error:" in capsys.readouterr().err
