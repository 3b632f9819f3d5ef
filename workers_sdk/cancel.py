"""The sign that work is not wanted any more, readable from the event loop and from threads."""

import asyncio
import contextlib
from typing import Final

from .errors import Cancelled

_Waker = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class CancelToken:
    """Set when the task was cancelled or given to another worker, when its time is over, or when the worker stops and
    cannot wait longer.

    An `async def` handler is cancelled as well; a `def` handler in a thread can only be asked, so a long one looks
    here now and then; one in a process is asked, and killed when it does not end.
    """

    __slots__ = ("_cause", "_wakers")

    def __init__(self) -> None:
        self._cause = ""
        self._wakers: Final[list[_Waker]] = []

    @property
    def cause(self) -> str:
        """Why: `cancelled`, `lease_lost`, `stopping`, or the timeout that is over (`run_timeout`); empty while not set."""
        return self._cause

    def is_set(self) -> bool:
        """Whether to stop."""
        return bool(self._cause)

    def raise_if_set(self) -> None:
        """Stop here if the work is not wanted. Raises: Cancelled."""
        if self._cause:
            raise Cancelled(self._cause)

    async def wait(self) -> None:
        """Wait until it is set."""
        waker = (asyncio.get_running_loop(), asyncio.Event())
        self._wakers.append(waker)
        try:
            # Looked at after the waker is in the list: `set` does the two in the other order, so none is missed.
            if not self._cause:
                await waker[1].wait()
        finally:
            self._wakers.remove(waker)

    def set(self, cause: str = "cancelled") -> None:
        """Ask to stop. The SDK calls it; from any thread, and more than once is fine: the first cause stays."""
        self._cause = self._cause or cause or "cancelled"
        for loop, event in tuple(self._wakers):
            with contextlib.suppress(RuntimeError):  # that loop is closed
                loop.call_soon_threadsafe(event.set)
