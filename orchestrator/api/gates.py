"""Gates: what waits for people, and their decisions."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from orchestrator.store.gate_list import Wanted, list_gates
from orchestrator.store.gate_records import UNSET, Gate, Vote, is_barred, may_decide
from orchestrator.store.gates import GateStore, TooBusy, Voted
from orchestrator.store.voting import Refusal, Refused
from workers_sdk.protocol.keys import is_id

from .answers import json_response
from .body import JsonRoute
from .documented import BODY, problems
from .gate_links import grant, secret_of, signed
from .gate_models import DecidedOut, DecisionIn, GateOut, GatePageOut, LinkIn, LinkOut
from .problems import FieldError, Problem, not_found
from .services import Needs, Services

router = APIRouter(prefix="/gates", tags=["gates"], route_class=JsonRoute)

Json = Any

REFUSALS: Final = {
    Refusal.CLOSED: ("gate_closed", "The gate is not open any more."),
    Refusal.NOT_ALLOWED: ("may_not_decide", "This person is not among those who may decide."),
    Refusal.SUBMITTER: ("may_not_decide", "Who submitted the scenario may not decide about it."),
    Refusal.VOTED: ("already_voted", "This person has decided already."),
    Refusal.CHANGED: ("gate_changed", "The value is not the one that was seen: look at it again."),
    Refusal.TOO_MANY: ("gate_closed", "There were too many votes."),
    Refusal.INVALID: ("invalid_value", "The value does not satisfy the form."),
    Refusal.LINK_USED: ("link_over", "The link was used."),
    Refusal.LINK_ENDED: ("link_over", "The link has expired."),
}
OF_A_VOTE: Final = ("may_not_decide", "gate_closed", "already_voted", "gate_changed", "invalid_value", "busy")


@router.get(
    "",
    operation_id="list_gates",
    summary="List what waits for people",
    response_model=GatePageOut,
    responses=problems("invalid_field", "invalid_cursor"),
)
async def get_gates(
    needs: Needs,
    who: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Only what this person may still decide.")
    ] = None,
    group: Annotated[
        list[str] | None, Query(max_length=10, description="Groups that `who` is in; may be repeated.")
    ] = None,
    scenario_id: Annotated[
        str | None, Query(min_length=1, max_length=16, description="Only those of this scenario.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most gates on the page.")] = 50,
    cursor: Annotated[
        str | None, Query(min_length=1, max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> Response:
    """Give one page of the open gates, those that wait longest first."""
    if scenario_id is not None and not is_id(scenario_id):
        return json_response({"items": [], "next_cursor": None})
    wanted = Wanted(scenario_id or "", who or "", group or ())
    page = await list_gates(needs.store, wanted, cursor=cursor, limit=limit)
    return json_response({"items": [gate_item(gate) for gate in page.items], "next_cursor": page.next_cursor})


@router.get(
    "/{task_id}",
    operation_id="get_gate",
    summary="Look at a gate",
    response_model=GateOut,
    responses=problems("not_found"),
)
async def get_gate(task_id: str, request: Request, needs: Needs) -> Response:
    """Give what is asked, the value as it stands, the votes and all that happened."""
    gate = await existing_gate(task_id, request, needs)
    return json_response(await _whole(gate, needs))


@router.post(
    "/{task_id}/decision",
    operation_id="decide_gate",
    summary="Approve or reject",
    response_model=DecidedOut,
    responses=problems(*BODY, "not_found", *OF_A_VOTE),
)
async def decide_gate(task_id: str, body: DecisionIn, request: Request, needs: Needs) -> Response:
    """Note a vote. A rejection, or the last approval that is needed, ends the gate and its task."""
    value = body.value if "value" in body.model_fields_set else UNSET
    vote = Vote(body.by, body.decision, body.comment, value, body.groups, body.revision)
    voted = await take_vote(task_id, vote, request, needs)
    return json_response(await _whole(voted.gate, needs) | {"repeated": voted.repeated})


@router.post(
    "/{task_id}/links",
    status_code=201,
    operation_id="link_to_gate",
    summary="Make a one-time link for a person",
    response_model=LinkOut,
    responses=problems(*BODY, "not_found", "may_not_decide", "gate_closed"),
)
async def link_to_gate(task_id: str, body: LinkIn, request: Request, needs: Needs) -> Response:
    """Give an address to send to a person by mail or chat: a page with the question, and two buttons."""
    gate = await existing_gate(task_id, request, needs)
    if not gate.is_open:
        raise refused(Refused(Refusal.CLOSED), gate)
    if not may_decide(gate.facts, body.by, body.groups):
        raise refused(Refused(Refusal.NOT_ALLOWED), gate)
    if is_barred(gate.facts, body.by):
        raise refused(Refused(Refusal.SUBMITTER), gate)
    until_ms = await GateStore(needs.store).now_ms() + 1_000 * body.expires_in
    link = grant(task_id, gate.opened_ms, body.by, tuple(body.groups), until_ms)
    url = f"/gates/{task_id}/decide?token={signed(link, await secret_of(needs))}"
    expires_at = datetime.fromtimestamp(until_ms / 1_000, UTC).isoformat(timespec="milliseconds")
    return json_response({"url": url, "expires_at": expires_at.replace("+00:00", "Z")}, 201, SECRET_HEADERS)


SECRET_HEADERS: Final = {"Cache-Control": "no-store"}


async def existing_gate(task_id: str, request: Request, needs: Services) -> Gate:
    """A gate by the id of an address. Raises Problem (404)."""
    gate = await GateStore(needs.store).gate(task_id) if is_id(task_id) else None
    if gate is None:
        raise not_found()
    request.state.scenario_id = gate.scenario_id
    return gate


async def take_vote(task_id: str, vote: Vote, request: Request, needs: Services) -> Voted:
    """Note a vote. Raises Problem when it is not taken."""
    gates = GateStore(needs.store)
    try:
        voted = await gates.vote(task_id, vote) if is_id(task_id) else None
    except TooBusy:
        raise Problem("busy", "Others vote at this moment.", headers={"Retry-After": "1"}) from None
    if voted is None:
        raise not_found()
    if isinstance(voted, Refused):
        raise refused(voted, await existing_gate(task_id, request, needs))
    request.state.scenario_id = voted.gate.scenario_id
    return voted


def refused(refusal: Refused, gate: Gate) -> Problem:
    """Why a vote is not taken, for the client."""
    code, detail = REFUSALS[refusal.why]
    errors = [FieldError(pointer=f"/value{one.pointer}", detail=one.message) for one in refusal.errors]
    extra = {"current_state": gate.state.value, "revision": gate.revision}
    return Problem(code, detail, errors=errors, extra=extra)


def gate_item(gate: Gate) -> dict[str, Json]:
    """A `GateItem`."""
    return {
        "task_id": gate.task_id,
        "scenario_id": gate.scenario_id,
        "name": gate.name,
        "title": gate.facts.title,
        "state": gate.state,
        "who": gate.facts.who,
        "quorum": gate.facts.quorum,
        "approvals": gate.approvals,
        "opened_at": gate.opened_at,
        "deadline": gate.deadline or None,
        "links": {"self": f"/gates/{gate.task_id}"},
    }


async def _whole(gate: Gate, needs: Services) -> dict[str, Json]:
    """A `GateOut`. The token of the task is a secret and is no part of a gate here."""
    return gate_item(gate) | {
        "message": gate.facts.message,
        "form": gate.facts.form,
        "draft": gate.draft,
        "value": gate.value,
        "revision": gate.revision,
        "self_approval": gate.facts.self_approval,
        "submitter": gate.facts.submitter or None,
        "on_reject": "fail" if gate.facts.fails else "continue",
        "default": gate.facts.default,
        "votes": gate.votes,
        "outcome": gate.outcome,
        "audit": await GateStore(needs.store).audit(gate.task_id),
    }
