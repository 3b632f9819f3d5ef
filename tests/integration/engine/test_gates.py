"""Gates: tasks that wait for people, under a virtual clock."""

from typing import Any

import pytest

from orchestrator.store.gate_records import GateState
from orchestrator.store.gates import Voted
from orchestrator.store.records import Cause
from orchestrator.store.voting import Refusal, Refused
from tests.support.gates import Desk
from tests.support.scripts import CLOCK, START_MS
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

DAY_MS = 24 * 3_600_000
NO = "reject"


async def test_an_open_gate_holds_no_worker_and_nothing_ends_it_but_people(link: RedisLink) -> None:
    desk = await Desk(link, title="Approve the text", draft="Cats.").open()
    await desk.passed(400 * DAY_MS)

    task, gate, scenario = (
        await desk.task(),
        await desk.gate(),
        await desk.store.scenario(desk.scenario.scenario_id),
    )
    assert (task.status, task.worker, task.attempt) == (Status.PROCESSING, "orchestrator", 1)
    assert (gate.is_open, gate.value, gate.deadline) == (True, "Cats.", "")
    assert scenario and scenario.counts[Status.PROCESSING] == 1
    assert await desk.worker.take() == []
    assert await link.execute("XLEN", desk.at.task_events) == 0
    assert await desk.listed() == [desk.task_id]


async def test_an_approval_is_the_result_of_the_task_and_what_waits_for_it_begins(link: RedisLink) -> None:
    desk = await Desk(link, draft="Cats.").open()

    found = await desk.vote("ann", "approve", "fine")
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
            {
                "by": "ann",
                "decision": "approve",
                "comment": "fine",
                "edited": False,
                "at": "2025-06-26T10:34:12.349Z",
            }
        ],
    }
    assert [entry.name for entry in await desk.worker.take()] == ["publish"]
    assert await desk.listed() == []


async def test_an_edited_value_arrives_as_the_result_byte_for_byte(link: RedisLink) -> None:
    value: dict[str, Any] = {
        "text": 'quotes " and \\ and {{ x }} and \u2028 🎬',
        "empty": [],
        "none": None,
        "n": 12345678901234567,
    }
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
    assert (task.result["decision"], task.result["value"], task.result["comment"]) == (
        "reject",
        None,
        "shorter",
    )
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
    form = {
        "type": "object",
        "properties": {"slides": {"type": "integer", "maximum": 9}},
        "required": ["slides"],
    }
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
