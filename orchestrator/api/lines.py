"""Reads a body of lines as it arrives: at most one line, and what came with it, is held in memory."""

import asyncio
import email.message
from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request

from orchestrator.config import Settings

from .body import check_headers, too_large
from .problems import Problem

MEDIA_TYPE: Final = "application/x-ndjson"
_MEDIA_TYPES: Final = (MEDIA_TYPE, "application/ndjson", "application/jsonl")


async def lines_of(request: Request, settings: Settings) -> AsyncIterator[tuple[int, bytes]]:
    """Number (from 1) and content of each line that is not blank.

    Raises:
        Problem: 415, 413 (the body, a line, or their number), 408 (the sender fell silent) or 400.
    """
    _check_type(request)
    check_headers(request, settings.batch_max_bytes)
    number = size = 0
    rest = bytearray()
    chunks = request.stream()
    while (chunk := await _next(chunks, settings)) is not None:
        size += len(chunk)
        if size > settings.batch_max_bytes:
            raise too_large(settings.batch_max_bytes)
        *whole, last = chunk.split(b"\n")
        for line in whole:
            number += 1
            yield number, _checked(rest + line, number, settings)
            rest.clear()
        rest += last
        _checked(rest, number + 1, settings)
    if rest:
        yield number + 1, _checked(rest, number + 1, settings)


async def _next(chunks: AsyncIterator[bytes], settings: Settings) -> bytes | None:
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            return await anext(chunks, None)
    except TimeoutError as error:
        raise Problem("body_timeout", f"Nothing arrived for {settings.body_timeout_s:g} s.") from error


def _checked(line: bytearray, number: int, settings: Settings) -> bytes:
    if len(line) > settings.max_body_bytes:
        raise Problem("body_too_large", f"Line {number} is longer than {settings.max_body_bytes} bytes.")
    if line and number > settings.batch_max_lines:
        raise Problem("too_many_lines", f"The batch has more than {settings.batch_max_lines} lines.")
    return bytes(line)


def _check_type(request: Request) -> None:
    message = email.message.Message()
    message["content-type"] = request.headers.get("content-type", "")
    charset = str(message.get_param("charset", "utf-8")).lower()
    if message.get_content_type() not in _MEDIA_TYPES or charset not in ("utf-8", "utf8"):
        raise Problem("unsupported_media_type", f"Send the lines as {MEDIA_TYPE}, encoded in UTF-8.")
