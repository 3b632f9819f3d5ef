"""Logs of a worker process: structlog to stderr, text on a terminal, else JSON lines."""

import contextlib
import logging
import os
import sys
from typing import Any

import structlog


def configure(level: str | None = None, *, json: bool | None = None) -> None:
    """Set structlog up for the process.

    Args:
        level: `debug`, `info`, `warning` or `error`; None: `SCENARIST_LOG_LEVEL`, or `info`.
        json: JSON lines or text; None: text when stderr is a terminal.

    Raises:
        KeyError: there is no such level.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    number = logging.getLevelNamesMapping()[
        (level or os.environ.get("SCENARIST_LOG_LEVEL") or "info").upper()
    ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Output(),
        cache_logger_on_first_use=True,
    )


class _Output:
    """Writes lines to stderr. A line that nobody can take (a full disk, a closed pipe) is lost, and nothing else is."""

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    log = debug = info = warning = error = critical = exception = fatal = msg


def _rendering(as_json: bool) -> list[Any]:
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
