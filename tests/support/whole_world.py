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
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS
from tests.support.whole_replica import Dead, Replica, age, store_of
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
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.link import RedisLink, Unavailable
from workers_sdk.protocol.messages import EventKind, TaskEntry, TaskEvent, dumps, loads

MOST_SCENARIOS: Final = 5
WHY: Final = Pause("why", "who")
JUMPS_MS: Final = (500, 2_000, 6_000, 12_000, 31_000, 61_000)
ERRORS: Final = ('{"type":"Boom"}', '{"type":"Boom","retry":false}', '{"type":"Slow","retry_after_ms":4000}')


@dataclass
class Held:
    """An entry that a worker has, or had."""

    entry: TaskEntry
    consumer: str


@dataclass
class World:
    """See the module. A step is a word and a number, which chooses among what there is."""

    link: RedisLink
    template: Template
    registry: Registry
    chunk: int
    now: int = START_MS
    running: list[Held] = field(default_factory=list)
    former: list[Held] = field(default_factory=list)
    delivered: set[tuple[str, str]] = field(default_factory=set)
    revived: set[str] = field(default_factory=set)
    starts: Starts = field(default_factory=Starts)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of a service: its limit, and how many may be out now (some were when it was set)."""
    submitted: int = 0
    replicas: list[Replica] = field(default_factory=list)
    born: int = 0

    async def open(self) -> "World":
        """Begin with a scenario."""
        await self.link.execute("FLUSHALL")
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
        reviving = {one for state in (before, self.seen) for one, s in state.scenarios.items() if "revive" in s}
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
                f"slots:{service}" in task.get("flow_places", "").split("\n") for task in self.seen.tasks.values()
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
        """A replica does all that there is to do now, as far as it lives."""
        for duty in ("materializer", "advancer", "timekeeper", "filler"):
            await self._duty(n, duty)
            await self.look()

    async def _work(self, n: int) -> None:
        """A worker does all that is ready in a service."""
        await self._take(400 + n % 4)
        for _ in range(len(self.running)):
            await self._succeed(n)

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

    # --- workers ---------------------------------------------------------------------------------------------------------

    def _worker(self, service: str, name: str) -> PlainWorker:
        return PlainWorker(self.link, name, service)

    async def _take(self, n: int) -> None:
        service, consumer = SERVICES[n % 2], f"w{n // 2 % 2}"
        for entry in await self._worker(service, consumer).take(1 + n // 4):
            one = (entry.task_id, entry.token)
            assert one not in self.delivered, f"handed out twice: {one}"
            self.delivered.add(one)
            self._check_taken(entry)
            self.running.append(Held(entry, consumer))

    def _check_taken(self, entry: TaskEntry) -> None:
        """Of what is paused or cancelled nothing begins, once that was carried through."""
        scenario, timers, flow = self.seen.scenarios[entry.scenario_id], self.seen.timers, self.seen.flow
        whole = entry.scenario_id
        assert "paused" not in scenario or f"pause:{whole}" in timers, f"a task of a paused scenario begins: {entry}"
        ended = "cancel" in scenario and f"cancel:{whole}" not in timers
        assert not ended or "finally" in self.seen.rules[entry.task_id], f"a cancelled task begins: {entry}"
        paused = {"*", f"{entry.service}:paused"} & flow.keys()
        assert not paused or f"fill:{entry.service}" in timers, f"a task of a paused service begins: {entry}"

    def _held(self, n: int) -> Held | None:
        if not self.running:
            return None
        held = self.running.pop(n % len(self.running))
        self.former.append(held)
        return held

    async def _report(self, held: Held | None, kind: EventKind, **fields: str) -> None:
        if held:
            await self._worker(held.entry.service, held.consumer).report(held.entry, kind, **fields)

    async def _start(self, n: int) -> None:
        if self.running:
            held = self.running[n % len(self.running)]
            await self._report(held, EventKind.PROGRESS if n & 1 else EventKind.PROCESSING, worker=held.consumer)

    async def _claim(self, n: int) -> None:
        if self.running:
            await self._script("claim", self.running[n % len(self.running)])

    async def _renew(self, n: int) -> None:
        if self.running:
            await self._script("renew", self.running[n % len(self.running)])

    async def _give_back(self, n: int) -> None:
        if held := self._held(n):
            await self._script("give_back", held, nonce=self.api.nonce())

    async def _script(self, name: str, held: Held, **more: str) -> None:
        entry = held.entry
        values = {"home": self.at.task_events, "prefix": self.at.prefix, "group": "workers", "worker": held.consumer}
        await self.api.call(name, values | more, [entry.service, entry.entry_id, entry.task_id, entry.token])

    async def _succeed(self, n: int) -> None:
        if held := self._held(n):
            await self._report(held, EventKind.SUCCESS, result=result(held.entry.token, n))

    async def _fail(self, n: int) -> None:
        await self._report(self._held(n // 3), EventKind.FAILED, error=ERRORS[n % 3])

    async def _finish(self, n: int) -> None:
        """As the SDK does: the entry goes in the same step."""
        if held := self._held(n // 2):
            entry = held.entry
            kind = ["status", "failed", "error", ERRORS[n % 3]] if n & 1 else ["status", "success", "result", result(entry.token, n)]
            report = ["task_id", entry.task_id, *kind[:2], "token", entry.token, "acked", "1", *kind[2:]]
            values = {"events": self.at.task_events, "prefix": self.at.prefix, "group": "workers", "items": 1}
            await self.api.call("finish", values, [entry.service, entry.entry_id, len(report), *report])

    async def _spawn(self, n: int) -> None:
        held = self._held(n)
        if held is None:
            return
        children = [
            {"key": f"c{k}", "service": SERVICES[(n + k) % 2], "name": f"C{k}", "needs": [f"c{k - 1}"] if n & 4 and k else [], "fields": {}}
            for k in range(1 + n % 3)
        ]  # fmt: skip
        is_child = held.entry.name.startswith("C")  # or there would be no end
        more = {} if is_child else {"spawn": dumps(children).decode()}
        await self._report(held, EventKind.SUCCESS, result=result(held.entry.token, n), **more)

    async def _lose(self, n: int) -> None:
        """A worker dies, or only looks dead."""
        if held := self._held(n):
            await age(self.link, self.at.queue(held.entry.service), "workers", held.consumer, held.entry.entry_id)

    async def _late(self, n: int) -> None:
        """Somebody reports who did before, or was taken for dead."""
        if self.former:
            held = self.former[n // 4 % len(self.former)]
            kind = EventKind.SUCCESS if n & 1 else EventKind.FAILED
            fields = {"result": result(held.entry.token, n)} if n & 1 else {"error": ERRORS[0]}
            if n & 2:
                await self.api.report(TaskEvent(held.entry.task_id, kind, held.entry.token, fields))
            else:
                await self._report(held, kind, **fields)

    async def _http(self, n: int) -> None:
        """A worker takes a task by HTTP, or goes on with one, or ends it."""
        out = [one for one in self.seen.tasks if self.seen.is_handed_out(one)]
        if out:
            task_id = out[n // 4 % len(out)]
            kind = (EventKind.PROCESSING, EventKind.PROCESSING, EventKind.SUCCESS, EventKind.FAILED)[n % 4]
            token = self.seen.tasks[task_id]["token"]
            more = {"result": result(token, n)} if kind is EventKind.SUCCESS else {}
            fields = {"error": ERRORS[n // 4 % 3]} if kind is EventKind.FAILED else more
            await self.api.report(TaskEvent(task_id, kind, "", fields))

    # --- clients ---------------------------------------------------------------------------------------------------------

    def _new_id(self) -> str:
        self.submitted += 1
        return scenario_id_from(f"scenario {self.submitted}".encode())

    async def _submit(self, n: int) -> None:
        if len(self.seen.scenarios) < MOST_SCENARIOS and self.submitted < MOST_SCENARIOS:
            scenario_id = self._new_id()
            found = generate(self.template, scenario_id=scenario_id, variables={}, now=datetime.now(UTC), templates=self.registry.names())
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


def result(token: str, n: int) -> str:
    """What an attempt gives: tells which one it was, and has something to go over."""
    return dumps({"by": token, "n": n % 4, "parts": list(range(n % 4))}).decode()


WORDS: Final = (
    *("go",) * 10, *("work",) * 5, *("take", "succeed", "jump", "fault") * 4, *("fail", "finish", "vote", "advance_one") * 3,
    *("materialize", "advance", "timers", "fill", "sweep", "retry", "redrive", "cancel_task", "spawn", "lose", "twice", "http") * 2,
    "client_fault", "start", "claim", "renew", "give_back", "late", "submit", "cancel", "pause_scenario", "resume_scenario",
    "pause", "resume", "limit", "forget", "redrive_all", "dismiss", "rerun",
)  # fmt: skip
