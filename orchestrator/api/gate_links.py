"""Signed links: who may decide about one gate, once, until when. The signature makes the name in it unforgeable."""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final

import orjson

from orchestrator.store.gates import GateStore

from .services import Services

_PURPOSE: Final = b"scenarist gate link 1:"
MAX_TOKEN_CHARS: Final = 6_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What a link says.

    Attributes:
        opened_ms: the opening of the gate that it is for; a gate that opens again needs new links.
        until_ms: when it ends, in Redis time.
        nonce: names the link, so that it is used once.
    """

    task_id: str
    opened_ms: int
    by: str
    groups: tuple[str, ...]
    until_ms: int
    nonce: str


async def secret_of(needs: Services) -> bytes:
    """The secret of the settings, else the one that Redis keeps for all. Raises: Unavailable, Refused."""
    configured = needs.settings.gate_secret
    text = configured.get_secret_value() if configured else await GateStore(needs.store).secret()
    return text.encode()


def grant(task_id: str, opened_ms: int, by: str, groups: tuple[str, ...], until_ms: int) -> Grant:
    """A new one."""
    return Grant(task_id, opened_ms, by, groups, until_ms, secrets.token_urlsafe(12))


def signed(link: Grant, secret: bytes) -> str:
    """The link as a token for an address."""
    facts = [link.task_id, link.opened_ms, link.by, link.groups, link.until_ms, link.nonce]
    body = _text(orjson.dumps(facts))
    return f"{body}.{_signature(body, secret)}"


def read(token: str, task_id: str, secret: bytes) -> Grant | None:
    """What a token grants for a gate; None when we did not sign it, or for another gate. It may have ended."""
    body, _, signature = token.partition(".")
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    if not hmac.compare_digest(signature, _signature(body, secret)):
        return None
    facts = _facts(body)
    if not isinstance(facts, list) or len(facts) != 6 or facts[0] != task_id:
        return None
    task, opened_ms, by, groups, until_ms, nonce = facts
    return Grant(task, opened_ms, by, tuple(groups), until_ms, nonce)


def _signature(body: str, secret: bytes) -> str:
    return _text(hmac.new(secret, _PURPOSE + body.encode(), hashlib.sha256).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _facts(body: str) -> Any:
    try:
        return orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error):
        return None
