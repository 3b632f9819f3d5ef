"""Gates: what is out of the ordinary, under a virtual clock."""

import asyncio
from typing import Any

import pytest

from orchestrator.engine.gates import Gates
from orchestrator.store.gate_list import Wanted, list_gates
from orchestrator.store.gate_records import Vote
from orchestrator.store.gates import Voted
from orchestrator.store.records import Cause
from orchestrator.store.revival import Revival
from orchestrator.store.store import Policy, Store
from orchestrator.store.voting import Refusal, Refused
from tests.support.engines import materialized
from tests.support.gates import Desk
from tests.support.graphs import graph
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

DAY_MS = 24 * 3_600_000
NO = "reject"


async def test_no_worker_and_no_report_by_http_ends_a_gate(link: RedisLink) -> None:
    desk = await Desk(link).open()
    for kind in ("success", "failed", "processing"):
        await link.execute(
            "XADD", desk.at.task_events, "*", "task_id", desk.task_id, "status", kind, "token", "1.x.1"
        )
    await desk.advancer.step()

    assert (await desk.task()).status is Status.PROCESSING


async def test_a_gate_is_opened_once_however_often_it_is_looked_at(link: RedisLink) -> None:
    desk = await Desk(link, draft="Cats.").open()
    await desk.vote("ann", "approve")

    await Gates(desk.store).open(desk.at, await desk.task(), {"draft": "other"})

    assert (await desk.gate()).draft == "Cats."


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"form": {"$ref": "https://elsewhere.invalid/"}}, "only `#/$defs/"),
        ({"draft": "x" * 50_000}, "refer to a file"),
        ({"quorum": 11}, "from 1 to 10"),
        ({"default": {"decision": "approve"}}, "needs a `deadline`"),
        ({"default": {"decision": "maybe"}, "deadline_ms": 1}, "one of approve, reject"),
        ({"default": {"decision": "reject", "value": 1}, "deadline_ms": 1}, "has no `value`"),
        (
            {"default": {"decision": "approve", "value": 1}, "deadline_ms": 1, "form": {"type": "string"}},
            "does not satisfy the form",
        ),
        ({"on_reject": "explode"}, "one of fail, continue"),
        ({"who": "alice"}, "a list"),
        ({"who": ["ann", "ANN"], "quorum": 2}, "cannot be reached: 1 may decide"),
    ],
)
async def test_a_gate_that_cannot_be_asked_fails_its_task(
    link: RedisLink, gate: dict[str, Any], words: str
) -> None:
    desk = await Desk(link, **gate).open()
    await desk.advancer.step()
    task = await desk.task()

    assert (task.status, task.error["type"]) == (Status.FAILED, "bad_gate")
    assert words in task.error["message"]
    assert await desk.gates.gate(desk.task_id) is None


async def test_a_long_message_is_cut_and_says_so(link: RedisLink) -> None:
    desk = await Desk(link, message="x" * 20_005).open()
    assert (await desk.gate()).facts.message.endswith("x [... 5 more characters]")


async def test_a_link_is_used_once_and_not_after_its_end(link: RedisLink) -> None:
    desk = await Desk(link, quorum=3).open()
    mine: dict[str, Any] = {"link": "nonce-1", "until_ms": START_MS + 1_000}

    assert isinstance(await desk.vote("ann", **mine), Voted)
    assert await desk.vote("bob", **mine) == Refused(Refusal.LINK_USED)
    assert isinstance(await desk.vote("bob", link="nonce-2", until_ms=START_MS + 1), Voted)
    assert await desk.vote("cyd", link="nonce-3", until_ms=START_MS) == Refused(Refusal.LINK_ENDED)
    assert (await desk.gate()).used == {"nonce-1", "nonce-2"}


async def test_votes_at_the_same_time_all_count(link: RedisLink) -> None:
    desk = await Desk(link, quorum=5).open()
    people = [f"p{n}" for n in range(5)]

    found = await asyncio.gather(*(desk.gates.vote(desk.task_id, Vote(by, "approve")) for by in people))
    await desk.advancer.step()

    assert all(isinstance(one, Voted) for one in found)
    assert sorted(vote["by"] for vote in (await desk.task()).result["votes"]) == people


async def test_a_gate_that_is_retried_opens_anew_and_keeps_its_audit(link: RedisLink) -> None:
    desk = await Desk(link, draft="Cats.", quorum=2).open()
    await desk.vote("ann", value="Dogs.", link="nonce-1", until_ms=START_MS + 1)
    await desk.vote("bob", NO)
    await link.execute("SET", CLOCK, START_MS + 5)

    await Revival(desk.store).retry(desk.scenario.scenario_id)
    await desk.advancer.step()
    gate = await desk.gate()

    assert (gate.is_open, gate.value, gate.votes, gate.outcome) == (True, "Cats.", [], None)
    assert not gate.used
    assert gate.opened_ms == START_MS + 5
    await desk.vote("ann")
    await desk.vote("bob")
    assert (await desk.task()).status is Status.SUCCESS
    assert [what for what, _ in await desk.audit()] == [
        "opened",
        "approve",
        "reject",
        "opened",
        "approve",
        "approve",
    ]


async def test_nothing_of_a_gate_outlives_its_scenario(link: RedisLink) -> None:
    """Also of one that was cancelled while it was open."""
    for how in ("decided", "cancelled"):
        desk = await Desk(link, deadline_ms=DAY_MS).open()
        if how == "decided":
            await desk.vote("ann", NO, link="nonce-1", until_ms=START_MS + 1)
        while await desk.store.cancel(desk.scenario.scenario_id, Cause()) == "MORE":
            continue
        await link.execute("SET", CLOCK, START_MS + desk.store.policy.retention_ms + 1)
        await desk.store.begin_purge(desk.at, desk.scenario.scenario_id)
        while await desk.store.purge(desk.at, desk.scenario.scenario_id) == "MORE":
            continue

        left = await link.execute("KEYS", f"*{desk.task_id}*")
        timers = await link.execute("ZRANGE", desk.at.timers, 0, -1)
        assert (left, timers, await link.execute("ZCARD", desk.at.gates)) == ([], [], 0), how
        await link.execute("SET", CLOCK, START_MS)


async def test_the_list_goes_over_all_partitions_oldest_first(link: RedisLink) -> None:
    store = Store(link, Partitions(4), Policy(), scripts=virtual_scripts())
    made = []
    for n in range(8):
        await link.execute("SET", CLOCK, START_MS + n // 2)
        scenario = graph({"a": []}, rules={"a": {"ask": True}}, on_ready={"a": {"gate": {}}})
        await materialized(store, scenario)
        task = await store.task(scenario.task_ids[0])
        assert task is not None
        await Gates(store).open(store.partitions.of(task.id), task, {})
        made.append((START_MS + n // 2, task.id))
    found: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        page = await list_gates(store, Wanted(), cursor=cursor, limit=2)
        found += [gate.task_id for gate in page.items]
        cursor = page.next_cursor

    assert (found, cursor) == ([task_id for _, task_id in sorted(made)], None)


async def test_a_task_that_is_not_there_has_no_gate(link: RedisLink) -> None:
    desk = await Desk(link).open()
    assert await desk.gates.vote("0" * 16, Vote("ann", "approve")) is None
    assert await desk.gates.close(desk.at, "0" * 16) == "REMOVED"


async def test_the_secret_of_links_is_made_once(link: RedisLink) -> None:
    desk = await Desk(link).open()
    secrets = {await desk.gates.secret() for _ in range(3)}
    assert len(secrets) == 1 and len(secrets.pop()) >= 32
