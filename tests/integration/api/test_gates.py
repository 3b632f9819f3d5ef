"""Gates over HTTP: list, look, decide, links."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from orchestrator.api.services import Services
from orchestrator.config import Settings
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import GATE_SECRET

pytestmark = pytest.mark.usefixtures("engine")

GATED = """\
name: Gated
variables: {WHO: [], QUORUM: 1, ASIDE: false}
tasks:
  - name: Approve
    gate:
      title: "Approve <b>it</b>"
      message: "Look & decide"
      form:
        type: object
        properties: {text: {type: string, maxLength: 80}, slides: {type: integer, maximum: 9}}
        required: [text]
      draft: {text: "Cats.", slides: 3}
      who: {{ WHO }}
      quorum: "{{ QUORUM }}"
      deadline: 7d
  - name: Publish
    service: text-service
    needs: [Approve]
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With one more template."""
    folder: Path = settings.templates[0]
    (folder / "Gated.yml").write_text(GATED)
    return settings


async def opened(client: httpx.AsyncClient, **variables: Any) -> tuple[str, str]:
    """A scenario whose gate is open: ids of scenario and gate."""
    answer = await client.post("/generate", json={"scenario": "Gated", "variables": variables})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    gate_id = found["task_ids"][0]

    async def is_open() -> bool:
        return (await client.get(f"/gates/{gate_id}")).status_code == 200

    await wait_until(is_open, what="the gate to open")
    return found["scenario_id"], gate_id


async def decide(client: httpx.AsyncClient, gate_id: str, **body: Any) -> httpx.Response:
    return await client.post(f"/gates/{gate_id}/decision", json={"by": "ann", "decision": "approve"} | body)


async def link_for(client: httpx.AsyncClient, gate_id: str, **body: Any) -> str:
    answer = await client.post(f"/gates/{gate_id}/links", json={"by": "ann"} | body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["url"])


async def send(client: httpx.AsyncClient, url: str, **fields: Any) -> httpx.Response:
    """Send the page of a link as a browser does."""
    path, _, token = url.partition("?token=")
    return await client.post(
        path, data={"token": token, "decision": "approve", "revision": "0", "comment": ""} | fields
    )


async def test_a_gate_shows_what_is_asked_and_no_token(client: httpx.AsyncClient, services: Services) -> None:
    scenario_id, gate_id = await opened(client, WHO=["ann", "group:editors"], QUORUM=2)

    found = (await client.get(f"/gates/{gate_id}")).json()
    task = await services.store.task(gate_id)

    assert (found["scenario_id"], found["title"], found["state"]) == (
        scenario_id,
        "Approve <b>it</b>",
        "open",
    )
    assert (found["draft"], found["value"]) == ({"text": "Cats.", "slides": 3},) * 2
    assert (found["who"], found["quorum"], found["approvals"]) == (["ann", "group:editors"], 2, 0)
    assert found["deadline"] > found["opened_at"]
    assert [one["what"] for one in found["audit"]] == ["opened"]
    assert task and task.token not in str(found)


async def test_a_decision_ends_the_task_with_the_edited_value(client: httpx.AsyncClient) -> None:
    scenario_id, gate_id = await opened(client)

    answer = await decide(client, gate_id, value={"text": "Dogs."}, comment="better")
    again = await decide(client, gate_id, comment="better")
    other = await decide(client, gate_id, by="bob")

    async def result() -> Any:
        return (await client.get(f"/tasks/{gate_id}")).json()["result"]

    value = await wait_until(result, what="the result")
    assert (answer.status_code, answer.json()["state"], answer.json()["repeated"]) == (200, "approved", False)
    assert (again.status_code, again.json()["repeated"]) == (200, True)
    assert (other.status_code, other.json()["code"]) == (409, "gate_closed")
    assert other.json()["current_state"] == "approved"
    assert (value["decision"], value["value"], value["by"]) == ("approve", {"text": "Dogs."}, "ann")
    assert (await client.get(f"/scenarios/{scenario_id}")).json()["counts"]["success"] == 1


async def test_a_rejection_fails_the_scenario(client: httpx.AsyncClient) -> None:
    scenario_id, gate_id = await opened(client)
    await decide(client, gate_id, decision="reject", comment="no cats")

    async def ended() -> Any:
        found = (await client.get(f"/scenarios/{scenario_id}")).json()
        return found if found["finished_at"] else None

    found = await wait_until(ended, what="the end")
    assert (found["status"], found["tasks"][0]["error"]["type"]) == ("failed", "rejected")
    assert found["tasks"][1]["status"] == "skipped"


async def test_a_wrong_value_is_told_with_its_pointers(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client)
    answer = await decide(client, gate_id, value={"slides": 10})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
    assert sorted(error["pointer"] for error in answer.json()["errors"]) == ["/value", "/value/slides"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"by": "eve"}, 403, "may_not_decide"),
        ({"by": "eve", "groups": ["editors"]}, 200, None),
        ({"by": ""}, 422, "invalid_field"),
        ({"by": " \t"}, 422, "invalid_field"),
        ({"by": "a\nb"}, 422, "invalid_field"),
        ({"decision": "maybe"}, 422, "invalid_field"),
        ({"decision": "reject", "value": 1}, 422, "invalid_field"),
        ({"comment": "x" * 1_001}, 422, "invalid_field"),
        ({"revision": 1}, 409, "gate_changed"),
        ({"more": 1}, 422, "invalid_field"),
    ],
)
async def test_what_a_decision_may_say(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, code: str | None
) -> None:
    _, gate_id = await opened(client, WHO=["ann", "group:editors"])
    answer = await decide(client, gate_id, **body)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


@pytest.mark.parametrize("gate_id", ["0" * 16, "no-id", "../health"])
async def test_what_is_not_there(client: httpx.AsyncClient, gate_id: str) -> None:
    path = gate_id.replace("/", "%2F")
    answers = [
        await client.get(f"/gates/{path}"),
        await decide(client, path),
        await client.post(f"/gates/{path}/links", json={"by": "ann"}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3


async def test_the_list_has_what_a_person_may_still_decide(client: httpx.AsyncClient) -> None:
    scenario_id, mine = await opened(client, WHO=["ann", "cyd"], QUORUM=2)
    _, theirs = await opened(client, WHO=["group:editors"])

    async def listed(**query: Any) -> list[str]:
        items = (await client.get("/gates", params=query)).json()["items"]
        return [item["task_id"] for item in items]

    assert await listed() == [mine, theirs]
    assert await listed(who="Ann") == [mine]
    assert await listed(who="bob", group="editors") == [theirs]
    assert await listed(scenario_id=scenario_id) == [mine]
    assert await listed(scenario_id="no-id") == []
    await decide(client, mine)
    assert await listed(who="ann") == []


async def test_the_list_has_pages(client: httpx.AsyncClient) -> None:
    ids = [(await opened(client))[1] for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = (
            await client.get("/gates", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        found += [item["task_id"] for item in page["items"]]
        if not (cursor := page["next_cursor"]):
            break

    assert found == ids
    assert (await client.get("/gates", params={"cursor": "x"})).json()["code"] == "invalid_cursor"


async def test_looking_at_a_link_changes_nothing_and_sending_it_decides(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client)
    url = await link_for(client, gate_id)

    pages = [await client.get(url) for _ in range(3)]
    answer = await send(client, url, **{"member:text": "Dogs.\r\n", "comment": "better"})
    again = await send(client, url, **{"member:text": "Dogs.\r\n", "comment": "better"})
    late = await client.get(url)

    assert [page.status_code for page in pages] == [200] * 3
    assert answer.status_code == 200 and "It is approved." in answer.text
    assert again.status_code == 200 and "already" in again.text
    assert late.status_code == 410
    found = (await client.get(f"/gates/{gate_id}")).json()
    assert found["value"] == {"text": "Dogs.\n", "slides": 3}
    assert [(one["what"], one.get("via")) for one in found["audit"]] == [
        ("opened", None),
        ("approve", "link"),
    ]


async def test_the_page_is_text_and_nothing_of_it_runs(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client)
    page = await client.get(await link_for(client, gate_id, by='<script>"&'))

    assert "Approve &lt;b&gt;it&lt;/b&gt;" in page.text and "Look &amp; decide" in page.text
    assert "<script" not in page.text and "<b>it" not in page.text
    assert page.text.index("<button disabled hidden>") < page.text.index(
        'value="approve"'
    )  # Enter decides nothing
    policy = page.headers["content-security-policy"]
    assert (
        "default-src 'none'" in policy and "script-src" not in policy and "frame-ancestors 'none'" in policy
    )
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_link_decides_as_whom_it_was_made_for(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client, QUORUM=2)
    await send(client, await link_for(client, gate_id), by="eve", groups="editors")

    assert (await client.get(f"/gates/{gate_id}")).json()["votes"][0]["by"] == "ann"


async def test_a_link_is_used_once_even_when_its_vote_no_longer_counts(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client, QUORUM=2)
    url = await link_for(client, gate_id)
    await send(client, url)
    await decide(client, gate_id, by="bob", value={"text": "Dogs."})  # dismisses it

    assert (await client.get(url)).status_code == 410
    assert (await send(client, url, revision="2")).status_code == 410
    assert (await send(client, await link_for(client, gate_id), revision="2")).status_code == 200


async def test_a_page_that_is_older_than_the_value_is_refused(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client, QUORUM=2)
    url = await link_for(client, gate_id)
    await decide(client, gate_id, by="bob", value={"text": "Dogs."})

    answer = await send(client, url, **{"member:text": "Cats."})
    assert (answer.status_code, "look at it again" in answer.text) == (409, True)


async def test_a_link_that_is_not_ours_or_over_decides_nothing(
    client: httpx.AsyncClient,
) -> None:
    _, gate_id = await opened(client)
    _, other = await opened(client)
    good = await link_for(client, gate_id)
    foreign = good.replace(gate_id, other)
    for url, status in (
        (good[:-1], 403),
        (good + "x", 403),
        (f"/gates/{gate_id}/decide?token=", 403),
        (f"/gates/{gate_id}/decide", 403),
        (foreign, 403),
    ):
        assert (await client.get(url)).status_code == status, url
        assert (await send(client, url)).status_code == status, url
    assert (await client.get(f"/gates/{gate_id}")).json()["votes"] == []


async def test_an_expired_link_decides_nothing(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client)
    url = await link_for(client, gate_id, expires_in=1)

    async def is_over() -> bool:
        return (await client.get(url)).status_code == 410

    await wait_until(is_over, what="the end of the link")
    assert (await send(client, url)).status_code == 410
    assert (await client.get(f"/gates/{gate_id}")).json()["votes"] == []


async def test_a_secret_of_the_settings_is_not_kept_in_redis(
    client: httpx.AsyncClient, app: FastAPI, services: Services, settings: Settings
) -> None:
    _, gate_id = await opened(client)
    kept = await link_for(client, gate_id)
    assert await services.link.execute("DEL", GATE_SECRET) == 1

    secret = SecretStr("of the settings, long enough for it")
    app.state.services = replace(services, settings=settings.model_copy(update={"gate_secret": secret}))
    configured = await link_for(client, gate_id)

    assert await services.link.execute("EXISTS", GATE_SECRET) == 0
    assert (await client.get(kept)).status_code == 403
    assert (await client.get(configured)).status_code == 200
    assert "long enough" not in repr(settings.model_copy(update={"gate_secret": secret}))


async def test_only_who_may_decide_gets_a_link(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client, WHO=["ann"])
    eve = await client.post(f"/gates/{gate_id}/links", json={"by": "eve"})
    await decide(client, gate_id)
    late = await client.post(f"/gates/{gate_id}/links", json={"by": "ann"})

    assert (eve.status_code, eve.json()["code"]) == (403, "may_not_decide")
    assert (late.status_code, late.json()["code"]) == (409, "gate_closed")


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-type": "application/json"}, b"{}", 415),
        ({"content-type": "application/x-www-form-urlencoded"}, b"token=%ff", 400),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=1&" * 101, 400),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=" + b"x" * 40_000, 413),
        ({"content-type": "application/x-www-form-urlencoded"}, b"", 403),
    ],
)
async def test_a_form_that_no_browser_would_send(
    client: httpx.AsyncClient, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = await client.post(f"/gates/{'0' * 16}/decide", headers=headers, content=content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


async def test_a_page_with_its_fields_spoiled_is_refused(client: httpx.AsyncClient) -> None:
    _, gate_id = await opened(client)
    url = await link_for(client, gate_id)
    for fields in (
        {"decision": "maybe"},
        {"revision": "x"},
        {"comment": "x" * 1_001},
        {"member:slides": "many"},
    ):
        assert (await send(client, url, **fields)).status_code == 422, fields
    assert (await send(client, url, **{"member:slides": "10"})).status_code == 422
    assert (await client.get(url)).status_code == 200
    assert (await client.get(f"{url}&utm_source=mail")).status_code == 200  # as mail programs add it


@pytest.mark.parametrize("way", ["retry", "redrive"])
async def test_a_gate_that_was_rejected_is_opened_anew(client: httpx.AsyncClient, way: str) -> None:
    scenario_id, gate_id = await opened(client)

    async def is_in(what: str, *words: str) -> bool:
        return (await client.get(what)).json().get("state" if "gates" in what else "status") in words

    await decide(client, gate_id, decision="reject")
    await wait_until(lambda: is_in(f"/scenarios/{scenario_id}", "failed"), what="its end")
    paths = {"retry": f"/scenarios/{scenario_id}/retry", "redrive": f"/dead-letters/tasks/{gate_id}/redrive"}

    assert (await client.post(paths[way])).status_code == 200
    await wait_until(lambda: is_in(f"/gates/{gate_id}", "open"), what="the gate to open anew")
    assert (await decide(client, gate_id)).status_code == 200
    await wait_until(lambda: is_in(f"/tasks/{gate_id}", "success"), what="its success")
    redriven = await client.post(paths["redrive"])
    assert (redriven.status_code, redriven.json()["code"]) == (409, "not_a_dead_letter")
