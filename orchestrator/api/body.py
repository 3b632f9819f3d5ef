"""Reads request bodies: only JSON, only so large, only so slow."""

import asyncio
import email.message
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from orchestrator.config import Settings

from .problems import FieldError, Problem
from .strict_json import BadJson, parse

INLINE_BYTES: Final = 65_536
"""Bodies of up to this size are handled between two other requests."""


class JsonRequest(Request):
    """A request whose body is strict JSON within the limits of the settings."""

    async def body(self) -> bytes:
        """The whole body; `{}` when there is none, neither said nor sent.

        Raises:
            Problem: 415, 413 (counted while it arrives) or 408.
        """
        if not hasattr(self, "_body"):
            if _is_missing(self):
                self._body = b"{}"
                return self._body
            if not _is_json(self.headers.get("content-type", "")):
                detail = (
                    "Send the body as application/json, encoded in UTF-8; {} where there is nothing to say."
                )
                raise Problem("unsupported_media_type", detail)
            self._body = await read_body(self, self.app.state.services.settings)
        return self._body

    async def json(self) -> Any:
        """The body as a value. Raises Problem (422) when it is not strict JSON."""
        return await parsed(await self.body())


async def parsed(data: bytes) -> Any:
    """Strict JSON as a value. Raises Problem (422)."""
    try:
        return parse(data) if len(data) <= INLINE_BYTES else await asyncio.to_thread(parse, data)
    except BadJson as error:
        where = FieldError(
            pointer="", detail=str(error), line=error.line or None, column=error.column or None
        )
        raise Problem("invalid_json", str(error), errors=[where]) from error


async def read_body(request: Request, settings: Settings) -> bytes:
    """The whole body of a request, of any media type, within the limits of the settings.

    Raises:
        Problem: 415 (compressed), 413 (counted while it arrives), 408 or 400.
    """
    limit = settings.max_body_bytes
    check_headers(request, limit)
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            return await _read(request, limit)
    except TimeoutError as error:
        detail = f"The body did not arrive within {settings.body_timeout_s:g} s."
        raise Problem("body_timeout", detail) from error


def check_headers(request: Request, limit: int) -> None:
    """Raises Problem: 415 (compressed), 413 (said to be larger than `limit` bytes) or 400."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem("unsupported_media_type", "Send the body without Content-Encoding.")
    declared = request.headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()):
        raise Problem("invalid_request", "Content-Length is not a number.")
    if len(declared) > 18 or int(declared) > limit:
        raise too_large(limit)


async def _read(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def too_large(limit: int) -> Problem:
    """The problem of a body beyond its limit."""
    return Problem("body_too_large", f"The body is larger than {limit} bytes.")


def _is_missing(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") == "0" and not {"content-type", "transfer-encoding"} & {
        *headers.keys()
    }


def _is_json(content_type: str) -> bool:
    message = email.message.Message()
    message["content-type"] = content_type
    charset = message.get_param("charset", "utf-8")
    return message.get_content_type() == "application/json" and str(charset).lower() in ("utf-8", "utf8")


class JsonRoute(APIRoute):
    """A route whose body is read by `JsonRequest`; routes that take other bodies use another class."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`: the documented place to put in a request class of one's own."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return strict
