"""The outermost layer of the API: size of address and headers, access log, and the answer to bugs."""

import time
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem, respond

MAX_URL_BYTES: Final = 8_192
MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32_768
_QUIET: Final = frozenset(("/livez", "/readyz"))

log = structlog.get_logger("orchestrator.api")


class Edge:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other protocols pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._serve(scope, receive, watched)
        except Exception:
            log.exception("request_failed", method=scope["method"], path=_template(scope))
            if status:
                raise  # half an answer is out: only closing the connection can tell
            await respond(scope["path"], _bug())(scope, receive, watched)
        finally:
            _write(scope, status, started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if problem := _too_long(scope):
            await respond("/", problem)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _bug() -> Problem:
    return Problem("internal_error", "The server made a mistake; its log has the details.")


def _too_long(scope: Scope) -> Problem | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
        return Problem("url_too_long", f"Path and query are longer than {MAX_URL_BYTES} bytes.")
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(len(k) + len(v) for k, v in headers) > MAX_HEADER_BYTES:
        return Problem(
            "headers_too_large", f"More than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them."
        )
    return None


def _template(scope: Scope) -> str:
    """Path with the names of its parameters: no values of users in the log, a closed set for counting."""
    return str(getattr(scope.get("route"), "path", "(none)"))


def _write(scope: Scope, status: int, started: float) -> None:
    path = _template(scope)
    fields: dict[str, Any] = {"method": scope["method"], "path": path, "status": status}
    if scenario_id := scope.get("state", {}).get("scenario_id"):
        fields["scenario_id"] = scenario_id
    write = log.debug if path in _QUIET else log.info
    write("request", **fields, ms=round((time.monotonic() - started) * 1000, 1))
