"""Headers and ranges of downloads (RFC 9110, section 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from orchestrator.artifacts import Stored

from .problems import Problem

_RANGE: Final = re.compile(r"^\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*$", re.IGNORECASE | re.ASCII)
# A browser must never run what a worker wrote: only these are shown, everything else is saved.
_SHOWN: Final = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "vtt": "text/vtt; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "srt": "text/plain; charset=utf-8",
    "md": "text/plain; charset=utf-8",
    "json": "application/json",
}
_SAVED: Final = {
    "svg": "image/svg+xml",
    "html": "text/html; charset=utf-8",
    "htm": "text/html; charset=utf-8",
    "xml": "application/xml",
    "pdf": "application/pdf",
    "zip": "application/zip",
}


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` (inclusive) to `end` (exclusive)."""

    start: int
    end: int


def span_of(headers: Mapping[str, str], stored: Stored) -> Span | None:
    """The range that a request asks for; None: the whole, also when `If-Range` names another version.

    Raises:
        Problem: 416: more than one range, not a range, or outside the artifact.
    """
    asked = headers.get("range", "")
    if not asked.strip().lower().startswith("bytes"):
        return None  # RFC 9110: other units are ignored
    if headers.get("if-range", stored.etag) != stored.etag:
        return None
    found = _RANGE.match(asked)
    span = _span(found[1], found[2], stored.size) if found else None
    if span is None:
        detail = f"Ask for one range of bytes within the {stored.size} bytes of the artifact."
        raise Problem("range_not_satisfiable", detail, headers={"Content-Range": f"bytes */{stored.size}"})
    return span


def _span(first: str, last: str, size: int) -> Span | None:
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    return Span(start, end) if start < end else None


def headers_of(stored: Stored) -> dict[str, str]:
    """Headers of a download: type by name, never to be guessed, shown only where a browser cannot run it."""
    name = stored.path.rpartition("/")[2]
    suffix = name.rpartition(".")[2].lower()
    disposition = "inline" if suffix in _SHOWN else "attachment"
    headers = {
        "Content-Type": _SHOWN.get(suffix) or _SAVED.get(suffix, "application/octet-stream"),
        "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=0, must-revalidate",
    }
    return headers | ({"ETag": stored.etag} if stored.etag else {})
