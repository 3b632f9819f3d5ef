"""How many handlers may run at once."""

import asyncio


class Seats:
    """Counts free seats; used on one event loop only."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.free = count
        self._closed = False
        self._paused = False
        self._some_free = asyncio.Event()
        self._all_free = asyncio.Event()
        self._show()

    def take(self, wanted: int) -> int:
        """Take up to `wanted` seats; returns how many there were."""
        taken = 0 if self._closed else min(wanted, self.free)
        self.free -= taken
        self._show()
        return taken

    def give(self, count: int = 1) -> None:
        """Give some back."""
        self.free += count
        self._show()

    def close(self) -> None:
        """Give away no more seats; nobody needs to wait for one."""
        self._closed = True
        self._show()

    def pause(self, so: bool) -> None:
        """Tell nobody of free seats, or again."""
        if so is not self._paused:
            self._paused = so
            self._show()

    async def some_free(self) -> None:
        """Wait until there is a free seat and no pause, or there will be none."""
        await self._some_free.wait()

    async def all_free(self) -> None:
        """Wait until nobody sits."""
        await self._all_free.wait()

    def _show(self) -> None:
        _set(self._some_free, self._closed or (self.free > 0 and not self._paused))
        _set(self._all_free, self.free == self._count)


def _set(event: asyncio.Event, so: bool) -> None:
    if so:
        event.set()
    else:
        event.clear()
