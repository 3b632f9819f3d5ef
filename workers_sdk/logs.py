"""Logs of a worker process: structlog to stderr, text on a terminal, else JSON lines."""

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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rendering(as_json: bool) -> list[Any]:
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
