"""Scenarios with states over HTTP: events, refusals, where they stand, how they came there; plans of them."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.config import Settings
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

ORDER = """\
name: Order
variables: {WAIT: 7d, INNER: Pair}
states:
  new:
    description: Nobody has paid yet.
    on: {pay: paid, cancel: cancelled}
  paid:
    tasks:
      - {name: Pack, service: shop}
      - {name: Ship, service: shop, needs: [Pack], amount: {{ event.data.amount }}}
    then: shipped
    otherwise: cancelled
    on: {cancel: cancelled}
  shipped: {after: {delay: "{{ WAIT }}", to: closed}, on: {return: cancelled}}
  closed: {end: success}
  cancelled: {end: failed}
"""
OUTER = """\
name: Outer
variables: {INNER: Pair, N: 1}
tasks:
  - name: Do
    scenario: "{{ INNER }}"
    count: {{ N }}
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    folder: Path = settings.templates[0]
    (folder / "Order.yml").write_text(ORDER)
    (folder / "Outer.yml").write_text(OUTER)
    return settings


async def ordered(client: httpx.AsyncClient) -> str:
    answer = await client.post("/generate", json={"scenario": "Order"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["scenario_id"])


async def send(client: httpx.AsyncClient, scenario_id: str, **body: Any) -> httpx.Response:
    return await client.post(f"/scenarios/{scenario_id}/events", json=body)


async def shown(client: httpx.AsyncClient, scenario_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/scenarios/{scenario_id}")).json()
    return found


@pytest.mark.usefixtures("engine")
async def test_an_order_by_its_events(client: httpx.AsyncClient, link: RedisLink) -> None:
    scenario_id = await ordered(client)
    worker = PlainWorker(link, service="shop")

    paid = await send(client, scenario_id, event="pay", data={"amount": 5}, by="ann", event_id="p1")

    assert (paid.status_code, paid.json()) == (200, {
        "scenario_id": scenario_id, "event": "pay", "state": "paid", "allowed_events": ["cancel"], "repeated": False,
    })  # fmt: skip
    for name in ("Pack", "Ship"):
        (entry,) = await wait_until(worker.take, what=name)
        assert entry.name == name
        await worker.succeed(entry)
    assert entry.fields == {"amount": 5}

    async def is_shipped() -> bool:
        return bool((await shown(client, scenario_id))["state"] == "shipped")

    await wait_until(is_shipped, what="the parcel on its way")
    found = await shown(client, scenario_id)
    assert found["allowed_events"] == ["return"]
    assert [task["name"] for task in found["tasks"]] == ["machine", "paid", "Pack", "Ship"]
    again = await send(client, scenario_id, event="pay", by="ann", event_id="p1")
    assert (again.status_code, again.json()["state"], again.json()["repeated"]) == (200, "shipped", True)
    listed = (await client.get("/scenarios", params={"name": "Order"})).json()["items"]
    assert [item["state"] for item in listed] == ["shipped"]

    history = (await client.get(f"/scenarios/{scenario_id}/history")).json()["items"]
    assert [(one["visit"], one["from"], one["event"], one["to"], one["by"]) for one in history] == [
        (1, None, "start", "new", None), (2, "new", "pay", "paid", "ann"), (3, "paid", "then", "shipped", None)
    ]  # fmt: skip
    assert history[1]["data"] == {"amount": 5}


@pytest.mark.usefixtures("engine")
async def test_an_event_that_the_state_does_not_take_is_refused_with_those_that_it_does(
    client: httpx.AsyncClient,
) -> None:
    scenario_id = await ordered(client)

    answer = await send(client, scenario_id, event="return")

    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["code"], problem["allowed"], problem["state"]) == (
        "invalid_transition",
        ["cancel", "pay"],
        "new",
    )
    assert problem["scenario_id"] == scenario_id
    assert problem["detail"] == "The state 'new' does not take this event; it takes cancel, pay."
    assert len((await client.get(f"/scenarios/{scenario_id}/history")).json()["items"]) == 1


@pytest.mark.usefixtures("engine")
async def test_after_its_end_a_scenario_takes_no_events(client: httpx.AsyncClient) -> None:
    scenario_id = await ordered(client)
    assert (await send(client, scenario_id, event="cancel", event_id="c1")).json()["state"] == "cancelled"

    async def has_ended() -> bool:
        return bool((await shown(client, scenario_id))["status"] == "failed")

    await wait_until(has_ended, what="the end")
    late, same, other = [
        await send(client, scenario_id, event=event, event_id=event_id)
        for event, event_id in (("pay", "p9"), ("cancel", "c1"), ("pay", "c1"))
    ]

    assert (late.status_code, late.json()["code"], late.json()["current_status"]) == (
        409,
        "scenario_final",
        "failed",
    )
    assert (same.status_code, same.json()["repeated"]) == (200, True)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert (await shown(client, scenario_id))["allowed_events"] == []


async def test_an_event_before_the_start_is_to_be_sent_again(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.api.states.START_WAIT_S", 0)
    answer = await send(client, await ordered(client), event="pay")

    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "busy", "1")


async def test_a_scenario_without_states_takes_no_events_and_has_no_history(
    client: httpx.AsyncClient,
) -> None:
    scenario_id = (await client.post("/generate", json={"scenario": "Pair"})).json()["scenario_id"]

    answer = await send(client, scenario_id, event="pay")

    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
    assert answer.json()["allowed"] == []
    assert (await client.get(f"/scenarios/{scenario_id}/history")).json() == {"items": []}
    found = await shown(client, scenario_id)
    assert (found["state"], found.get("allowed_events")) == (None, None)


@pytest.mark.parametrize("body", [
    {}, {"event": ""}, {"event": "a b"}, {"event": 5}, {"event": "pay", "other": 1}, {"event": "pay", "data": "x" * 9_000},
    {"event": "pay", "by": "x" * 201},
])  # fmt: skip
async def test_what_is_no_event_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await client.post(f"/scenarios/{await ordered(client)}/events", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


@pytest.mark.parametrize("path", ["events", "history"])
async def test_what_does_not_exist_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    for scenario_id in ("0" * 16, "x"):
        call = client.post if path == "events" else client.get
        more: dict[str, Any] = {"json": {"event": "pay"}} if path == "events" else {}
        assert (await call(f"/scenarios/{scenario_id}/{path}", **more)).status_code == 404


async def test_a_plan_shows_the_states(client: httpx.AsyncClient) -> None:
    found = (await client.post("/plan", json={"scenario": "Order", "variables": {"WAIT": "2h"}})).json()

    assert (found["initial"], found["total"], found["stages"], found["critical_path"]) == ("new", 2, [], [])
    assert [task["key"] for task in found["tasks"]] == ["paid/Pack", "paid/Ship"]
    states = {state["name"]: state for state in found["states"]}
    assert states["paid"] == {
        "name": "paid", "on": {"cancel": "cancelled"}, "then": "shipped", "otherwise": "cancelled", "after": None,
        "end": None, "stages": [["paid/Pack"], ["paid/Ship"]],
    }  # fmt: skip
    assert states["shipped"]["after"] == {"delay_ms": 7_200_000, "to": "closed"}
    assert states["closed"]["end"] == "success"
    plain = (await client.post("/plan", json={"scenario": "Pair"})).json()
    assert (plain["states"], plain["initial"]) == (None, None)


@pytest.mark.parametrize("count", [1, 300])
async def test_a_scenario_that_a_task_runs_must_exist(client: httpx.AsyncClient, count: int) -> None:
    """Also for the process that makes large scenarios."""
    for inner, status in (("Pair", 200), ("ScenarioAlone", 200), ("Pairs", 422)):
        body = {"scenario": "Outer", "variables": {"INNER": inner, "N": count}}
        answer = await client.post("/plan", json=body)
        assert answer.status_code == status, inner

    (error,) = answer.json()["errors"]
    assert (error["code"], error["line"]) == ("unknown_template", 5)
    assert "did you mean 'Pair'?" in error["detail"]


@pytest.mark.usefixtures("engine")
async def test_what_holds_a_scenario_together_is_not_cancelled_alone(client: httpx.AsyncClient) -> None:
    scenario_id = await ordered(client)
    await send(client, scenario_id, event="pay", data={"amount": 1})

    async def tasks() -> dict[str, str]:
        found = {task["name"]: task["id"] for task in (await shown(client, scenario_id))["tasks"]}
        return found if "Pack" in found else {}

    ids = await wait_until(tasks, what="the tasks of the state")
    answers = [
        await client.post(f"/tasks/{ids[name]}/cancel", json={}) for name in ("machine", "paid", "Pack")
    ]

    assert [answer.status_code for answer in answers] == [409, 409, 200]
    assert {answer.json()["code"] for answer in answers[:2]} == {"not_alone"}

    async def has_ended() -> bool:
        return bool((await shown(client, scenario_id))["state"] == "cancelled")

    await wait_until(has_ended, what="the way otherwise")
