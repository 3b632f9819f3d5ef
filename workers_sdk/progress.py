"""Progress and heartbeats of running handlers: the newest of each, a few times per second, in one call."""

import asyncio
import threading
from typing import Final

from .claims import Claims
from .context import Sink
from .held import Delivery
from .protocol.link import Refused, Unavailable
from .seams import Patience, first_of
from .shift import Shift

INTERVAL_S: Final = 0.25


class Progress:
    """Gathers from handlers on any thread and reports at most every `INTERVAL_S`; what Redis misses is not repeated."""

    def __init__(self, shift: Shift) -> None:
        self._shift = shift
        self._patience = Patience(shift.seams, "progress")
        self._loop = asyncio.get_running_loop()
        self._some = asyncio.Event()
        self._closed = asyncio.Event()
        self._lock = threading.Lock()
        self._newest: dict[Delivery, tuple[float | None, str]] = {}

    def sink(self, delivery: Delivery) -> Sink:
        """What the context of a delivery calls, from any thread."""

        def note(percent: float | None, message: str) -> None:
            with self._lock:
                first = not self._newest
                if percent is not None or delivery not in self._newest:  # progress is a sign of life too
                    self._newest[delivery] = (percent, message)
            if first:
                self._loop.call_soon_threadsafe(self._some.set)

        return note

    def forget(self, delivery: Delivery) -> None:
        """It ended, so nobody asks how far it is."""
        with self._lock:
            self._newest.pop(delivery, None)

    async def run(self, claims: Claims) -> None:
        """Report until closed."""
        while not self._closed.is_set():
            await first_of(self._some.wait(), self._closed.wait())
            self._some.clear()
            await self.flush(claims)
            await first_of(self._shift.seams.clock.sleep(INTERVAL_S), self._closed.wait())

    def close(self) -> None:
        """Nothing runs any more."""
        self._closed.set()

    async def flush(self, claims: Claims) -> None:
        """Report what is new, one call per partition. What is not claimed yet is claimed first: only then it counts."""
        with self._lock:
            newest, self._newest = self._newest, {}
        await claims.claim(newest)
        for at in {delivery.at for delivery in newest}:
            reports = [(delivery, *said) for delivery, said in newest.items() if delivery.at == at]
            try:
                await self._shift.wire.progress(at, reports)
            except (Unavailable, Refused) as error:
                await self._patience.failed(error)
            else:
                self._patience.worked()
