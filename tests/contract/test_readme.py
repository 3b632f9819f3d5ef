"""The README's template and worker are the files it links to, and they run as it says."""

import asyncio
import re
import sys
from pathlib import Path

import httpx

from tests.support.fleet import running_api
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "docs" / "examples" / "hello"


def _blocks(language: str) -> list[str]:
    readme = (ROOT / "README.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)


def test_the_readme_shows_the_files_it_links_to() -> None:
    assert _blocks("yaml") == [(HELLO / "hello.yml").read_text("utf-8")]
    assert _blocks("python") == [(HELLO / "hello.py").read_text("utf-8")]


async def test_the_readmes_scenario_runs(tmp_path: Path, redis_url: str) -> None:
    settings = {"SCENARIST_TEMPLATES": str(HELLO), "SCENARIST_UNSAFE_VOLATILE": "1"}
    with running_api(tmp_path, redis_url, **settings) as running:
        running.fleet.start("engine", "orchestrator", "engine")
        environment = {"REDIS_URL": redis_url, "PYTHONPATH": ":".join(sys.path)}
        worker = await asyncio.create_subprocess_exec(sys.executable, HELLO / "hello.py", env=environment)
        try:
            async with httpx.AsyncClient(base_url=running.api_url, timeout=30) as client:
                accepted = await client.post(
                    "/generate", json={"scenario": "Hello", "variables": {"NAMES": ["you", "me"]}}
                )
                scenario = await wait_until(lambda: _ended(client, accepted), what="the end of Hello")
        finally:
            worker.terminate()
            assert await worker.wait() == 0

    assert scenario["status"] == "success"
    assert scenario["tasks"][-1]["result"] == {"text": "Hello, you! Hello, me!"}


async def _ended(client: httpx.AsyncClient, accepted: httpx.Response) -> dict[str, object] | None:
    scenario = (await client.get(accepted.headers["Location"])).json()
    return scenario if scenario["finished_at"] else None
