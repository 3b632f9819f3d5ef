"""Errors of one kind have one fingerprint, whatever varies from task to task."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.fingerprint import MESSAGE_CHARS, fingerprint, normalised


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("no such voice 'anna' at line 12", "no such voice <text> at line <n>"),
        ("\"a 'b' c\" is wrong", "<text> is wrong"),
        ("can't open /var/lib/x/a.txt: don't", "can't open <path>: don't"),
        ("C:\\voices\\a.json is broken", "<path> is broken"),
        ("GET https://example.org/a?b=1 gave 503", "GET <url> gave <n>"),
        ("task 0g8pd28aarnh8t12 was lost 3 times", "task <id> was lost <n> times"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id <id>"),
        ("at 0xdeadBEEF after -1.5e-7 s", "at <id> after <n> s"),
        ("  two\n lines  ", "two lines"),
        ("read and/or write", "read and/or write"),
        ("", ""),
    ],
)
def test_what_varies_is_replaced(message: str, kind: str) -> None:
    assert normalised(message) == kind


def test_type_and_message_both_count() -> None:
    kinds = {
        fingerprint({"type": kind, "message": message})
        for kind in ("BadVoice", "Timeout")
        for message in ("no such voice", "no answer")
    }
    assert len(kinds) == 4
    assert all(len(kind) == 16 and int(kind, 16) >= 0 for kind in kinds)


def test_what_follows_the_first_part_of_a_message_does_not_count() -> None:
    long = "x y " * MESSAGE_CHARS
    assert fingerprint({"message": long}) == fingerprint({"message": long + "other"})


@given(st.integers(), st.integers(), st.text("abcäß ", max_size=20), st.text("abc ", max_size=20))
def test_numbers_and_quotes_make_no_new_kind(one: int, other: int, quote: str, another: str) -> None:
    assert fingerprint({"type": "E", "message": f"line {one} of '{quote}'"}) == fingerprint(
        {"type": "E", "message": f"line {other} of '{another}'"}
    )


@given(
    st.dictionaries(
        st.sampled_from(["type", "message"]), st.none() | st.integers() | st.text() | st.lists(st.text())
    )
)
def test_any_error_has_one(error: dict[str, object]) -> None:
    assert len(fingerprint(error)) == 16
