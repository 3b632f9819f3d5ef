"""Did the bodies run in the order that the shape asks for? Told from the marks that they left."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

SLIDES: Final = 10
LINKS: Final = 20


def disorder(ran: bytes, workload: str, count: int) -> str | None:
    """What is wrong with the order of the bodies, or None.

    Many diamonds run at once, so of each body only this is known: there were enough of those that it waits for.

    Args:
        ran: two bytes per body, its mark and the low byte of its process id, as written by `kit/driver.py`.
        count: of `plan.py`.
    """
    marks = ran[::2].decode("latin-1")
    if workload == "w3":
        return _broken_chain(mark for mark in marks if mark != "x")
    seen: Counter[str] = Counter()
    for mark in marks:
        seen[mark] += 1
        for waiting, a, waited, b in _bounds(count):
            if mark == waiting and a * seen[waiting] > b * seen[waited]:
                return f"body {seen.total()}, {mark!r}, ran before the {waited!r} that it waits for"
    return None


def _bounds(width: int) -> tuple[tuple[str, int, str, int], ...]:
    """(mark, a, mark that it waits for, b): at any time, a * (ran of the first) <= b * (ran of the second)."""
    return (
        ("v", 1, "t", 1),
        ("p", 1, "t", SLIDES),
        ("s", 1, "p", 1),
        ("f", SLIDES, "s", 1),
        ("f", 1, "v", 1),
        ("m", 1, "<", width),
        (">", width, "m", 1),
    )


def _broken_chain(marks: Iterable[str]) -> str | None:
    for number, mark in enumerate(marks):
        if mark != chr(ord("A") + number % LINKS):
            return f"link {number} of the chain ran out of order"
    return None
