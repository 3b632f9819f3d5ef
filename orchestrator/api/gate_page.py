"""The page behind a one-time link: the question, the value, two buttons. Looking at it changes nothing (mail programs look at
every link); only sending it does. It runs no scripts and loads nothing."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from string import Template
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from orchestrator.config import Settings
from orchestrator.store.gate_records import Decision, Gate, Vote
from orchestrator.store.gates import GateStore

from .body import read_body
from .gate_fields import BadValue, read_value, value_fields
from .gate_links import Grant, read, secret_of
from .gate_models import MAX_COMMENT_CHARS
from .gates import existing_gate, take_vote
from .problems import KINDS, Problem
from .services import Needs, Services

router = APIRouter(include_in_schema=False)

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
    "label{display:block;margin:1rem 0;font-weight:600}small{display:block;margin-top:-.8rem}"
    "textarea,input,select{display:block;width:100%;box-sizing:border-box;font:inherit;margin-top:.3rem}"
    "pre,p.text{white-space:pre-wrap;overflow-wrap:anywhere}button{font:inherit;padding:.5rem 1.5rem;margin-right:1rem}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_PAGE: Final = Template(
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>$title</title>'
    f"<style>{_STYLE}</style></head><body><h1>$title</h1>$body</body></html>"
)
_QUESTION: Final = Template(
    '<p class="text">$message</p><p>You decide as <b>$by</b>. $facts</p>'
    # The first button is what Enter in a text box would press: one that does nothing.
    '<form method="post" action="decide"><button disabled hidden></button>'
    '<input type="hidden" name="token" value="$token">'
    '<input type="hidden" name="revision" value="$revision">$fields'
    f'<label>Comment<textarea name="comment" rows="2" maxlength="{MAX_COMMENT_CHARS}"></textarea></label>'
    '<button name="decision" value="approve">Approve</button><button name="decision" value="reject">Reject</button></form>'
)
_FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 100


@router.get("/gates/{task_id}/decide")
async def show_gate(task_id: str, request: Request, needs: Needs) -> Response:
    """Show what is asked to whom the link is for."""
    token = request.query_params.get("token", "")
    try:
        link, gate = await _granted(task_id, token, request, needs)
    except Problem as problem:
        return _told(problem)
    return _page(gate.facts.title, _question(gate, link, token))


@router.post("/gates/{task_id}/decide")
async def decide_by_link(task_id: str, request: Request, needs: Needs) -> Response:
    """Note the vote of whom the link is for."""
    try:
        sent = await _sent(request, needs.settings)
        link, gate = await _granted(task_id, sent.get("token", ""), request, needs, to_decide=True)
        voted = await take_vote(task_id, _vote(gate, link, sent), request, needs)
    except Problem as problem:
        return _told(problem)
    word = "You had decided this already." if voted.repeated else "Thank you, it is noted."
    missing = voted.gate.facts.quorum - voted.gate.approvals
    more = f" {missing} more approvals are needed." if voted.gate.is_open else f" It is {voted.gate.state}."
    return _page(voted.gate.facts.title, f"<p>{escape(word + more)}</p>")


async def _granted(
    task_id: str, token: str, request: Request, needs: Services, *, to_decide: bool = False
) -> tuple[Grant, Gate]:
    """What the link grants, and the gate. Raises Problem.

    Args:
        to_decide: what is over is told by the vote, which knows whether it was this very link that decided.
    """
    link = read(token, task_id, await secret_of(needs))
    if link is None:
        raise Problem("bad_link", "The link is not one of ours, or not complete.")
    gate = await existing_gate(task_id, request, needs)
    if gate.opened_ms != link.opened_ms:
        raise Problem("link_over", "The link was for an earlier run of this task.")
    if not to_decide and link.nonce in gate.used:
        raise Problem("link_over", "The link was used.")
    if not to_decide and not gate.is_open:
        raise Problem("gate_closed", f"It is decided already: {gate.state}.")
    if not to_decide and link.until_ms <= await GateStore(needs.store).now_ms():
        raise Problem("link_over", "The link has expired.")
    return link, gate


def _vote(gate: Gate, link: Grant, sent: Mapping[str, str]) -> Vote:
    """The vote that was sent. Raises Problem."""
    decision, revision = sent.get("decision"), sent.get("revision", "")
    comment = sent.get("comment", "").replace("\r\n", "\n").strip()
    if decision not in ("approve", "reject") or len(comment) > MAX_COMMENT_CHARS or not _is_number(revision):
        raise Problem("invalid_field", "The page was not sent as it was made.")
    try:
        value = read_value(gate, sent)
    except BadValue as error:
        raise Problem("invalid_value", str(error)) from error
    # For the revision that was seen: what others changed since is noticed when it is counted.
    seen = int(revision)
    word: Decision = "approve" if decision == "approve" else "reject"
    return Vote(link.by, word, comment, value, link.groups, seen, "link", link.nonce, link.until_ms)


async def _sent(request: Request, settings: Settings) -> dict[str, str]:
    """Fields of a form. Raises Problem."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Problem("unsupported_media_type", "Send the form of the page.")
    body = await read_body(request, settings)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:  # UnicodeDecodeError is one
        raise Problem("invalid_request", "The form cannot be read.") from error
    return dict(pairs)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _question(gate: Gate, link: Grant, token: str) -> str:
    facts = [f"{gate.approvals} of {gate.facts.quorum} approvals."] if gate.facts.quorum > 1 else []
    facts += [f"Until {gate.deadline}."] if gate.deadline else []
    return _QUESTION.substitute(
        message=escape(gate.facts.message),
        by=escape(link.by),
        facts=escape(" ".join(facts)),
        token=escape(token),
        revision=gate.revision,
        fields=value_fields(gate),
    )


def _told(problem: Problem) -> Response:
    """A problem as a page."""
    kind = KINDS[problem.code]
    items = "".join(f"<li>{escape((e.pointer or '') + ' ' + e.detail)}</li>" for e in problem.errors)
    return _page(kind.title, f"<p>{escape(str(problem.detail))}</p><ul>{items}</ul>", kind.status)


def _page(title: str, body: str, status: int = 200) -> Response:
    text = _PAGE.substitute(title=escape(title), body=body)
    return Response(text, status, _HEADERS, media_type="text/html")
