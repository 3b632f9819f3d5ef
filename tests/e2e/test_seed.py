"""The seed's own template, verbatim, through real processes to a film: order holds, its mismatches are told."""

import shutil
from pathlib import Path

import httpx

from tests.support.dump import dump
from tests.support.fleet import running_api
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

SEED = Path(__file__).parents[1] / "unit" / "templates" / "seed_create_video.yml"
FAST = {"SCENARIST_VIDEO_FPS": "10", "SCENARIST_VIDEO_PRESET": "ultrafast"}
REQUEST = {
    "scenario": "CreateVideo",
    "description": "Создай видео про котов",
    "slides_count": 3,
    "variables": {"VIDEO_RESOLUTION": "320x180"},
}


async def test_the_seeds_template_makes_a_film(tmp_path: Path, redis_url: str, link: RedisLink) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    shutil.copy(SEED, folder / "scenaries.yml")
    settings = {**FAST, "SCENARIST_TEMPLATES": str(folder), "SCENARIST_UNSAFE_VOLATILE": "1"}
    with running_api(tmp_path, redis_url, **settings) as running:
        running.fleet.start("engine", "orchestrator", "engine")
        for name in ("text", "voice", "image", "video"):
            running.fleet.start(name, "workers_sdk", f"scenarios.create_video.workers.{name}")
        async with httpx.AsyncClient(base_url=running.api_url, timeout=30) as client:
            accepted = await client.post("/generate", json=REQUEST)
            assert accepted.status_code == 201
            scenario = await wait_until(lambda: _ended(client, accepted), what="the end", timeout_s=120)
            film = await client.get(
                f"/tasks/{scenario['tasks'][-1]['id']}/result", headers={"Range": "bytes=4-7"}
            )

    warnings = accepted.json()["warnings"]
    assert [w["code"] for w in warnings] == ["queue_mismatch"] * len(warnings)
    assert {w["line"] for w in warnings} == {34, 48, 62}
    assert scenario["status"] == "success", [task["error"] for task in scenario["tasks"]]
    assert (film.status_code, film.content) == (206, b"ftyp")
    _assert_order(scenario["tasks"])
    assert await _streams(link) == {}


async def _ended(client: httpx.AsyncClient, accepted: httpx.Response) -> dict[str, object] | None:
    scenario = (await client.get(accepted.headers["Location"])).json()
    return scenario if scenario["finished_at"] else None


def _assert_order(tasks: list[dict[str, str]]) -> None:
    by_id = {task["id"]: task for task in tasks}
    edges = [(task, by_id[consumer]) for task in tasks for consumer in task["consumers"]]
    assert len(edges) == 8
    for before, after in edges:
        assert before["finished_at"] <= after["started_at"], (before["name"], after["name"])


async def _streams(link: RedisLink) -> dict[bytes, object]:
    """Streams that still hold an entry, delivered or not."""
    state = await dump(link)
    streams = {key: value for key, value in state.items() if isinstance(value, dict) and "entries" in value}
    assert {b"scenarios", b"task-events", b"queue:video-service"} <= streams.keys()
    return {
        key: value
        for key, value in streams.items()
        if value["entries"] or any(group["pending"] for group in value["groups"].values())
    }
