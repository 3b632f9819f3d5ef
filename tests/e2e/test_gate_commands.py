"""A gate from the command line, against real processes: list, show, link, approve."""

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
from workers_sdk import Worker

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "durable"


async def test_a_gate_is_found_shown_and_approved(
    tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"SCENARIST_TEMPLATES": str(EXAMPLES), "SCENARIST_UNSAFE_VOLATILE": "1"}
    worker = Worker("text-service", redis_url=redis_url)
    worker.task("Write")(lambda: {"text": "Cats.", "words": 1})
    worker.task("Publish")(lambda: None)
    with running_api(tmp_path, redis_url, **settings) as running:
        running.fleet.start("engine", "orchestrator", "engine")

        async def scenarist(*tokens: str) -> tuple[int, Any]:
            code = await asyncio.to_thread(run, [*tokens, "--api", running.api_url, "-o", "json"])
            said = capsys.readouterr()
            # The worker of this process logs to the same place.
            start = said.out.find("{\n")
            return code, json.JSONDecoder().raw_decode(said.out[start:])[0] if start >= 0 else said.err

        async def listed() -> Any:
            return (await scenarist("gate", "list", "--who", "bob", "--group", "editors"))[1]["items"]

        async with worker.running():
            _, accepted = await scenarist("submit", "Gate")
            [gate] = await wait_until(listed, what="the gate in the list")
            gate_id = gate["task_id"]
            _, shown = await scenarist("gate", "show", gate_id)
            refused = await scenarist("gate", "approve", gate_id, "--by", "eve")
            first = await scenarist("gate", "approve", gate_id, "--by", "alice", "--value", "Dogs.")
            _, link = await scenarist("gate", "link", gate_id, "--by", "bob", "--group", "editors")
            async with httpx.AsyncClient() as client:
                page = await client.get(link["url"])
            last = await scenarist("gate", "approve", gate_id, "--by", "bob", "--group", "editors")
            code, _ = await scenarist("scenario", accepted["scenario_id"], "--watch", "--timeout", "30")

    assert (shown["title"], shown["value"]) == ("Approve the text", "Cats.")
    assert refused[0] == Exit.USAGE and "HTTP 403" in refused[1]
    assert (first[0], first[1]["state"], first[1]["approvals"]) == (Exit.OK, "open", 1)
    assert page.status_code == 200 and "Dogs." in page.text
    assert (last[0], last[1]["state"]) == (Exit.OK, "approved")
    assert code == Exit.OK


@pytest.mark.parametrize("tokens", [["gate", "approve"], ["gate", "approve", "x"], ["gate", "nonsense"]])
def test_wrong_usage(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tokens) == Exit.USAGE
    assert "error:" in capsys.readouterr().err
