"""Which known word a misspelt one was meant to be, at a bounded cost: a scenario has up to many thousand names."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from orchestrator.templates.problems import closest

MAX_SEARCHES: Final = 30
"""Different words looked up for one document; one search takes up to about 25 ms."""
_DIGITS: Final = re.compile("[0-9]+")
_CLOSE: Final = 0.75
"""Ratio of difflib: one wrong letter of four, two of eight."""
_FIELDS: Final = (
    "needs", "consumers", "prompt", "params", "count", "service", "name", "queue", "id", "compensates", "concurrency", "finally",
    "foreach", "priority", "retry", "timeout", "timeouts",
)  # fmt: skip
"""Not all fields: `options` is too close to `optional`, `game` to `gate`."""
_OF_OTHERS: Final = {
    **dict.fromkeys(
        ("after", "dependencies", "dependency", "depends", "dependson", "requirements", "requires", "upstream", "waitfor", "waitsfor"),
        "needs",
    ),
    **dict.fromkeys(("dependents", "downstream"), "consumers"),
    **dict.fromkeys(("allowfailure", "continueonerror", "ignoreerrors"), "optional"),
    "triggerrule": "join",
    "withitems": "foreach",
    **dict.fromkeys(("if", "onlyif", "runif"), "when"),
    **dict.fromkeys(("foreach", "withitems"), "foreach"),
}  # fmt: skip
"""Words that other systems use for the same thing, without their underscores."""


class Spelling:
    """Known words, told apart without case and numbers: `Draw.1` to `Draw.900` are looked at once."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known: dict[str, dict[tuple[str, ...], str]] = {}
        self._found: dict[str, str] = {}
        for word in known:
            self._known.setdefault(_form(word), {}).setdefault(_numbers(word), word)

    def closest(self, word: str) -> str:
        """The known word that is most like this one; empty when none is."""
        near = self._near(_form(word))
        if not near:
            return ""
        words = self._known[near]
        return words.get(_numbers(word)) or next(iter(words.values()))

    def slip(self, word: str) -> str:
        """The known word that this one is, but for a slip of the keyboard; empty when it may be meant as it is."""
        form = _form(word)
        near = self._near(form)
        return self.closest(word) if near and _is_slip(form, near, most=2) else ""

    def _near(self, form: str) -> str:
        near = self._found.get(form)
        if near is None:
            if len(self._found) >= MAX_SEARCHES:
                return ""
            near = self._found[form] = next(iter(closest(form, self._known)), "")
        return near


@lru_cache(maxsize=1_024)
def field_meant(name: str) -> str:
    """The field of a task that a field of one's own is but for a slip, or in the words of another system.

    Empty when it may be meant as it is.
    """
    form = name.casefold()
    if other := _OF_OTHERS.get(form.replace("_", "")):
        return other
    if name in _FIELDS or form in _FIELDS:
        return "" if name in _FIELDS else form
    slips = (field for field in _FIELDS if len(field) > 3 and form[:1] == field[0])
    return next((field for field in slips if _is_slip(form, field, most=1)), "")


def _is_slip(word: str, meant: str, most: int) -> bool:
    """Words of up to two letters are close to everything."""
    if word == meant:
        return True
    similar = min(len(word), len(meant)) > 2 and abs(len(word) - len(meant)) <= most
    return similar and SequenceMatcher(None, word, meant).ratio() >= _CLOSE


def _form(word: str) -> str:
    return _DIGITS.sub("#", word[:200].casefold())


def _numbers(word: str) -> tuple[str, ...]:
    return tuple(_DIGITS.findall(word))
