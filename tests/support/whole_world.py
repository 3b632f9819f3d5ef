"""A whole system by hand: engine replicas that may die, workers, clients and a clock; after each step all is checked."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS
from tests.support.whole_clients import BATCH, Clients
from tests.support.whole_machines import check_machines
from tests.support.whole_replica import Dead, Replica
from tests.support.whole_state import (
    FINAL,
    Delays,
    Starts,
    State,
    check_change,
    check_counts,
    check_limits,
    check_queues,
    merged,
    state_of,
)
from tests.support.whole_templates import SERVICES
from workers_sdk.protocol.link import Unavailable
from workers_sdk.protocol.messages import loads

JUMPS_MS: Final = (500, 2_000, 6_000, 12_000, 31_000, 61_000)


@dataclass(kw_only=True)
class World(Clients):
    """See the module. A step is a word and a number, which chooses among what there is."""

    now: int = START_MS
    starts: list[Starts] = field(default_factory=list)
    delays: Delays = field(default_factory=Delays)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of a service in a partition: its limit, and how many may be out now (some were when it was set)."""
    replicas: list[Replica] = field(default_factory=list)
    born: int = 0

    async def open(self) -> "World":
        """Begin with a scenario."""
        await self.link.execute("FLUSHDB")
        await self.api.agree(sets_lease=True)
        self.replicas = [self._replica(), self._replica()]
        for duty in ("materializer", "advancer"):
            await self.replicas[0].step(duty)  # makes the groups
        for service in SERVICES:
            for at in self.api.partitions:
                await PlainWorker(self.link, "w0", service, at).take()
        self.starts = [Starts() for _ in self.api.partitions]
        self.parts = await self._states()
        self.seen = merged(self.parts)
        await self.step("submit", 0)
        return self

    async def step(self, word: str, n: int) -> None:
        """Do one step, and look at everything."""
        self.doing = (word, n)
        action: Callable[[int], Awaitable[Any]] = getattr(self, f"_{word}")
        try:
            await action(n)
        except (Dead, Unavailable):
            self.api.left = 0  # a client that is gone, or gave up
        await self.look()

    async def look(self) -> State:
        """See what there is now, and check it."""
        before, self.parts = self.parts, await self._states()
        self.seen = merged(self.parts)
        for old, new, starts in zip(before, self.parts, self.starts, strict=True):
            reviving = {one for state in (old, new) for one, s in state.scenarios.items() if "revive" in s}
            redriven = any(timer.startswith("redrive:") for timer in old.timers)
            check_queues(new)
            check_counts(new)
            check_change(old, new, new.scenarios if redriven else reviving | self._reviving())
            check_limits(new)
            check_machines(old, new)
            starts.note(new)
        self.delays.note(self.seen, self.revived)
        self._check_slots()
        await self._check_batch()
        return self.seen

    async def _states(self) -> list[State]:
        return [await state_of(self.link, at, self.now) for at in self.api.partitions]

    def _reviving(self) -> set[str]:
        words = ("retry", "redrive", "redrive_all", "edit")
        return set(self.seen.scenarios) if self.doing[0] in words else set()

    def _check_slots(self) -> None:
        for at, part in zip(self.api.partitions, self.parts, strict=True):
            for service in SERVICES:
                slots = at.slots(service)
                places = [task.get("flow_places", "").split("\n") for task in part.tasks.values()]
                out = sum(slots.removeprefix(at.prefix) in some for some in places)
                most = loads(part.flow.get(service, "{}")).get("concurrency")
                known = self.limits.pop(slots, None)
                if most is None:
                    continue
                bound = max(most, known[1] if known and known[0] == most else out)
                assert out <= bound, f"{out} of {slots} are out"
                self.limits[slots] = (most, max(most, out))

    async def _check_batch(self) -> None:
        """The counts of a batch are those of its scenarios."""
        batch = await self.batches.get(BATCH)
        of = [one["status"] for one in self.seen.scenarios.values() if one.get("batch") == BATCH]
        if batch:
            ended = Counter(status for status in of if status in FINAL)
            assert (batch.total, batch.unfinished) == (len(of), len(of) - ended.total()), (batch, of)
            assert {status: n for status, n in batch.ended.items() if n} == ended, (batch, of)

    # --- the engine ------------------------------------------------------------------------------------------------------

    def _replica(self) -> Replica:
        self.born += 1
        return Replica(self.link, f"r{self.born}", self.chunk, self.registry, self.partitions)

    async def _duty(self, n: int, duty: str, entries: int = 64) -> None:
        if not await self.replicas[n % 2].step(duty, entries):
            self.replicas[n % 2] = self._replica()

    async def _materialize(self, n: int) -> None:
        await self._duty(n, "materializer")

    async def _advance(self, n: int) -> None:
        await self._duty(n, "advancer")

    async def _advance_one(self, n: int) -> None:
        await self._duty(n, "advancer", 1 + n // 2 % 3)

    async def _timers(self, n: int) -> None:
        await self._duty(n, "timekeeper")

    async def _fill(self, n: int) -> None:
        await self._duty(n, "filler")

    async def _sweep(self, n: int) -> None:
        await self._duty(n, "sweeper")

    async def _fault(self, n: int) -> None:
        self.replicas[n % 2].store.fault(n // 2)

    async def _client_fault(self, n: int) -> None:
        self.api.fault(n)

    async def _go(self, n: int) -> None:
        """The replicas do all that there is to do now, as far as they live."""
        for duty in ("materializer", "advancer", "timekeeper", "filler", "advancer"):
            await self._duty(n, duty)
            await self.look()

    async def _jump(self, n: int) -> None:
        await self.pass_by(JUMPS_MS[n % len(JUMPS_MS)])

    async def pass_by(self, ms: int) -> None:
        """Let time pass."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)

    async def _twice(self, n: int) -> None:
        """An entry comes twice."""
        at = self.api.partitions[n // 4 % self.partitions]
        stream = at.task_events if n % 4 else at.scenarios
        entries = await self.link.execute("XRANGE", stream, "-", "+")
        if entries:
            await self.link.execute("XADD", stream, "*", *entries[n // 4 % len(entries)][1])


_OFTEN: Final = {
    "go": 20, "work": 14, "jump": 8, "fault": 6, "http": 5, "take": 4, "succeed": 4, "fail": 4, "finish": 4, "vote": 4,
    "advance_one": 4, "sweep": 4, "lose": 4, "redrive": 4, "twice": 4, "spawn": 3, "retry": 3, "late": 3, "materialize": 2,
    "advance": 2, "timers": 2, "fill": 2, "cancel_task": 2, "give_back": 2, "claim": 2, "start": 2, "submit": 2, "rerun": 2,
    "resume_scenario": 2, "resume": 3, "limit": 2, "client_fault": 2, "forget": 1, "renew": 1, "redrive_all": 1, "dismiss": 1,
    "pause_scenario": 1, "pause": 1, "cancel": 1, "event": 8, "edit": 3, "batch": 2, "cancel_batch": 1,
}  # fmt: skip
WORDS: Final = tuple(word for word, often in _OFTEN.items() for _ in range(often))
