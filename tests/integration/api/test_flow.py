"""Limits and pauses over HTTP and by the command line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.api.services import Services
from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit
from orchestrator.store.store import Store
from tests.support.engines import materialized
from tests.support.fleet import running_api
from tests.support.graphs import chain, graph
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import Partitions, short_uuid
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, TaskEvent

from .conftest import MANY
from .test_reports import report, started

WHY = {"reason": "repair", "by": "ann"}
LIMITS = {"concurrency": 2, "rate": {"count": 600, "per_ms": 60_000, "burst": 5}, "weights": {"gold": 3.0}}


async def made(client: httpx.AsyncClient) -> list[str]:
    """Ids of the tasks of a new scenario, of which the first waits for nothing."""
    task_ids: list[str] = (await client.post("/generate", json={"scenario": "Pair"})).json()["task_ids"]

    async def exist() -> bool:
        return all([(await client.get(f"/tasks/{one}")).status_code == 200 for one in task_ids])

    await wait_until(exist, what="the tasks exist")
    return task_ids


async def test_limits_are_set_shown_and_removed(client: httpx.AsyncClient) -> None:
    put = await client.put("/services/text-service", json=LIMITS)
    got = await client.get("/services/text-service")
    listed = await client.get("/services")
    deleted = await client.delete("/services/text-service")

    assert put.status_code == 200
    assert put.json() == got.json() == listed.json()["items"][0]
    assert got.json() == {
        "service": "text-service", "limits": LIMITS, "paused": None, "waiting": {}, "out": 0, "queued": 0,
        "links": {"self": "/services/text-service"},
    }  # fmt: skip
    assert (deleted.status_code, deleted.json()["limits"]) == (200, None)
    assert (await client.get("/services/text-service")).status_code == 404


@pytest.mark.parametrize(
    ("service", "body", "status"),
    [
        ("text-service", {"concurrency": 0}, 422),
        ("text-service", {"concurrency": "3"}, 422),
        ("text-service", {"rate": {"count": 1}}, 422),
        ("text-service", {"rate": {"count": 1, "per_ms": 0}}, 422),
        ("text-service", {"weights": {"gold": 0}}, 422),
        ("text-service", {"weights": {"": 1}}, 422),
        ("text-service", {"unknown": 1}, 422),
        ("Text Service", {}, 404),
        ("a:b", {}, 404),
        ("*", {}, 404),
    ],
)
async def test_limits_that_make_no_sense_are_refused(
    client: httpx.AsyncClient, service: str, body: Any, status: int
) -> None:
    assert (await client.put(f"/services/{service}", json=body)).status_code == status
    assert (await client.get("/services")).json()["items"] == []


@pytest.mark.parametrize(
    ("text", "count", "per_ms", "burst"),
    [
        ("10/s", 10, 1_000, 1),
        ("100/min", 100, 60_000, 1),
        (" 5 / 30s burst 3", 5, 30_000, 3),
        ("1/1.5h, burst 2", 1, 5_400_000, 2),
    ],
)
async def test_a_rate_is_written_as_in_a_template(
    client: httpx.AsyncClient, text: str, count: int, per_ms: int, burst: int
) -> None:
    put = await client.put("/services/text-service", json={"rate": text})

    assert put.json()["limits"]["rate"] == {"count": count, "per_ms": per_ms, "burst": burst}


@pytest.mark.parametrize("text", ["", "fast", "10", "10/", "10/w", "0/s", "10/0s", "10/s burst", "10/s burst 0",
                                  "1/32d", "-1/s", "١/s", "1e3/s", "9999999/s"])  # fmt: skip
async def test_a_rate_that_makes_no_sense_is_named(client: httpx.AsyncClient, text: str) -> None:
    put = await client.put("/services/text-service", json={"rate": text})

    assert put.status_code == 422
    assert put.json()["errors"][0]["pointer"].startswith("/rate")


async def test_a_limit_that_partitions_cannot_share_is_refused_with_its_place(
    client: httpx.AsyncClient, services: Any, link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.store, "partitions", Partitions(4))
    answer = await client.put("/services/text-service", json={"concurrency": 3})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/concurrency"


@pytest.mark.usefixtures("engine")
async def test_a_service_is_paused_and_resumed(client: httpx.AsyncClient) -> None:
    scenario_id, first, second = await started(client)
    await report(client, first, status="processing")

    paused = await client.post("/services/video-service/pause", json=WHY)
    await report(client, first, status="success")
    waiting = (await client.get("/services/video-service")).json()
    refused = await report(client, second, status="processing")
    resumed = await client.post("/services/video-service/resume")

    assert paused.json()["paused"] | {"at": ""} == WHY | {"at": ""}
    assert (waiting["waiting"], waiting["queued"]) == ({"-": 1}, 0)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_ready")
    assert (resumed.json()["paused"], resumed.json()["queued"]) == (None, 1)
    assert (await report(client, second, status="success")).status_code == 200
    assert (await client.get(f"/scenarios/{scenario_id}")).json()["status"] == "success"


@pytest.mark.usefixtures("engine")
async def test_everything_is_paused_and_resumed(client: httpx.AsyncClient) -> None:
    paused = await client.post("/pause", json=WHY)
    first, _ = await made(client)
    refused = await report(client, first, status="processing")
    shown = (await client.get("/services")).json()
    resumed = await client.post("/resume")

    assert paused.json()["paused"]["reason"] == shown["paused"]["reason"] == "repair"
    assert [one["paused"]["by"] for one in shown["items"]] == ["ann", "ann"]
    assert refused.status_code == 409
    assert resumed.json() == {"paused": None}
    assert (await report(client, first, status="processing")).status_code == 200


@pytest.mark.usefixtures("engine")
async def test_a_scenario_is_paused_and_resumed(client: httpx.AsyncClient) -> None:
    scenario_id, first, second = await started(client)

    paused = await client.post(f"/scenarios/{scenario_id}/pause", json=WHY)
    refused = await report(client, first, status="processing")
    listed = (await client.get("/scenarios")).json()["items"]
    resumed = await client.post(f"/scenarios/{scenario_id}/resume")
    again = await client.post(f"/scenarios/{scenario_id}/resume")

    assert paused.json()["paused"]["reason"] == listed[0]["paused"]["reason"] == "repair"
    assert refused.status_code == 409
    assert resumed.json()["paused"] is again.json()["paused"] is None
    for task_id in (first, second):
        assert (await report(client, task_id, status="success")).status_code == 200
    for what in ("pause", "resume"):
        final = await client.post(f"/scenarios/{scenario_id}/{what}", json={})
        assert (final.status_code, final.json()["code"]) == (409, "scenario_final")


@pytest.mark.parametrize("what", ["pause", "resume"])
@pytest.mark.parametrize("scenario_id", ["0" * 16, "no-id"])
async def test_an_unknown_scenario_is_not_paused(
    client: httpx.AsyncClient, what: str, scenario_id: str
) -> None:
    assert (await client.post(f"/scenarios/{scenario_id}/{what}", json={})).status_code == 404


@pytest.mark.usefixtures("engine")
async def test_a_worker_over_http_ends_its_task_and_the_next_one_goes(
    client: httpx.AsyncClient, services: Any
) -> None:
    await client.put("/services/text-service", json={"concurrency": 1})
    store: Store = services.store
    firsts = [(await made(client))[0] for _ in range(2)]

    async def out() -> list[str]:
        tasks = [await store.task(first) for first in firsts]
        return [task.id for task in tasks if task and task.token and not task.status.is_final]

    [one] = await wait_until(out, what="one of them is handed out")
    await report(client, one, status="success")
    [other] = await wait_until(out, what="the other one is handed out")

    assert {one, other} == set(firsts)


def test_limits_and_pauses_by_the_command_line(
    redis_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def said(*tokens: str, code: int = Exit.OK) -> str:
        capsys.readouterr()
        assert run(list(tokens)) == code, capsys.readouterr().err
        told = capsys.readouterr()
        return told.out if code == Exit.OK else told.err

    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "Many.yml").write_text(MANY)
    settings = {"SCENARIST_TEMPLATES": str(tmp_path / "templates"), "SCENARIST_UNSAFE_VOLATILE": "1"}
    with running_api(tmp_path, redis_url, **settings) as api:
        monkeypatch.setenv("SCENARIST_API", api.api_url)
        limits = ("--concurrency", "3", "--rate", "60/m", "--burst", "5", "--weight", "gold=3")
        assert "3 at once, 60/m burst 5, gold 3x" in said("service", "limit", "text-service", *limits)
        assert "nothing" in said("service", "show", "text-service")
        assert "paused" in said("pause", "--service", "text-service", "--reason", "repair")
        assert "repair" in said("service", "list")
        assert "repair" in said("service", "show", "text-service")
        assert "resumed" in said("resume", "--service", "text-service")
        assert "all services  paused" in said("pause", "--all", "--by", "ann")
        assert json.loads(said("service", "list", "-o", "json"))["paused"]["by"] == "ann"
        assert "resumed" in said("resume", "--all")
        scenario_id = json.loads(said("submit", "Many", "-o", "json"))["scenario_id"]
        assert f"{scenario_id}  paused" in said("pause", scenario_id)
        assert f"{scenario_id}  resumed" in said("resume", scenario_id)
        assert "no limits" in said("service", "forget", "text-service")
        for wrong in (
            ("pause",),
            ("pause", "--all", "--service", "x"),
            ("service", "limit", "x", "--rate", "fast"),
        ):
            assert "error" in said(*wrong, code=Exit.USAGE)
        assert "error" in said("service", "limit", "x", "--weight", "gold", code=Exit.USAGE)


async def test_a_scenario_within_a_paused_one_says_whose_pause_it_is(
    client: httpx.AsyncClient, services: Services
) -> None:
    outer = graph({"sub": []}, service="orchestrator", rules={"sub": {"ask": True}})
    await materialized(services.store, outer)
    child = short_uuid(outer.scenario_id, "child")
    held = TaskEvent(
        outer.task_ids[0], EventKind.HOLD, "", {"child_scenario_id": child}, cursor=1, by_engine=True
    )
    await services.store.advance(services.store.partitions[0], [held])
    await materialized(services.store, replace(graph(chain(1), scenario_id=child), parent=outer.task_ids[0]))

    await client.post(f"/scenarios/{outer.scenario_id}/pause", json=WHY)
    paused = (await client.get(f"/scenarios/{child}")).json()["paused"]
    assert paused == {"scenario_id": outer.scenario_id, **WHY, "at": paused["at"]}

    still = await client.post(f"/scenarios/{child}/resume")
    assert (still.status_code, still.json()["paused"]) == (200, paused)
    await client.post(f"/scenarios/{outer.scenario_id}/resume")
    assert (await client.get(f"/scenarios/{child}")).json()["paused"] is None
