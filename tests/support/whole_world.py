"""A whole system by hand: engine replicas that may die, workers, clients and a clock; after each step all is checked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.handover import new_scenario
from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.edits import Edits
from orchestrator.store.flow import ALL, Flow
from orchestrator.store.flow_records import Limits, Pause
from orchestrator.store.gate_records import Vote
from orchestrator.store.gates import GateStore
from orchestrator.store.records import Cause, Owner
from orchestrator.store.rerun import CannotRerun, Rerun
from orchestrator.store.revival import Revival
from orchestrator.templates import Registry, Template, generate
from tests.support.scripts import CLOCK, START_MS
from tests.support.whole_replica import Dead, Replica, store_of
from tests.support.whole_state import (
    Starts,
    State,
    check_change,
    check_counts,
    check_limits,
    check_queues,
    state_of,
)
from tests.support.whole_templates import SERVICES
from tests.support.whole_workers import Workers
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.link import Unavailable
from workers_sdk.protocol.messages import loads

MOST_SCENARIOS: Final = 5
WHY: Final = Pause("why", "who")
JUMPS_MS: Final = (500, 2_000, 6_000, 12_000, 31_000, 61_000)


@dataclass(kw_only=True)
class World(Workers):
    """See the module. A step is a word and a number, which chooses among what there is."""

    template: Template
    registry: Registry
    chunk: int
    now: int = START_MS
    revived: set[str] = field(default_factory=set)
    starts: Starts = field(default_factory=Starts)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of a service: its limit, and how many may be out now (some were when it was set)."""
    submitted: int = 0
    replicas: list[Replica] = field(default_factory=list)
    born: int = 0

    async def open(self) -> "World":
        """Begin with a scenario."""
        await self.link.execute("FLUSHDB")
        self.api = store_of(self.link, "api", self.chunk)
        self.at = self.api.partitions[0]
        self.flow, self.gates, self.revival = Flow(self.api), GateStore(self.api), Revival(self.api)
        self.letters = DeadLetters(self.api)
        await self.api.agree(sets_lease=True)
        self.replicas = [self._replica(), self._replica()]
        for duty in ("materializer", "advancer"):
            await self.replicas[0].step(duty)  # makes the groups
        for service in SERVICES:
            await self._worker(service, "w0").take()
        self.seen = await state_of(self.link, self.at, self.now)
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
        before, self.seen = self.seen, await state_of(self.link, self.at, self.now)
        reviving = {
            one for state in (before, self.seen) for one, s in state.scenarios.items() if "revive" in s
        }
        redriven = any(timer.startswith("redrive:") for timer in before.timers)
        check_queues(self.seen)
        check_counts(self.seen)
        check_change(before, self.seen, self.seen.scenarios if redriven else reviving | self._reviving())
        check_limits(self.seen)
        self.starts.note(self.seen)
        self._check_slots()
        return self.seen

    def _reviving(self) -> set[str]:
        return set(self.seen.scenarios) if self.doing[0] in ("retry", "redrive", "redrive_all") else set()

    def _check_slots(self) -> None:
        for service in SERVICES:
            out = sum(
                f"slots:{service}" in task.get("flow_places", "").split("\n")
                for task in self.seen.tasks.values()
            )
            most = loads(self.seen.flow.get(service, "{}")).get("concurrency")
            known = self.limits.pop(service, None)
            if most is None:
                continue
            bound = max(most, known[1] if known and known[0] == most else out)
            assert out <= bound, f"{out} of {service} are out"
            self.limits[service] = (most, max(most, out))

    # --- the engine ------------------------------------------------------------------------------------------------------

    def _replica(self) -> Replica:
        self.born += 1
        return Replica(self.link, f"r{self.born}", self.chunk, self.registry)

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
        stream = self.at.task_events if n % 4 else self.at.scenarios
        entries = await self.link.execute("XRANGE", stream, "-", "+")
        if entries:
            await self.link.execute("XADD", stream, "*", *entries[n // 4 % len(entries)][1])

    # --- clients ---------------------------------------------------------------------------------------------------------

    def _new_id(self) -> str:
        self.submitted += 1
        return scenario_id_from(f"scenario {self.submitted}".encode())

    async def _submit(self, n: int) -> None:
        if len(self.seen.scenarios) < MOST_SCENARIOS and self.submitted < MOST_SCENARIOS:
            scenario_id = self._new_id()
            found = generate(
                self.template,
                scenario_id=scenario_id,
                variables={},
                now=datetime.now(UTC),
                templates=self.registry.names(),
            )
            await self.api.submit(new_scenario(found, [], Owner(tenant=f"t{n % 3}" if n % 3 else "")))

    def _scenario(self, n: int) -> str:
        ids = sorted(self.seen.scenarios)
        return ids[n % len(ids)]

    async def _cancel(self, n: int) -> None:
        while await self.api.cancel(self._scenario(n), Cause()) == "MORE":
            continue

    async def _cancel_task(self, n: int) -> None:
        if self.seen.tasks:
            await self.api.cancel_task(sorted(self.seen.tasks)[n % len(self.seen.tasks)], Cause())

    async def _pause_scenario(self, n: int) -> None:
        word = await self.flow.pause_scenario(self._scenario(n), WHY)
        while word == "MORE":
            word = await self.flow.pause_scenario(self._scenario(n))

    async def _resume_scenario(self, n: int) -> None:
        while await self.flow.resume_scenario(self._scenario(n), begin=True) == "MORE":
            continue

    async def _pause(self, n: int) -> None:
        await self.flow.pause((*SERVICES, ALL)[n % 3], WHY)

    async def _resume(self, n: int) -> None:
        await self.flow.resume((*SERVICES, ALL)[n % 3])

    async def _limit(self, n: int) -> None:
        await self.flow.limit(SERVICES[n % 2], Limits(1 + n // 2 % 3))

    async def _forget(self, n: int) -> None:
        await self.flow.forget(SERVICES[n % 2])

    async def _retry(self, n: int) -> None:
        self.revived.add(self._scenario(n))
        await self.revival.retry(self._scenario(n))

    async def _redrive(self, n: int) -> None:
        dead = sorted(one for one, task in self.seen.tasks.items() if task.get("fingerprint"))
        if dead:
            self.revived.add(self.seen.tasks[dead[n % len(dead)]]["scenario_id"])
            await self.letters.redrive_one(dead[n % len(dead)])

    async def _redrive_all(self, n: int) -> None:
        self.revived |= set(self.seen.scenarios)
        await self.letters.redrive(None, most=1 + n % 4)

    async def _dismiss(self, n: int) -> None:
        await self.letters.dismiss(None, most=1 + n % 4)

    async def _rerun(self, n: int) -> None:
        scenario_id = self._scenario(n)
        record = await self.api.scenario(scenario_id)
        names = [self.seen.tasks[one]["name"] for one in self.seen.of(scenario_id)]
        if record is None or not names or self.submitted >= MOST_SCENARIOS:
            return
        try:
            new = await Rerun(self.api).of(record, names[n // 4 % len(names)], self._new_id(), Edits())
        except CannotRerun:
            return
        await self.api.submit(new)

    async def _vote(self, n: int) -> None:
        if self.seen.gates:
            gate = sorted(self.seen.gates)[n // 6 % len(self.seen.gates)]
            await self.gates.vote(gate, Vote(f"p{n % 3}", "reject" if n % 4 == 0 else "approve"))


_OFTEN: Final = {
    "go": 20, "work": 14, "jump": 8, "fault": 6, "http": 5, "take": 4, "succeed": 4, "fail": 4, "finish": 4, "vote": 4,
    "advance_one": 4, "sweep": 4, "lose": 4, "redrive": 4, "twice": 4, "spawn": 3, "retry": 3, "late": 3, "materialize": 2,
    "advance": 2, "timers": 2, "fill": 2, "cancel_task": 2, "give_back": 2, "claim": 2, "start": 2, "submit": 2, "rerun": 2,
    "resume_scenario": 2, "resume": 3, "limit": 2, "client_fault": 2, "forget": 1, "renew": 1, "redrive_all": 1, "dismiss": 1,
    "pause_scenario": 1, "pause": 1, "cancel": 1,
}  # fmt: skip
WORDS: Final = tuple(word for word, often in _OFTEN.items() for _ in range(often))
