"""Notices a handler that keeps the event loop for itself, and says which and where.

The usual mistake with `async def`: it computes, or waits in a way that is no `await`. Then nothing else of the worker goes
on: no other handler, no report, no cancellation, no stop. Seen from another thread, since the loop itself cannot tell.
"""

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from .protocol.seams import Clock
from .seams import first_of

EVERY_S: Final = 0.5
MISSED: Final = 4
"""Looks at a loop that stands still until it is told, so after about 2 s. Looks and not seconds: a process that was suspended
looks once when it goes on."""
QUIET_S: Final = 60.0
"""Between two warnings; the others are told at `debug`."""
_FRAMES: Final = 3
_NOT_THEIRS: Final = (f"{Path(asyncio.__file__).parent}/", f"{Path(__file__).parent}/")


class Watchdog:
    """Watches the event loop on which it is made.

    Args:
        busy_with: called from another thread: names of what the loop does now, for the log.
    """

    def __init__(self, clock: Clock, busy_with: Callable[[], dict[str, Any]]) -> None:
        self._clock = clock
        self._busy_with = busy_with
        self._thread = threading.get_ident()
        self._beats = 0
        self._warned_at: float | None = None

    async def beat(self) -> None:
        """Be alive, on the loop that is watched, until cancelled."""
        while True:
            self._beats += 1
            await self._clock.sleep(EVERY_S)

    async def watch(self, stop: asyncio.Event) -> None:
        """Look whether it is, on another loop, until `stop`."""
        seen, missed, since = -1, 0, self._clock.monotonic()
        while not stop.is_set():
            if self._beats == seen:
                missed += 1
                if missed == MISSED:
                    self._tell(self._clock.monotonic() - since)
            else:
                if missed >= MISSED:
                    log = structlog.get_logger("workers_sdk")
                    log.info("loop_free", blocked_s=round(self._clock.monotonic() - since, 1))
                seen, missed, since = self._beats, 0, self._clock.monotonic()
            await first_of(self._clock.sleep(EVERY_S), stop.wait())

    def _tell(self, blocked_s: float) -> None:
        log = structlog.get_logger("workers_sdk")
        now = self._clock.monotonic()
        warns = self._warned_at is None or now - self._warned_at >= QUIET_S
        if warns:
            self._warned_at = now
        say = log.warning if warns else log.debug
        say("loop_blocked", blocked_s=round(blocked_s, 1), **self._busy_with(), where=where(self._thread))


def where(thread: int) -> str:
    """What a thread does now: the handler's line, then what that called; a few frames."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return ""
    frames = list(traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False))
    ours = [
        n for n, one in enumerate(frames) if one.filename.startswith(_NOT_THEIRS)
    ]  # the innermost comes first
    first = ours[0] if ours and ours[0] else _FRAMES
    shown = frames[max(0, first - _FRAMES) : first]
    return " > ".join(f"{one.filename}:{one.lineno} in {one.name}" for one in reversed(shown))
