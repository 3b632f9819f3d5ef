"""What is logged, of all levels."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import structlog
from structlog.testing import LogCapture


@contextlib.contextmanager
def every_line() -> Iterator[list[Any]]:
    """As `structlog.testing.capture_logs`, whatever level an earlier test has set."""
    capture = LogCapture()
    before = structlog.get_config()
    wrapper = structlog.make_filtering_bound_logger(logging.DEBUG)
    structlog.configure(processors=[capture], wrapper_class=wrapper, cache_logger_on_first_use=False)
    try:
        yield capture.entries
    finally:
        structlog.configure(**before)
