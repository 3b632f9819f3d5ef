"""One engine replica whose duties are stepped by hand, and which dies or loses an answer at a chosen call of a script."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from orchestrator.engine import Engine, Seams
from orchestrator.engine.launcher import Launcher
from orchestrator.engine.loop import Duty
from orchestrator.store.store import Policy, Store
from orchestrator.templates import Registry
from tests.support.scripts import virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import Argument, Link, Refused, Unavailable

SCRIPTS: Final = virtual_scripts()
LONG_AGO_MS: Final = 10**9
POLICY: Final = Policy(lease_ms=600_000, http_lease_ms=20_000, max_lost=2, retention_ms=30 * 86_400_000)


class Dead(Exception):
    """The process is gone."""


class Impatient:
    """A link whose reads do not block."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.execute_many, self.unblock, self.close = link.execute_many, link.unblock, link.close

    async def execute(self, *command: Argument) -> Any:
        """See `Link`."""
        if "BLOCK" in command:
            place = command.index("BLOCK")
            command = command[:place] + command[place + 2 :]
        return await self._link.execute(*command)


class Leaping:
    """Local time that is always later than whatever was waited for."""

    now = 0.0

    def monotonic(self) -> float:
        """See `Clock`."""
        self.now += 10_000
        return self.now

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""


class Counting:
    """Chance that is the same in every run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def nonce(self) -> str:
        """See `Randomness`."""
        self._count += 1
        return f"{self._name}{self._count}"

    def uniform(self, low: float, high: float) -> float:
        """See `Randomness`."""
        self._count += 1
        return low + (high - low) * (self._count * 0.618 % 1)


class FaultyStore(Store):
    """Its call number `left` does not end well: it does not reach the server, or its answer is lost; then the process is
    gone, or goes on."""

    left = 0
    after = False
    dies = True

    def fault(self, number: int) -> None:
        """Set what goes wrong, and when."""
        self.left, self.after, self.dies = 1 + number // 4, bool(number & 1), bool(number & 2)

    async def call(self, name: str, values: dict[str, Any], rest: Sequence[str | bytes | int] = ()) -> Any:
        self.left -= 1
        is_hit = self.left == 0
        if is_hit and not self.after:
            raise self._error()
        try:
            answer = await super().call(name, values, rest)
        except Refused as error:
            raise AssertionError(f"{name} was refused: {error}") from error
        if is_hit:
            raise self._error()
        return answer

    def _error(self) -> Exception:
        return Dead() if self.dies else Unavailable("the answer was lost")


def store_of(link: Link, name: str, chunk: int, partitions: int) -> FaultyStore:
    """A store under the virtual clock."""
    policy = Policy(
        **{
            field: getattr(POLICY, field)
            for field in ("lease_ms", "http_lease_ms", "max_lost", "retention_ms")
        },
        chunk=chunk,
    )
    return FaultyStore(link, Partitions(partitions), policy, scripts=SCRIPTS, randomness=Counting(name))


class Replica:
    """See the module."""

    def __init__(self, link: Link, name: str, chunk: int, registry: Registry, partitions: int) -> None:
        self.name = name
        self.link = link
        self.store = store_of(link, name, chunk, partitions)
        launcher = Launcher(self.store, registry)
        engine = Engine(self.store, Seams(Impatient(link), clock=Leaping()), name=name, launcher=launcher)
        duties = [engine._duties(at, asyncio.Event()) for at in self.store.partitions]
        self._duties: list[dict[str, Duty]] = [{duty.name: duty for duty in some} for some in duties]
        self._fillers = engine._fillers
        self.store.on_touched = lambda at, timers: self._fillers[at.index].touched(timers)

    async def step(self, duty: str, entries: int = 64) -> bool:
        """Let a duty do what there is to do; False: the replica died of it."""
        for index, duties in enumerate(self._duties):
            if duty == "filler" and not self._fillers[index]._due:
                continue  # it would wait
            if duty == "advancer":
                duties[duty]._entries = entries  # type: ignore[attr-defined]
            try:
                await duties[duty].step()
            except Unavailable:
                continue  # the duty goes on: see `keep_going`
            except Dead:
                await self._leave_behind()
                return False
        return True

    async def _leave_behind(self) -> None:
        """What it had read looks as if it died long ago."""
        for at in self.store.partitions:
            for stream in (at.scenarios, at.task_events):
                await age(self.link, stream, "orchestrator", self.name)


async def age(link: Link, stream: str, group: str, consumer: str, only: str = "") -> None:
    """Let what is pending for a consumer look as if nobody had cared for it for long."""
    try:
        pending = await link.execute("XPENDING", stream, group, "-", "+", 1000, consumer)
    except Refused:
        return  # there is no group yet
    ids = [entry[0].decode() for entry in pending if not only or entry[0].decode() == only]
    if ids:
        options = ("IDLE", LONG_AGO_MS, "JUSTID")
        await link.execute("XCLAIM", stream, group, consumer, 0, *ids, *options)
