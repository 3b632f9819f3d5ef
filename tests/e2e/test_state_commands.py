"""A scenario with states from the command line, against real processes: plan, start, look, send events, history."""

import asyncio
import re
from pathlib import Path

import pytest

from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit
from tests.support.fleet import running_api
from tests.support.wait import wait_until
from workers_sdk import Worker

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "durable"


async def test_an_order_from_the_command_line(
    tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"SCENARIST_TEMPLATES": str(EXAMPLES), "SCENARIST_UNSAFE_VOLATILE": "1"}
    worker = Worker("shop-service", redis_url=redis_url)
    worker.task("Pack")(lambda: {"parcel": "P1"})
    worker.task("Ship")(lambda: None)
    worker.task("Refund")(lambda: None)
    with running_api(tmp_path, redis_url, **settings) as running:
        running.fleet.start("engine", "orchestrator", "engine")

        async def scenarist(*tokens: str, code: int = Exit.OK) -> str:
            found = await asyncio.to_thread(run, [*tokens, "--api", running.api_url])
            said = capsys.readouterr()
            assert found == code, said.err
            return said.out + said.err

        async def stands(state: str, scenario_id: str) -> bool:
            return f"state {state} " in await scenarist("scenario", scenario_id)

        async with worker.running():
            plan = await scenarist("plan", "StateMachine")
            scenario_id = (await scenarist("submit", "StateMachine")).split()[0]
            await wait_until(lambda: stands("new", scenario_id), what="the engine to begin")
            refused = await scenarist("event", scenario_id, "return", code=Exit.USAGE)
            first = await scenarist("event", scenario_id, "pay", "--by", "ann", "--event-id", "p1")
            again = await scenarist("event", scenario_id, "pay", "--by", "ann", "--event-id", "p1")

            await wait_until(lambda: stands("shipped", scenario_id), what="the parcel on its way")
            shown = await scenarist("scenario", scenario_id)
            await scenarist("event", scenario_id, "return", "--data", '{"reason": "late"}')
            await scenarist("scenario", scenario_id, "--watch", "--timeout", "30", code=Exit.FAILED)
            history = await scenarist("history", scenario_id)

    assert "after 7d -> closed" in plan and "otherwise -> refund" in plan and "new  begins here" in plan
    assert "it takes cancel, pay" in refused
    assert f"{scenario_id}  paid; takes cancel" in first
    assert "(taken before)" in again
    assert "takes resend, return" in shown
    steps = [
        "new +pay +paid +ann",
        "paid +then +shipped",
        "shipped +return +refund",
        "refund +then +cancelled",
    ]
    assert re.search(" *\n.*".join(steps), history), history
