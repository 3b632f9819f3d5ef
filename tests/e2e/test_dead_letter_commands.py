"""Dead letters, retry and rerun from the command line, against real processes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit
from tests.support.fleet import running_api
from workers_sdk import Context, Fail, Worker

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "durable"


async def test_from_a_failure_to_a_rerun(
    tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"SCENARIST_TEMPLATES": str(EXAMPLES), "SCENARIST_UNSAFE_VOLATILE": "1"}
    worker = Worker("voice-service", redis_url=redis_url)
    broken = True

    @worker.task("Speak")
    async def speak(ctx: Context) -> str:
        if ctx.params["voice"] == "anna":
            raise Fail("no such voice 'anna'", code="BadVoice")
        return str(ctx.params["voice"])

    @worker.task("Film")
    async def film(ctx: Context) -> str:
        if broken:
            raise Fail("no space", retry=False)
        return f"film with {ctx.result('voice_task_id').value}"

    worker.task("Draw")(lambda: None)
    with running_api(tmp_path, redis_url, **settings) as running:
        running.fleet.start("engine", "orchestrator", "engine")

        async def scenarist(*tokens: str) -> tuple[int, Any]:
            code = await asyncio.to_thread(run, [*tokens, "--api", running.api_url, "-o", "json"])
            said = capsys.readouterr()
            # The worker of this process logs to the same place.
            start = said.out.find("{\n")
            return code, json.JSONDecoder().raw_decode(said.out[start:])[0] if start >= 0 else said.err

        async def ended(scenario_id: str) -> int:
            return (await scenarist("scenario", scenario_id, "--watch", "--timeout", "30"))[0]

        async with worker.running():
            _, accepted = await scenarist("submit", "Redrive")
            scenario_id = accepted["scenario_id"]
            assert await ended(scenario_id) == Exit.FAILED

            _, kinds = await scenarist("dead", "list")
            [kind] = kinds["items"]
            _, page = await scenarist("dead", "show", kind["fingerprint"])
            [letter] = page["items"]
            _, shown = await scenarist("dead", "show", letter["id"])
            assert [one["error"]["type"] for one in shown["attempts"]] == ["BadVoice"]

            code, redriven = await scenarist("dead", "redrive", letter["id"], "--param", "voice=ben")
            assert (code, redriven["params"]) == (Exit.OK, {"voice": "ben", "speed": 1})
            assert await ended(scenario_id) == Exit.FAILED  # the film now

            again, _ = await scenarist("dead", "redrive", "--all")
            assert (again, await ended(scenario_id)) == (Exit.OK, Exit.FAILED)
            code, purged = await scenarist("dead", "purge", "--all")
            assert (code, purged["dismissed"]) == (Exit.OK, 1)
            broken = False
            assert (await scenarist("retry", scenario_id))[0] == Exit.OK
            assert await ended(scenario_id) == Exit.OK

            once = (
                "rerun",
                scenario_id,
                "--from",
                "Speak",
                "--param",
                "voice=eva",
                "--idempotency-key",
                "k-1",
            )
            code, made = await scenarist(*once)
            assert (await scenarist(*once))[1]["scenario_id"] == made["scenario_id"]
            assert (code, await ended(made["scenario_id"])) == (Exit.OK, Exit.OK)
            _, new = await scenarist("scenario", made["scenario_id"])

    assert new["tasks"][-1]["result"] == "film with eva"
    assert new["origin"]["scenario_id"] == scenario_id


@pytest.mark.parametrize(
    "tokens",
    [
        ["dead", "redrive"],
        ["dead", "redrive", "x", "--all"],
        ["dead", "redrive", "s:1", "--param", "a=1"],
        ["dead", "redrive", "x", "--param", "a"],
        ["dead", "purge"],
        ["rerun", "x"],
    ],
)
def test_wrong_usage_is_code_2(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*tokens, "--api", "http://127.0.0.1:9"]) == Exit.USAGE
    assert "error:" in capsys.readouterr().err
