"""The outermost layer of the API: size of address and headers, access log, and the answer to bugs."""

import time
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem, bug, respond

MAX_URL_BYTES: Final = 8_192
MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32_768
_CLOSE: Final = (b"connection", b"close")
_QUIET: Final = frozenset(("/livez", "/readyz"))

log = structlog.get_logger("orchestrator.api")


class _Body:
    """The body of a request, watched: what is not read when the answer begins is never waited for, however large or slow."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.is_read = not any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in scope["headers"]
        )

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body"):
            self.is_read = True
        return message


class Edge:
    """ASGI middleware around everything else. A request whose body nobody wanted is the last of its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other protocols pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        body = _Body(scope, receive)
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not body.is_read:
                    message["headers"] = [*message["headers"], _CLOSE]
            await send(message)

        try:
            await self._serve(scope, body.receive, watched)
        except Exception:
            log.exception("request_failed", method=scope["method"], path=_template(scope))
            if status:
                raise  # half an answer is out: only closing the connection can tell
            await respond(scope["path"], bug())(scope, body.receive, watched)
        finally:
            _write(scope, status, started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if problem := _too_long(scope):
            await respond("/", problem)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


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
    state = scope.get("state", {})
    fields |= {name: state[name] for name in ("scenario_id", "problem", "cause") if state.get(name)}
    write = log.debug if path in _QUIET else log.info
    write("request", **fields, ms=round((time.monotonic() - started) * 1000, 1))
