"""Signatures of webhooks (Standard Webhooks 1.0, symmetric): HMAC-SHA256 of `id.timestamp.body` with a shared secret."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "whsec_"
_BYTES: Final = 32
_LEAST_BYTES: Final = 24
_MOST_BYTES: Final = 64


class BadSecret(ValueError):
    """The text is not `whsec_` and 24 to 64 bytes in base64."""


def new_secret() -> str:
    """A secret that nobody knows: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises: BadSecret; the message does not show it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise BadSecret(f"A secret is {PREFIX} and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64.")
    return key


def signature(keys: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret, separated by spaces.

    Args:
        keys: secrets, as `new_secret` makes them.
        message_id: without dots.
        timestamp: of the attempt, seconds since the Unix epoch.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    macs = (hmac.digest(key_of(key), signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)
