"""Signed links: nobody but us makes one, and none says anything else than it was made to say."""

import base64

import orjson
import pytest

from orchestrator.api.gate_links import MAX_TOKEN_CHARS, Grant, grant, read, signed

SECRET = b"s" * 32
TASK = "0" * 16
LINK = grant(TASK, 7, "ann", ("editors",), 1_000)


def test_a_link_says_what_it_was_made_to_say() -> None:
    token = signed(LINK, SECRET)

    assert read(token, TASK, SECRET) == LINK
    assert len(token) < 250 and all(c.isalnum() or c in "._-" for c in token)


def test_two_links_are_two() -> None:
    assert grant(TASK, 7, "ann", (), 1_000).nonce != grant(TASK, 7, "ann", (), 1_000).nonce


def forged() -> str:
    body, _, signature = signed(LINK, SECRET).partition(".")
    facts = orjson.loads(base64.urlsafe_b64decode(body + "=="))
    facts[2] = "eve"
    return base64.urlsafe_b64encode(orjson.dumps(facts)).decode().rstrip("=") + "." + signature


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "x",
        "é.é",
        forged(),
        signed(LINK, b"another secret of the same length"),
        signed(LINK, SECRET)[:-1],
        signed(LINK, SECRET) + "=",
        signed(LINK, SECRET) + "." + "x" * MAX_TOKEN_CHARS,
        signed(Grant("1" * 16, 7, "ann", (), 1_000, "n"), SECRET),
    ],
)
def test_anything_else_grants_nothing(token: str) -> None:
    assert read(token, TASK, SECRET) is None
