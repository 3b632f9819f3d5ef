"""An outage of Redis, as the logs of a process tell it: one line when it begins, one when it is over.

Every loop of a process meets an outage, each in its own time. What each of them meets is told at `debug`; but for refusals:
those are about a loop's own command, and told by each that meets one.
"""

import threading
from typing import Final

import structlog

from .link import Refused
from .seams import Clock, SystemClock

SETTLED_S: Final = 10.0
"""An outage is over when so long no loop met it: longer than a loop takes to meet it again (an answer is waited for 6 s at
most, and the next try comes 3 s later). Whatever comes in between is the same outage."""


class Outage:
    """What the loops of one process have met; they may run on several threads.

    Args:
        clock: measures how long it took.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._began: float | None = None
        self._met = 0.0
        self._answered: float | None = None
        self._refusals: dict[str, str] = {}

    def met(self, by: str, error: Exception) -> None:
        """A loop got no answer, or was refused."""
        text = str(error) or type(error).__name__
        if isinstance(error, Refused):
            event, is_new = "redis_refused", self._refusals.get(by) != text
            self._refusals[by] = text
        else:
            event, is_new = "redis_unavailable", self._begins()
        log = structlog.get_logger()
        (log.warning if is_new else log.debug)(event, met_by=by, error=text)

    def worked(self, by: str) -> None:
        """A loop got its answer."""
        if self._refusals and self._refusals.pop(by, ""):
            structlog.get_logger().info("redis_accepted", met_by=by)
        if self._began is not None and (after_s := self._over()) is not None:
            structlog.get_logger().info("redis_available", after_s=round(after_s, 1))

    def _begins(self) -> bool:
        with self._lock:
            begins = self._began is None
            self._met = self._clock.monotonic()
            self._answered = None
            if begins:
                self._began = self._met
            return begins

    def _over(self) -> float | None:
        """How long it took when it is over: until the first answer after it was met last."""
        with self._lock:
            now = self._clock.monotonic()
            if self._answered is None:
                self._answered = now
            if self._began is None or now - self._met < SETTLED_S:
                return None
            after_s = self._answered - self._began
            self._began = None
            return after_s
