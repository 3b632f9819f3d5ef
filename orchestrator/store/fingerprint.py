"""What two failures must have in common to be one kind: the type of the error, and its message but for what varies."""

import hashlib
import re
from functools import lru_cache
from typing import Any, Final

MESSAGE_CHARS: Final = 500
"""Of a message; what follows is mostly a dump of something."""

# Replaced in this order: what stands in a quote or in an address may look like all the others.
_VARIES: Final = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", "<url>"),
        (r"(?<!\w)(['\"`])(?:(?!\1).)*\1(?!\w)", "<text>"),
        (r"(?<![\w/])(?:[A-Za-z]:)?(?:[\\/][\w.@+~-]+)+[\\/]?", "<path>"),
        (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<id>"),
        (r"\b0[xX][0-9a-fA-F]+\b", "<id>"),
        (r"\b(?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[0-9a-zA-Z]{8,}\b", "<id>"),
        (r"[-+]?\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?", "<n>"),
        (r"\s+", " "),
    )
)


def fingerprint(error: dict[str, Any]) -> str:
    """16 hex digits that are equal for errors of one type whose messages differ only in what varies from task to task:
    numbers, ids, quoted text, paths and addresses."""
    return _fingerprint(str(error.get("type", "")), str(error.get("message", ""))[:MESSAGE_CHARS])


@lru_cache(maxsize=1_024)
def _fingerprint(kind: str, message: str) -> str:
    text = f"{kind}\n{normalised(message)}"
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def normalised(message: str) -> str:
    """The message with a word in angle brackets for each part that varies."""
    for pattern, word in _VARIES:
        message = pattern.sub(word, message)
    return message.strip()
