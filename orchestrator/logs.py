"""Logs: one structlog set-up for our lines and those of libraries; secrets never reach a line.

JSON lines cannot be forged by a value with a newline in it; the console form quotes such values.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

HIDDEN: Final = "***"
_SECRET_WORDS: Final = ("token", "secret", "password", "api_key", "authorization")
_URL_PASSWORD: Final = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")
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
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(as_json))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _rendering(as_json: bool) -> list[structlog.typing.Processor]:
    # The other formatters of structlog print the variables of every frame, and so values of users.
    first: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact,
    ]
    if as_json:
        return [*first, structlog.processors.JSONRenderer(ensure_ascii=False)]
    plain = structlog.dev.plain_traceback
    colors = sys.stderr.isatty()
    return [
        *first,
        structlog.dev.ConsoleRenderer(repr_native_str=True, colors=colors, exception_formatter=plain),
    ]


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what may be secret by `***`: values under telling keys, and passwords within URLs."""
    for key, value in event.items():
        event[key] = HIDDEN if _tells_secret(key) else _cleaned(value)
    return event


def _cleaned(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", value)
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


def _tells_secret(key: str) -> bool:
    lower = key.lower()
    return any(word in lower for word in _SECRET_WORDS)
