"""One line per attempt, at the level that it deserves."""

import logging
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from workers_sdk import Fail
from workers_sdk.attempt_log import AttemptLog
from workers_sdk.held import Delivery
from workers_sdk.outcome import failed, succeeded
from workers_sdk.protocol.keys import Partitions

from .fakes import FakeClock, entry

FACTS = {
    "task_id": "00" + "t" * 14,
    "scenario_id": "00" + "s" * 14,
    "task": "CreateText",
    "attempt": 2,
}
TOOK = {**FACTS, "ms": 1500}


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Any:
    """What is said at the level of the parameter."""
    capture = LogCapture()
    before = structlog.get_config()
    wrapper = structlog.make_filtering_bound_logger(request.param)
    structlog.configure(processors=[capture], wrapper_class=wrapper, cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**before)


def say(clock: FakeClock) -> None:
    """One success, one failure, one that nobody wants any more."""
    clock.now = 1.5
    log, delivery = AttemptLog(clock), Delivery(Partitions(1)[0], entry(prompt="a secret"))
    log.began(delivery)
    log.ended(delivery, succeeded("fine"))
    log.ended(delivery, failed(Fail("no such voice", code="bad_voice")))
    delivery.cancelled.set("run_timeout")
    log.stopped(delivery)
    log.ended(delivery, None)


@pytest.mark.parametrize("lines", [logging.DEBUG], indirect=True)
def test_at_debug_every_attempt_is_told(lines: list[dict[str, Any]]) -> None:
    say(FakeClock())
    assert lines == [
        {"event": "attempt_began", "log_level": "debug", **FACTS},
        {"event": "attempt_ended", "log_level": "debug", **TOOK},
        {
            "event": "attempt_failed",
            "log_level": "warning",
            **TOOK,
            "error": "bad_voice",
            "message": "no such voice",
        },
        {"event": "attempt_stopped", "log_level": "warning", **FACTS, "cause": "run_timeout"},
        {"event": "attempt_dropped", "log_level": "debug", **TOOK, "cause": "run_timeout"},
    ]


@pytest.mark.parametrize("lines", [logging.INFO], indirect=True)
def test_at_info_only_failures_and_stops_are_told(lines: list[dict[str, Any]]) -> None:
    say(FakeClock())
    assert [line["event"] for line in lines] == ["attempt_failed", "attempt_stopped"]
    assert "a secret" not in str(lines)
