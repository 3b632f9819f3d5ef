"""Scenarios that are too large to be made between two other requests: made by another process, answered alike."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE
from typing import Any

import httpx
import pytest

from orchestrator.api import frames, renderers, scenarios
from orchestrator.api.models import GenerateOut, PlanOut
from orchestrator.api.services import Services
from orchestrator.config import Settings
from orchestrator.templates import Limits
from tests.support.fleet import running_api
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

LARGE = {"scenario": "Many", "variables": {"N": 1_000}}


@pytest.fixture
def started(services: Services, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Process ids of the renderers, as they are started."""
    found: list[int] = []
    start = renderers._Renderer.start

    async def noted(settings: Any) -> Any:
        one = await start(settings)
        found.append(one._process.pid)
        return one

    monkeypatch.setattr(renderers._Renderer, "start", noted)
    # However slow the machine is, what is small is made at once.
    monkeypatch.setattr(scenarios, "SMALL", replace(scenarios.SMALL, max_seconds=60))
    return found


async def test_a_large_scenario_is_made_by_another_process(
    client: httpx.AsyncClient, started: list[int]
) -> None:
    small = await client.post("/generate", json={"scenario": "Many"})
    assert started == []

    answer = await client.post("/generate", json=LARGE)

    body = answer.json()
    assert (answer.status_code, len(started)) == (201, 1)
    assert set(body) == set(small.json()) == set(GenerateOut.model_fields)
    assert (body["total"], len(set(body["task_ids"])), body["name"]) == (1_001, 1_001, "Many")
    found = (await client.get(answer.headers["location"])).json()
    assert (found["total"], found["variables"]) == (1_001, {"N": 1_000, "TEXT": "hello", "WRONG": 0})


async def test_the_next_one_finds_the_process_there(client: httpx.AsyncClient, started: list[int]) -> None:
    for _ in range(3):
        assert (await client.post("/generate", json=LARGE)).status_code == 201

    assert len(started) == 1


async def test_a_large_plan_is_the_same_plan(client: httpx.AsyncClient, started: list[int]) -> None:
    small = (await client.post("/plan", json={"scenario": "Many"})).json()
    large = (await client.post("/plan", json=LARGE)).json()

    assert len(started) == 1
    assert set(large) == set(small) == set(PlanOut.model_fields)
    assert (large["total"], [len(stage) for stage in large["stages"]]) == (1_001, [1_000, 1])
    assert large["tasks"][-1] == small["tasks"][-1] | {"queue": 1_000}


async def test_the_mistakes_of_a_large_scenario_are_told_with_their_lines(
    client: httpx.AsyncClient, started: list[int]
) -> None:
    answer = await client.post("/generate", json={"scenario": "Many", "variables": {"N": 300, "WRONG": 2}})

    body = answer.json()
    assert (answer.status_code, body["code"], len(started)) == (422, "invalid_template", 1)
    assert [(one["code"], one["file"], one["line"]) for one in body["errors"]] == [
        ("unknown_need", "Many.yml", 11)
    ]


async def test_what_no_limit_allows_is_refused(client: httpx.AsyncClient, started: list[int]) -> None:
    answer = await client.post("/generate", json={"scenario": "Many", "variables": {"N": 10_001}})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_many_tasks")


async def test_a_large_body_goes_to_the_other_process_whole(
    client: httpx.AsyncClient, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenarios, "INLINE_BYTES", 1_000)
    text = "кот \u2028 {{ 7*7 }}" * 300

    answer = await client.post("/generate", json={"scenario": "Many", "variables": {"TEXT": text}})

    found = (await client.get(answer.headers["location"])).json()
    assert (len(started), found["variables"]["TEXT"]) == (1, text)


async def test_a_large_request_is_idempotent_too(client: httpx.AsyncClient, started: list[int]) -> None:
    headers = {"Idempotency-Key": "large-1"}

    first, again, other = [
        await client.post("/generate", json=body, headers=headers)
        for body in (LARGE, LARGE, LARGE | {"variables": {"N": 999}})
    ]

    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


async def test_a_conflict_that_only_shows_on_submission_is_told(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Idempotency-Key": "large-2"}
    first = await client.post("/generate", json=LARGE, headers=headers)

    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(scenarios, "replayed", nothing)  # as if both came at the same moment
    same = await client.post("/generate", json=LARGE, headers=headers)
    other = await client.post(
        "/generate", json={"scenario": "Many", "variables": {"N": 999}}, headers=headers
    )

    assert (same.json(), same.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (other.status_code, other.json()["scenario_id"]) == (409, first.json()["scenario_id"])


async def test_a_process_that_was_killed_is_replaced(client: httpx.AsyncClient, started: list[int]) -> None:
    await client.post("/generate", json=LARGE)
    os.kill(started[0], signal.SIGKILL)

    answer = await client.post("/generate", json=LARGE)

    assert (answer.status_code, len(started)) == (201, 2)
    assert len((await client.get("/scenarios")).json()["items"]) == 2


async def test_a_lost_connection_to_redis_is_made_again(
    client: httpx.AsyncClient, started: list[int], link: RedisLink
) -> None:
    await client.post("/generate", json=LARGE)
    await link.execute("CLIENT", "KILL", "TYPE", "normal")

    assert (await client.post("/generate", json=LARGE)).status_code == 201
    assert len(started) == 1


async def test_what_takes_too_long_is_ended(
    client: httpx.AsyncClient, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderers, "ORDER_TIMEOUT_S", 0.01)  # less than any process takes to start
    answer = await client.post("/generate", json=LARGE)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_template")
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)

    monkeypatch.setattr(renderers, "ORDER_TIMEOUT_S", 20)
    assert (await client.post("/generate", json=LARGE)).status_code == 201


async def test_too_many_at_once_are_told_to_come_again(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderers, "WAITING", 3)

    answers = await asyncio.gather(*(client.post("/generate", json=LARGE) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 503, 503]
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert (busy.json()["code"], busy.headers["retry-after"]) == ("busy", "1")


async def test_the_processes_end_with_the_api(services: Services, started: list[int]) -> None:
    await services.renderers.warm()
    await services.renderers.close()

    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only there can a child ask to end with its parent")
async def test_they_end_with_it_even_when_it_is_killed(tmp_path: Path, redis_url: str) -> None:
    with running_api(tmp_path, redis_url, SCENARIST_UNSAFE_VOLATILE="true") as running:
        api = running.fleet.children["api"]
        children = _children(api.pid)
        assert len(children) == 1
        api.kill()
        await wait_until(lambda: not _lives(children[0]), what="the renderer ends")


def test_a_process_whose_api_was_killed_while_it_worked_ends_without_a_word_about_that(
    settings: Settings,
) -> None:
    words = [sys.executable, "-m", "orchestrator.api.renderer"]
    orders = frames.packed(settings.model_dump(mode="json")) + frames.packed({"scenario_id": "no order"})
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write(orders)
        process.stdin.close()
        said = process.stderr.read()
        assert process.wait() == 0
    assert b"BrokenPipe" not in said


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _lives(pid: str) -> bool:
    # A container without an init process keeps ended orphans as zombies.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


async def test_others_are_answered_while_a_large_one_is_made(client: httpx.AsyncClient) -> None:
    making = asyncio.create_task(client.post("/generate", json=LARGE | {"variables": {"N": 9_000}}))
    answered = 0
    while not making.done():
        assert (await client.post("/generate", json={"scenario": "Pair"})).status_code == 201
        answered += 1

    assert (await making).status_code == 201
    assert answered > 3


async def test_what_is_made_at_once_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, whole = scenarios.SMALL, Limits()

    for name in ("max_tasks", "edges", "max_output", "max_ticks", "max_seconds", "max_text", "max_items"):
        assert getattr(allowed, name) < getattr(whole, name)


async def test_a_replay_renders_nothing(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await client.post("/generate", json={"scenario": "Pair"}, headers=headers)
    monkeypatch.setattr("orchestrator.api.submission.generate", None)

    again = await client.post("/generate", json={"scenario": "Pair"}, headers=headers)

    assert again.json() == first.json()


async def test_pages_hold_every_task_once_in_the_order_of_the_template(
    client: httpx.AsyncClient, engine: None
) -> None:
    made = (await client.post("/generate", json={"scenario": "Many", "variables": {"N": 150}})).json()
    address = made["links"]["self"]
    await wait_until(lambda: _written(client, address, 151), what="all tasks are written")

    for path in (address, f"{address}/tasks"):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            query: dict[str, str | int] = {"limit": 40} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(path, params=query)).json()
            assert len(page["tasks"]) <= 40
            seen += [task["id"] for task in page["tasks"]]
            if not (cursor := page["next_cursor"]):
                break
        assert seen == made["task_ids"]

    whole = (await client.get(address)).json()
    assert [task["id"] for task in whole["tasks"]] == made["task_ids"]
    assert whole["next_cursor"] is None


async def test_tasks_are_filtered_by_status(client: httpx.AsyncClient, engine: None) -> None:
    made = (await client.post("/generate", json={"scenario": "Many", "variables": {"N": 120}})).json()
    address = made["links"]["self"]
    await wait_until(lambda: _written(client, address, 121), what="all tasks are written")
    for task_id in (made["task_ids"][5], made["task_ids"][110]):
        await client.patch(f"/tasks/{task_id}/status", json={"status": "processing"})

    async def found(status: str, **query: Any) -> Any:
        return (await client.get(f"{address}/tasks", params={"status": status} | query)).json()

    working = await found("processing")
    first = await found("processing", limit=1)
    rest = await found("processing", limit=1, cursor=first["next_cursor"])
    assert [task["id"] for task in working["tasks"]] == [made["task_ids"][5], made["task_ids"][110]]
    assert [task["id"] for task in first["tasks"] + rest["tasks"]] == [
        task["id"] for task in working["tasks"]
    ]
    assert len((await found("pending", limit=1_000))["tasks"]) == 119
    assert (await found("success"))["tasks"] == []


async def test_a_page_knows_the_result_of_the_whole(client: httpx.AsyncClient, engine: None) -> None:
    made = (await client.post("/generate", json={"scenario": "Many", "variables": {"N": 2}})).json()
    address = made["links"]["self"]
    await wait_until(lambda: _written(client, address, 3), what="all tasks are written")
    for task_id, ref in zip(made["task_ids"], ("s3://b/1", "s3://b/2", "s3://b/end"), strict=True):
        done = {"status": "success", "result_ref": ref}
        assert (await client.patch(f"/tasks/{task_id}/status", json=done)).status_code == 200

    queries: list[dict[str, Any]] = [{}, {"limit": 1}, {"limit": 1, "cursor": "1"}]
    for query in queries:
        assert (await client.get(address, params=query)).json()["result_ref"] == "s3://b/end"


@pytest.mark.parametrize("cursor", ["0", "2", "-1", "x", "1e1", "²", "9" * 30])
async def test_a_cursor_of_another_list_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    made = (await client.post("/generate", json={"scenario": "Pair"})).json()

    for path in (made["links"]["self"], made["links"]["self"] + "/tasks"):
        answer = await client.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def _written(client: httpx.AsyncClient, address: str, count: int) -> bool:
    return len(json.loads((await client.get(f"{address}/tasks")).content)["tasks"]) == count
