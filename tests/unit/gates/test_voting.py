"""What a vote or a deadline does to a gate."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.store.gate_records import (
    MAX_VALUE_BYTES,
    MAX_VOTES,
    Gate,
    GateFacts,
    GateState,
    Vote,
    same_person,
)
from orchestrator.store.voting import Refusal, Refused, Repeated, Step, overdue, same, weigh

APPROVAL = {"by": "bob", "decision": "approve", "comment": "", "edited": False, "at": "t"}


def gate(*votes: dict[str, Any], value: Any = "draft", **facts: Any) -> Gate:
    """An open gate."""
    return Gate(
        task_id="t",
        scenario_id="s",
        name="Approve",
        state=GateState.OPEN,
        facts=GateFacts(**facts),
        draft="draft",
        value=value,
        version=len(votes),
        revision=0,
        votes=list(votes),
        opened_ms=1,
        opened_at="t",
        deadline="",
        outcome=None,
        is_open=True,
    )


def taken(found: Step | Repeated | Refused) -> Step:
    assert isinstance(found, Step), found
    return found


def why(found: Step | Repeated | Refused) -> Refusal:
    assert isinstance(found, Refused), found
    return found.why


def test_one_approval_ends_a_gate_with_the_draft_as_its_value() -> None:
    step = taken(weigh(gate(), Vote("ann", "approve", "fine")))

    assert (step.state, step.error) == (GateState.APPROVED, None)
    assert step.outcome == {"decision": "approve", "value": "draft", "by": "ann", "comment": "fine"}
    assert step.vote == {"by": "ann", "decision": "approve", "comment": "fine", "edited": False}


def test_a_quorum_takes_so_many_approvals() -> None:
    first = taken(weigh(gate(quorum=2), Vote("ann", "approve")))
    last = taken(weigh(gate(APPROVAL, quorum=2), Vote("ann", "approve")))

    assert (first.state, first.outcome) == (GateState.OPEN, None)
    assert (last.state, last.votes) == (GateState.APPROVED, [APPROVAL])


def test_one_rejection_rejects_and_fails_the_task_without_another_attempt() -> None:
    step = taken(weigh(gate(APPROVAL, quorum=3), Vote("ann", "reject", "no cats")))

    assert step.state is GateState.REJECTED
    assert step.outcome == {"decision": "reject", "value": None, "by": "ann", "comment": "no cats"}
    assert step.error == {
        "type": "rejected",
        "message": "rejected by ann: no cats",
        "by": "ann",
        "comment": "no cats",
        "retry": False,
    }


def test_a_rejection_that_is_to_go_on_is_a_result() -> None:
    step = taken(weigh(gate(fails=False), Vote("ann", "reject")))
    assert (step.state, step.error) == (GateState.REJECTED, None)


def test_another_value_dismisses_the_approvals_of_the_value_before() -> None:
    """Nobody has approved what they did not see."""
    step = taken(weigh(gate(APPROVAL, quorum=2), Vote("ann", "approve", value="better")))

    assert (step.state, step.votes, step.value) == (GateState.OPEN, [], "better")
    assert step.note == {"what": "approve", "by": "ann", "comment": "", "via": "api", "value": "better"}


def test_the_value_as_it_stands_is_no_other_value() -> None:
    step = taken(weigh(gate(APPROVAL, quorum=2), Vote("ann", "approve", value="draft")))
    assert (step.state, step.votes) == (GateState.APPROVED, [APPROVAL])


def test_one_vote_a_person_and_the_same_again_is_told_as_such() -> None:
    voted = gate(APPROVAL, quorum=2)

    assert isinstance(weigh(voted, Vote("bob", "approve")), Repeated)
    assert isinstance(weigh(replace(voted, is_open=False), Vote("BOB ", "approve")), Repeated)
    assert why(weigh(voted, Vote("bob", "approve", "again"))) is Refusal.VOTED
    assert why(weigh(voted, Vote("Bob", "reject"))) is Refusal.VOTED
    assert why(weigh(voted, Vote("bob", "approve", value="better"))) is Refusal.VOTED


@pytest.mark.parametrize(
    ("who", "by", "groups", "may"),
    [
        ([], "anybody", (), True),
        (["alice", "group:editors"], "alice", (), True),
        (["alice", "group:editors"], "ALICE", (), True),
        (["alice", "group:editors"], "bob", ("editors",), True),
        (["alice", "group:editors"], "bob", ("authors",), False),
        (["alice", "group:editors"], "editors", (), False),
        (["alice", "group:editors"], "group:editors", (), False),
        (["alice", "Group:editors"], "\uff47roup:Editors", (), False),
        (["alice", "Group:editors"], "bob", ("Editors",), True),
    ],
)
def test_who_may_decide(who: list[str], by: str, groups: tuple[str, ...], may: bool) -> None:
    found = weigh(gate(who=who), Vote(by, "approve", groups=groups))
    assert isinstance(found, Step) if may else why(found) is Refusal.NOT_ALLOWED


@pytest.mark.parametrize(
    ("self_approval", "submitter", "may"),
    [
        (False, "ann", False),
        (False, "Ann", False),
        (False, "", True),
        (False, "bob", True),
        (True, "ann", True),
    ],
)
def test_the_submitter_may_be_left_out(self_approval: bool, submitter: str, may: bool) -> None:
    found = weigh(gate(self_approval=self_approval, submitter=submitter), Vote("ann", "approve"))
    assert isinstance(found, Step) if may else why(found) is Refusal.SUBMITTER


def test_letters_of_another_case_or_width_are_no_other_person() -> None:
    assert same_person("Ann", " ａｎｎ")
    assert not same_person("ann", "anna")


def test_a_vote_for_a_value_that_was_changed_meanwhile_is_refused() -> None:
    changed = replace(gate(quorum=2), revision=3)

    assert why(weigh(changed, Vote("ann", "approve", revision=0))) is Refusal.CHANGED
    assert isinstance(weigh(changed, Vote("ann", "approve", revision=3)), Step)


def test_a_closed_gate_takes_no_votes() -> None:
    assert why(weigh(replace(gate(), is_open=False), Vote("ann", "approve"))) is Refusal.CLOSED


def test_the_number_of_votes_is_bounded() -> None:
    assert why(weigh(replace(gate(), version=MAX_VOTES), Vote("ann", "approve"))) is Refusal.TOO_MANY


@pytest.mark.parametrize(
    ("vote", "pointers"),
    [
        (Vote("ann", "approve", value={"text": 5}), ["/text"]),
        (Vote("ann", "approve"), [""]),
        (Vote("ann", "approve", value="x" * MAX_VALUE_BYTES), [""]),
        (Vote("ann", "approve", value={"text": "ok"}), None),
        (Vote("ann", "reject"), None),
    ],
)
def test_what_is_approved_satisfies_the_form(vote: Vote, pointers: list[str] | None) -> None:
    form = {"type": "object", "properties": {"text": {"type": "string"}}}
    found = weigh(gate(form=form), vote)

    if pointers is None:
        assert isinstance(found, Step)
    else:
        assert why(found) is Refusal.INVALID
        assert isinstance(found, Refused) and [error.pointer for error in found.errors] == pointers


def test_value_and_votes_fit_into_a_result() -> None:
    votes = [{**APPROVAL, "by": f"p{n}", "comment": "я" * 1_000} for n in range(9)]
    found = weigh(gate(*votes, value="x" * 49_000, quorum=10), Vote("ann", "approve"))
    assert why(found) is Refusal.INVALID


def test_a_deadline_without_a_default_fails_the_task() -> None:
    step = overdue(gate(APPROVAL, quorum=2))

    assert step.state is GateState.EXPIRED
    assert step.error and (step.error["type"], step.error["retry"]) == ("gate_timeout", False)


def test_a_default_approves_its_value_or_the_one_that_stands() -> None:
    given = overdue(gate(default={"decision": "approve", "value": "plain"}))
    standing = overdue(gate(value="edited", default={"decision": "approve"}))

    assert given.outcome == {"decision": "approve", "value": "plain", "by": None, "comment": ""}
    assert standing.outcome and standing.outcome["value"] == "edited"
    assert (standing.state, standing.error) == (GateState.APPROVED, None)


def test_a_default_that_does_not_satisfy_the_form_approves_nothing() -> None:
    step = overdue(gate(form={"type": "integer"}, default={"decision": "approve"}))
    assert step.error and step.error["type"] == "gate_timeout"


def test_a_default_may_reject() -> None:
    step = overdue(gate(default={"decision": "reject"}))
    assert step.error and (step.error["type"], step.error["message"]) == (
        "rejected",
        "rejected at its deadline",
    )


def test_values_are_compared_as_json() -> None:
    assert same({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    assert not same(1, True)
    assert not same([1], [1, None])
