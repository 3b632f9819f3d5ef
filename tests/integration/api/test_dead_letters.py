"""Dead letters over HTTP: listed by kind, edited, redriven, dismissed; and what was set aside."""

from typing import Any

import httpx
import pytest

from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

from .test_reports import report, started

pytestmark = pytest.mark.usefixtures("engine")

BAD_VOICE = {"type": "BadVoice", "message": "no such voice 'anna' in line 7"}
OTHER_VOICE = {"type": "BadVoice", "message": "no such voice 'ben' in line 12"}


async def dead_letter(client: httpx.AsyncClient, error: Any = None) -> tuple[str, str, str]:
    """Ids of a scenario that failed, of its failed task and of the one that waited for it."""
    scenario_id, first, second = await started(client)
    answer = await report(client, first, status="failed", error=error or BAD_VOICE)
    assert answer.status_code == 200
    return scenario_id, first, second


async def kinds(client: httpx.AsyncClient) -> list[Any]:
    items: list[Any] = (await client.get("/dead-letters")).json()["items"]
    return items


async def test_kinds_are_listed_with_a_sample_and_their_tasks(client: httpx.AsyncClient) -> None:
    _, first, _ = await dead_letter(client)
    _, again, _ = await dead_letter(client, OTHER_VOICE)
    await dead_letter(client, {"type": "Timeout", "message": "no answer"})

    found = (await client.get("/dead-letters")).json()
    assert found["total"] == 3
    timeout, voice = found["items"]
    assert (timeout["count"], timeout["sample"]["error"]["type"]) == (1, "Timeout")
    assert (voice["count"], voice["service"], voice["sample"]["id"]) == (2, "text-service", again)
    assert voice["first_at"] <= voice["last_at"] <= timeout["last_at"]
    assert len((await client.get("/dead-letters", params={"limit": 1})).json()["items"]) == 1

    page = (await client.get(f"/dead-letters/{voice['fingerprint']}", params={"limit": 1})).json()
    rest = await client.get(f"/dead-letters/{voice['fingerprint']}", params={"cursor": page["next_cursor"]})
    assert [task["id"] for task in page["items"]] == [again]
    assert [task["id"] for task in rest.json()["items"]] == [first]
    assert rest.json()["next_cursor"] is None
    task = (await client.get(f"/tasks/{first}")).json()
    assert task["fingerprint"] == voice["fingerprint"]


async def test_one_is_edited_and_redriven_and_its_scenario_goes_on(client: httpx.AsyncClient) -> None:
    scenario_id, first, second = await dead_letter(client)
    address = f"/dead-letters/tasks/{first}"

    edited = await client.patch(
        address, json={"params": {"slides": 3, "voice": "ben"}, "prompt": "shorter", "fields": {"tags": [1]}}
    )
    assert edited.status_code == 200
    assert edited.json()["params"] == {"slides": 3, "voice": "ben"}
    assert (edited.json()["prompt"], edited.json()["fields"]) == ("shorter", {"tags": [1]})
    assert (await client.patch(address, json={})).status_code == 200

    redriven = await client.post(f"{address}/redrive")
    assert (redriven.status_code, redriven.json()["status"]) == (200, "pending")
    assert (redriven.json()["error"], redriven.json()["fingerprint"]) == (None, None)
    assert redriven.json()["attempt"] == 2
    after = (await client.get(f"/tasks/{second}")).json()
    assert (after["status"], after["queue"]) == ("pending", 1)
    assert await kinds(client) == []

    await report(client, first, status="success")
    await report(client, second, status="success")
    found = (await client.get(f"/scenarios/{scenario_id}")).json()
    assert (found["status"], found["error"]) == ("success", None)
    history = (await client.get(f"/tasks/{first}/attempts")).json()["items"]
    assert [one["attempt"] for one in history] == [1]


async def test_what_is_no_dead_letter_is_refused(client: httpx.AsyncClient) -> None:
    _, first, _ = await started(client)
    address = f"/dead-letters/tasks/{first}"
    for answer in (
        await client.patch(address, json={"prompt": "x"}),
        await client.post(f"{address}/redrive"),
        await client.delete(address),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "not_a_dead_letter")


async def test_a_kind_is_redriven_and_another_dismissed(client: httpx.AsyncClient) -> None:
    voices = [await dead_letter(client) for _ in range(3)]
    slow = [await dead_letter(client, {"type": "Timeout", "message": "no answer"}) for _ in range(2)]
    timeout, voice = await kinds(client)

    redriven = await client.post(f"/dead-letters/{voice['fingerprint']}/redrive")
    assert redriven.json() == {"redriven": 3, "left": 0, "carried_on": False}
    dismissed = await client.delete(f"/dead-letters/{timeout['fingerprint']}")
    assert dismissed.json() == {"dismissed": 2, "left": 0}

    assert (await client.get("/dead-letters")).json() == {"items": [], "total": 0}
    assert (await client.get(f"/scenarios/{voices[0][0]}")).json()["status"] == "processing"
    assert (await client.get(f"/scenarios/{slow[0][0]}")).json()["status"] == "failed"


async def test_all_are_redriven_or_dismissed_at_once(client: httpx.AsyncClient) -> None:
    for error in (BAD_VOICE, {"type": "Timeout", "message": "no answer"}):
        await dead_letter(client, error)
    assert (await client.post("/dead-letters/redrive")).json()["redriven"] == 2
    assert (await client.post("/dead-letters/redrive")).json() == {
        "redriven": 0,
        "left": 0,
        "carried_on": False,
    }
    await dead_letter(client)
    assert (await client.delete("/dead-letters")).json() == {"dismissed": 1, "left": 0}


async def test_one_is_dismissed(client: httpx.AsyncClient) -> None:
    _, first, _ = await dead_letter(client)
    assert (await client.delete(f"/dead-letters/tasks/{first}")).json() == {"dismissed": 1, "left": 0}
    assert (await client.get(f"/tasks/{first}")).json()["status"] == "failed"
    assert await kinds(client) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/dead-letters?limit=0", None, 422),
        ("GET", "/dead-letters/nonsense", None, 404),
        ("GET", "/dead-letters/text-service:0123456789abcdeg", None, 404),
        ("GET", "/dead-letters/text-service:0123456789abcdef?cursor=x", None, 422),
        ("POST", "/dead-letters/nonsense/redrive", None, 404),
        ("DELETE", "/dead-letters/nonsense", None, 404),
        ("POST", f"/dead-letters/tasks/{'0' * 16}/redrive", None, 404),
        ("POST", "/dead-letters/tasks/no-id/redrive", None, 404),
        ("DELETE", f"/dead-letters/tasks/{'0' * 16}", None, 404),
        ("PATCH", f"/dead-letters/tasks/{'0' * 16}", {"prompt": "x"}, 404),
        ("PATCH", f"/dead-letters/tasks/{'0' * 16}", {"prompt": 1}, 422),
        ("PATCH", f"/dead-letters/tasks/{'0' * 16}", {"params": [1]}, 422),
        ("PATCH", f"/dead-letters/tasks/{'0' * 16}", {"fields": {"status": "success"}}, 422),
        ("PATCH", f"/dead-letters/tasks/{'0' * 16}", {"fields": {"params": 1}}, 422),
        ("PATCH", f"/dead-letters/tasks/{'0' * 16}", {"fields": {"a b": 1}}, 422),
        ("PATCH", f"/dead-letters/tasks/{'0' * 16}", {"status": "success"}, 422),
        ("GET", "/quarantine?limit=0", None, 422),
    ],
)
async def test_bad_input(client: httpx.AsyncClient, method: str, path: str, body: Any, status: int) -> None:
    answer = await client.request(method, path, json=body) if body else await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_could_not_be_read_is_listed(client: httpx.AsyncClient, link: RedisLink) -> None:
    assert (await client.get("/quarantine")).json() == {"items": []}
    await link.execute("XADD", "task-events", "*", "nonsense", b"\xff")
    await wait_until(lambda: link.execute("XLEN", "quarantine"), what="the entry to be set aside")
    await link.execute("XADD", "scenarios", "*", "nonsense", "1")
    await wait_until(lambda: _two(link), what="the other one to be set aside")

    first, second = (await client.get("/quarantine")).json()["items"]
    assert [one["stream"] for one in (first, second)] == ["scenarios", "task-events"]
    assert first["reason"].startswith("scenario entry")
    assert set(first) == {"id", "stream", "entry", "reason", "at"}
    assert len((await client.get("/quarantine", params={"limit": 1})).json()["items"]) == 1


async def _two(link: RedisLink) -> bool:
    return bool(await link.execute("XLEN", "quarantine") == 2)
