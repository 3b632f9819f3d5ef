"""Gates: tasks that wait for people, under a virtual clock."""

import asyncio
from typing import Any

import pytest

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.gates import Gates
from orchestrator.store.gate_list import Wanted, list_gates
from orchestrator.store.gate_records import Gate, GateState, Vote
from orchestrator.store.gates import GateStore, Voted
from orchestrator.store.records import Cause, TaskRecord
from orchestrator.store.store import Policy, Store
from orchestrator.store.voting import Refusal, Refused
from tests.support.engines import materialized
from tests.support.graphs import graph
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

DAY_MS = 24 * 3_600_000
YES, NO = "approve", "reject"


class Desk:
    """A scenario whose first task is a gate, and whose second a worker does."""

    def __init__(self, link: RedisLink, **gate: Any) -> None:
        self.link = link
        self.store = Store(link, Partitions(1), Policy(), scripts=virtual_scripts())
        self.at = self.store.partitions[0]
        self.gates = GateStore(self.store)
        self.worker = PlainWorker(link)
        self.now = START_MS
        asks = {"approval": {"ask": True}}
        self.scenario = graph(
            {"approval": [], "publish": ["approval"]}, rules=asks, on_ready={"approval": {"gate": gate}}
        )
        self.task_id = self.scenario.task_ids[0]
        self.advancer = Advancer(self.store, Seams(link), self.at, "a1")

    async def open(self, submitter: str = "") -> "Desk":
        """Let the gate open."""
        await self.store.agree(sets_lease=True)
        await self.advancer.step()  # makes the group
        await materialized(self.store, self.scenario)
        if submitter:
            key = self.at.scenario(self.scenario.scenario_id)
            await self.link.execute("HSET", key, "submitter", submitter)
        await self.advancer.step()
        return self

    async def vote(self, by: str, decision: Any = YES, comment: str = "", **more: Any) -> Voted | Refused | None:
        """A vote, and what follows from it."""
        found = await self.gates.vote(self.task_id, Vote(by, decision, comment, **more))
        await self.advancer.step()
        return found

    async def passed(self, ms: int) -> None:
        """Let time pass, and the timekeeper look."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)
        for kind, subject in (await self.store.due(self.at)).timers:
            assert kind != "gate" or await Gates(self.store).due(self.at, subject)
        await self.advancer.step()

    async def task(self, position: int = 0) -> TaskRecord:
        task = await self.store.task(self.scenario.task_ids[position])
        assert task is not None
        return task

    async def gate(self) -> Gate:
        gate = await self.gates.gate(self.task_id)
        assert gate is not None
        return gate

    async def audit(self) -> list[tuple[str, str]]:
        """What happened, and who did it."""
        return [(one["what"], one.get("by", "")) for one in await self.gates.audit(self.task_id)]

    async def listed(self) -> list[str]:
        page = await list_gates(self.store, Wanted(), cursor=None, limit=10)
        return [gate.task_id for gate in page.items]


async def test_an_open_gate_holds_no_worker_and_nothing_ends_it_but_people(link: RedisLink) -> None:
    desk = await Desk(link, title="Approve the text", draft="Cats.").open()
    await desk.passed(400 * DAY_MS)

    task, gate, scenario = await desk.task(), await desk.gate(), await desk.store.scenario(desk.scenario.scenario_id)
    assert (task.status, task.worker, task.attempt) == (Status.PROCESSING, "orchestrator", 1)
    assert (gate.is_open, gate.value, gate.deadline) == (True, "Cats.", "")
    assert scenario and scenario.counts[Status.PROCESSING] == 1
    assert await desk.worker.take() == []
    assert await link.execute("XLEN", desk.at.task_events) == 0
    assert await desk.listed() == [desk.task_id]


async def test_an_approval_is_the_result_of_the_task_and_what_waits_for_it_begins(link: RedisLink) -> None:
    desk = await Desk(link, draft="Cats.").open()

    found = await desk.vote("ann", YES, "fine")
    task = await desk.task()

    assert isinstance(found, Voted) and found.gate.state is GateState.APPROVED
    assert task.status is Status.SUCCESS
    assert task.result == {
        "decision": "approve",
        "value": "Cats.",
        "by": "ann",
        "comment": "fine",
        "at": "2025-06-26T10:34:12.349Z",
        "votes": [
            {"by": "ann", "decision": "approve", "comment": "fine", "edited": False, "at": "2025-06-26T10:34:12.349Z"}
        ],
    }
    assert [entry.name for entry in await desk.worker.take()] == ["publish"]
    assert await desk.listed() == []


async def test_an_edited_value_arrives_as_the_result_byte_for_byte(link: RedisLink) -> None:
    value = {"text": 'quotes " and \\ and {{ x }} and \u2028 🎬', "empty": [], "none": None, "n": 12345678901234567}
    desk = await Desk(link, draft={"text": "Cats."}).open()

    await desk.vote("ann", value=value)

    assert (await desk.task()).result["value"] == value
    assert (await desk.gate()).draft == {"text": "Cats."}


async def test_a_quorum_of_two(link: RedisLink) -> None:
    desk = await Desk(link, draft="Cats.", quorum=2).open()

    await desk.vote("ann")
    assert (await desk.task()).status is Status.PROCESSING
    repeated = await desk.vote("ann")
    assert isinstance(repeated, Voted) and repeated.repeated
    assert await desk.vote("ann", NO) == Refused(Refusal.VOTED)
    await desk.vote("bob")

    task = await desk.task()
    assert (task.status, task.result["by"]) == (Status.SUCCESS, "bob")
    assert [vote["by"] for vote in task.result["votes"]] == ["ann", "bob"]
    assert await desk.audit() == [("opened", ""), ("approve", "ann"), ("approve", "bob")]


async def test_an_edit_begins_the_quorum_anew_and_the_audit_keeps_all(link: RedisLink) -> None:
    desk = await Desk(link, draft="Cats.", quorum=2).open()

    await desk.vote("ann")
    await desk.vote("bob", value="Dogs.")
    assert (await desk.gate()).approvals == 1
    assert await desk.vote("cyd", revision=0) == Refused(Refusal.CHANGED)
    await desk.vote("ann", revision=2)

    task = await desk.task()
    assert (task.result["value"], [vote["by"] for vote in task.result["votes"]]) == ("Dogs.", ["bob", "ann"])
    assert await desk.audit() == [("opened", ""), ("approve", "ann"), ("approve", "bob"), ("approve", "ann")]
    assert [one.get("value") for one in await desk.gates.audit(desk.task_id)] == [None, None, "Dogs.", None]


async def test_one_rejection_fails_the_task_and_what_waits_for_it_is_skipped(link: RedisLink) -> None:
    desk = await Desk(link, quorum=2).open()
    await desk.vote("ann")

    await desk.vote("bob", NO, "no cats")
    task, after = await desk.task(), await desk.task(1)

    assert task.status is Status.FAILED
    assert (task.error["type"], task.error["by"], task.error["comment"]) == ("rejected", "bob", "no cats")
    assert after.status is Status.SKIPPED
    assert await desk.vote("cyd") == Refused(Refusal.CLOSED)


async def test_a_rejection_may_be_a_result_for_a_condition_to_look_at(link: RedisLink) -> None:
    desk = await Desk(link, on_reject="continue", draft="Cats.").open()

    await desk.vote("ann", NO, "shorter")
    task = await desk.task()

    assert task.status is Status.SUCCESS
    assert (task.result["decision"], task.result["value"], task.result["comment"]) == ("reject", None, "shorter")
    assert len(await desk.worker.take()) == 1


async def test_who_submitted_the_scenario_may_be_left_out(link: RedisLink) -> None:
    desk = await Desk(link, self_approval=False).open(submitter="ann")

    assert await desk.vote("Ann") == Refused(Refusal.SUBMITTER)
    assert isinstance(await desk.vote("bob"), Voted)


async def test_only_those_who_are_named_may_decide(link: RedisLink) -> None:
    desk = await Desk(link, who=["alice", "group:editors"]).open()

    assert await desk.vote("bob") == Refused(Refusal.NOT_ALLOWED)
    assert await desk.vote("bob", groups=["authors"]) == Refused(Refusal.NOT_ALLOWED)
    assert isinstance(await desk.vote("bob", groups=["editors"]), Voted)


async def test_a_value_that_does_not_satisfy_the_form_is_refused_with_its_place(link: RedisLink) -> None:
    form = {"type": "object", "properties": {"slides": {"type": "integer", "maximum": 9}}, "required": ["slides"]}
    desk = await Desk(link, form=form, draft={}).open()

    without, wrong = await desk.vote("ann"), await desk.vote("ann", value={"slides": 10})

    assert isinstance(without, Refused) and [error.pointer for error in without.errors] == [""]
    assert isinstance(wrong, Refused) and [error.pointer for error in wrong.errors] == ["/slides"]
    assert isinstance(await desk.vote("ann", value={"slides": 9}), Voted)


async def test_a_deadline_of_seven_days_without_a_default_fails_the_task(link: RedisLink) -> None:
    desk = await Desk(link, deadline_ms=7 * DAY_MS).open()
    assert (await desk.gate()).deadline == "2025-07-03T10:34:12.349Z"

    await desk.passed(7 * DAY_MS - 1)
    assert (await desk.task()).status is Status.PROCESSING
    await desk.passed(1)

    assert (await desk.task()).error["type"] == "gate_timeout"
    assert (await desk.gate()).state is GateState.EXPIRED
    assert await desk.audit() == [("opened", ""), ("deadline", "")]


@pytest.mark.parametrize(
    ("default", "status", "value"),
    [
        ({"decision": "approve", "value": "plain"}, Status.SUCCESS, "plain"),
        ({"decision": "approve"}, Status.SUCCESS, "Dogs."),
        ({"decision": "reject"}, Status.FAILED, None),
    ],
)
async def test_a_default_holds_at_the_deadline(
    link: RedisLink, default: dict[str, Any], status: Status, value: Any
) -> None:
    desk = await Desk(link, draft="Cats.", quorum=2, deadline_ms=DAY_MS, default=default).open()
    await desk.vote("ann", value="Dogs.")

    await desk.passed(DAY_MS)
    task = await desk.task()

    assert task.status is status
    if value:
        assert (task.result["decision"], task.result["value"], task.result["by"]) == ("approve", value, None)
        assert [vote["by"] for vote in task.result["votes"]] == ["ann"]
    else:
        assert task.error["type"] == "rejected"


async def test_a_vote_after_the_deadline_ends_the_gate_by_its_default(link: RedisLink) -> None:
    """Whether the timekeeper was there in time or not, the deadline is the deadline."""
    desk = await Desk(link, deadline_ms=1_000, default={"decision": "reject"}).open()
    await link.execute("SET", CLOCK, START_MS + 1_000)

    assert await desk.vote("ann") == Refused(Refusal.CLOSED)
    assert (await desk.task()).error["message"] == "rejected at its deadline"


async def test_a_cancelled_task_closes_its_gate(link: RedisLink) -> None:
    desk = await Desk(link, deadline_ms=DAY_MS, default={"decision": "approve"}).open()

    while await desk.store.cancel(desk.scenario.scenario_id, Cause("not needed", "bob")) == "MORE":
        continue
    assert await desk.vote("ann") == Refused(Refusal.CLOSED)
    assert await desk.listed() == []
    await desk.passed(DAY_MS)

    assert (await desk.task()).status is Status.CANCELLED
    assert (await desk.gate()).state is GateState.CLOSED
    assert await desk.audit() == [("opened", ""), ("closed", "")]
    assert await link.execute("ZCARD", desk.at.gates) == 0


async def test_no_worker_and_no_report_by_http_ends_a_gate(link: RedisLink) -> None:
    desk = await Desk(link).open()
    for kind in ("success", "failed", "processing"):
        await link.execute("XADD", desk.at.task_events, "*", "task_id", desk.task_id, "status", kind, "token", "1.x.1")
    await desk.advancer.step()

    assert (await desk.task()).status is Status.PROCESSING


async def test_a_gate_is_opened_once_however_often_it_is_looked_at(link: RedisLink) -> None:
    desk = await Desk(link, draft="Cats.").open()
    await desk.vote("ann", YES)
    gate = {"draft": "other"}
    look = await link.execute("XADD", desk.at.task_events, "*", "task_id", desk.task_id, "status", "look")

    await Gates(desk.store).open(desk.at, await desk.task(), gate, [look.decode()])

    assert (await desk.gate()).draft == "Cats."
    assert await link.execute("XLEN", desk.at.task_events) == 0


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
    ],
)
async def test_a_gate_that_cannot_be_asked_fails_its_task(link: RedisLink, gate: dict[str, Any], words: str) -> None:
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
    mine = {"link": "nonce-1", "until_ms": START_MS + 1_000}

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


async def test_a_task_that_is_not_there_has_no_gate(link: RedisLink) -> None:
    desk = await Desk(link).open()
    assert await desk.gates.vote("0" * 16, Vote("ann", "approve")) is None
    assert await desk.gates.close(desk.at, "0" * 16) == "REMOVED"


async def test_the_secret_of_links_is_made_once(link: RedisLink) -> None:
    desk = await Desk(link).open()
    secrets = {await desk.gates.secret() for _ in range(3)}
    assert len(secrets) == 1 and len(secrets.pop()) >= 32
