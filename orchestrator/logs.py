"""Logs: one structlog set-up for our lines and those of libraries; secrets never reach a line.

JSON lines cannot be forged by a value with a newline in it; the console form quotes such values.
"""

import contextlib
import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final

import orjson
import structlog

HIDDEN: Final = "***"
_SECRET_WORDS: Final = ("token", "secret", "password", "api_key", "authorization")
_URL_PASSWORD: Final = re.compile(r"(://[^/\s:@]*):[^/\s]+@")
_QUERY_PASSWORD: Final = re.compile(r"([?&](?:password|token|secret|api_key)=)[^&\s#\"']+", re.IGNORECASE)
_MAX_DEPTH: Final = 8


def configure(level: str = "info", *, json: bool | None = None) -> None:
    """Send all logs of the process to stderr.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        json: JSON lines or text; None: text when stderr is a terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering = _rendering(as_json)
    structlog.configure(
        # Straight to the stream: by way of the standard library a line costs three times as much.
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _OUTPUT,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    formatting = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=formatting))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _rendering(as_json: bool) -> list[structlog.typing.Processor]:
    # The other formatters of structlog print the variables of every frame, and so values of users.
    first: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, redact]
    if as_json:
        return [*first, structlog.processors.JSONRenderer(serializer=_as_json)]
    plain = structlog.dev.plain_traceback
    colors = sys.stderr.isatty()
    return [
        *first,
        structlog.dev.ConsoleRenderer(repr_native_str=True, colors=colors, exception_formatter=plain),
    ]


class _Output:
    """Writes lines to stderr. A line that nobody can take (a closed pipe) is lost, and nothing else is."""

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")

    log = debug = info = warning = error = critical = exception = msg


_OUTPUT: Final = _Output()


def _as_json(event: Any, **how: Any) -> str:
    try:
        return orjson.dumps(event, **how).decode()
    except TypeError:  # half of a surrogate pair, a key that is no text
        return json.dumps(event, skipkeys=True, **how)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what may be secret by `***`: values under telling keys, and passwords within URLs."""
    for key, value in event.items():
        event[key] = HIDDEN if _tells_secret(key) else _cleaned(value)
    return event


def _cleaned(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        if "://" in value:
            value = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", value)
        return _QUERY_PASSWORD.sub(rf"\1{HIDDEN}", value) if "=" in value else value
    if depth >= _MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if _tells_secret(str(key)) else _cleaned(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_cleaned(inner, depth + 1) for inner in value]
    return value


@lru_cache(1_024)
def _tells_secret(key: str) -> bool:
    lower = key.lower()
    return any(word in lower for word in _SECRET_WORDS)
