"""Thousands of timers at once: the end of a retention, a batch that is cancelled. A retry that is due must not wait for them."""

import asyncio

from orchestrator.engine import Seams
from orchestrator.engine.timekeeper import A_STEP, Handler, Timekeeper
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition, Partitions
from workers_sdk.protocol.link import RedisLink


class AtOnce:
    """Local time in which nothing is waited for."""

    def monotonic(self) -> float:
        """See `Clock`."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""


class Timers:
    """The timers of a partition; what fires is noted, and leaves unless it is said to stay."""

    def __init__(
        self, link: RedisLink, kinds: tuple[str, ...], *, stay: tuple[str, ...] = (), says_gone: bool = True
    ) -> None:
        self.link = link
        self.fired: list[str] = []
        self.at = Partitions(1)[0]
        self._says_gone = says_gone
        store, seams = Store(link, Partitions(1)), Seams(link, clock=AtOnce())
        handlers = {kind: self._noting(kind) for kind in kinds} | {kind: self._leaving(kind) for kind in stay}
        self.keeper = Timekeeper(store, seams, self.at, asyncio.Event(), handlers)

    async def put(self, kind: str, count: int, since_ms: int) -> None:
        """Timers that are due, one a millisecond."""
        flat = [part for i in range(count) for part in (since_ms + i, f"{kind}:{i:016}")]
        await self.link.execute("ZADD", self.at.timers, *flat)

    def _leaving(self, kind: str) -> Handler:
        async def leave(_at: Partition, _subject: str) -> bool:
            self.fired.append(kind)
            return False

        return leave

    def _noting(self, kind: str) -> Handler:
        async def note(at: Partition, subject: str) -> bool:
            self.fired.append(kind)
            await self.link.execute("ZREM", at.timers, f"{kind}:{subject}")
            return self._says_gone

        return note


async def test_a_retry_does_not_wait_for_a_thousand_purges(link: RedisLink) -> None:
    timers = Timers(link, ("purge", "start"))
    await timers.put("purge", 1_000, 1)
    await timers.put("start", 3, 5_000)

    await timers.keeper.step()
    assert timers.fired == ["start"] * 3 + ["purge"] * A_STEP
    await timers.put("start", 1, 6_000)
    await timers.keeper.step()
    assert timers.fired[A_STEP + 3 :] == ["start"] + ["purge"] * A_STEP

    for _ in range(3):
        await timers.keeper.step()
    assert timers.fired.count("purge") == 1_000
    assert await link.execute("ZCARD", timers.at.timers) == 0


async def test_timers_that_another_replica_removes_meanwhile_hide_none_behind_them(link: RedisLink) -> None:
    timers = Timers(link, ("schedule", "start"), says_gone=False)
    await timers.put("schedule", 1_200, 1)
    await timers.put("start", 1, 5_000)

    await timers.keeper.step()

    assert timers.fired[-1] == "start"


async def test_timers_that_stay_at_the_same_moment_hide_none_behind_them(link: RedisLink) -> None:
    timers = Timers(link, ("start",))
    same = [part for i in range(1_200) for part in (7, f"unknown:{i:016}")]
    await link.execute("ZADD", timers.at.timers, *same)
    await timers.put("start", 2, 5_000)

    await timers.keeper.step()

    assert timers.fired == ["start"] * 2
    assert await link.execute("ZCARD", timers.at.timers) == 1_200


async def test_purges_that_stay_due_since_the_purger_has_enough_do_not_hide_a_cancel(link: RedisLink) -> None:
    timers = Timers(link, ("cancel",), stay=("purge",))
    await timers.put("purge", 3 * A_STEP, 1)
    await timers.put("cancel", 1, 5_000)

    for _ in range(4):
        await timers.keeper.step()
    assert timers.fired == ["purge"] * 3 * A_STEP + ["cancel"]

    await timers.keeper.step()
    assert timers.fired[3 * A_STEP + 1 :] == ["purge"] * A_STEP  # the first ones again
