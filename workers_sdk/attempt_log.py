"""Lines about attempts: at `warning` of those that failed or were stopped, of the others at `debug`. Never what they were
given or what they returned."""

import logging
from typing import Any, Final

import structlog

from .held import Delivery
from .outcome import Outcome
from .protocol.messages import EventKind, loads
from .protocol.seams import Clock


class AttemptLog:
    """Asks once, at the start, what anybody wants to hear of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._log = structlog.get_logger("workers_sdk")
        self._says_debug: Final = _enabled(self._log, logging.DEBUG)
        self._says_warning: Final = _enabled(self._log, logging.WARNING)

    def began(self, delivery: Delivery) -> None:
        """Tell that its handler is called now."""
        if self._says_debug:
            self._log.debug("attempt_began", **names_of(delivery))

    def stopped(self, delivery: Delivery) -> None:
        """Tell why a running one is told to stop; that somebody cancelled it is nothing to worry about."""
        why = delivery.cancelled.cause
        say = self._log.info if why == "cancelled" else self._log.warning
        say("attempt_stopped", **names_of(delivery), cause=why)

    def ended(self, delivery: Delivery, outcome: Outcome | None) -> None:
        """Tell of an attempt; `outcome`: None when nobody wants to know any more, or nothing is known."""
        if outcome and outcome.kind is EventKind.FAILED:
            if self._says_warning:
                error = loads(outcome.fields["error"])
                facts = self._facts(delivery)
                self._log.warning("attempt_failed", **facts, error=error["type"], message=error["message"])
        elif self._says_debug:
            ended = {"cause": delivery.cancelled.cause} if delivery.cancelled.is_set() else {}
            self._log.debug("attempt_dropped" if ended else "attempt_ended", **self._facts(delivery), **ended)

    def _facts(self, delivery: Delivery) -> dict[str, Any]:
        return {**names_of(delivery), "ms": round(1000 * (self._clock.monotonic() - delivery.began))}


def names_of(delivery: Delivery) -> dict[str, Any]:
    """What every line about an attempt has."""
    entry = delivery.entry
    return {
        "task_id": entry.task_id,
        "scenario_id": entry.scenario_id,
        "task": entry.name,
        "attempt": entry.attempt,
    }


def _enabled(log: Any, level: int) -> bool:
    """Loggers of structlog can tell; one of the user's own may not."""
    asked = getattr(log, "is_enabled_for", None) or getattr(log, "isEnabledFor", None)
    return bool(asked(level)) if asked else True
