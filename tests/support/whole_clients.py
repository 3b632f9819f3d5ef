"""The clients of a whole system by hand: they submit, cancel, pause, retry, decide, send events; an answer may be lost."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from orchestrator.handover import new_scenario
from orchestrator.store.batches import Batches, scenario_id_of
from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.edits import Edits
from orchestrator.store.flow import ALL, Flow
from orchestrator.store.flow_records import Limits, Pause
from orchestrator.store.gate_records import Vote
from orchestrator.store.gates import GateStore
from orchestrator.store.machine_records import Event
from orchestrator.store.machines import MachineStore
from orchestrator.store.outcomes import BatchCancelled
from orchestrator.store.records import Cause, Line, Owner
from orchestrator.store.rerun import CannotRerun, Rerun
from orchestrator.store.revival import Revival
from orchestrator.templates import Registry, Template, generate
from tests.support.whole_machines import EVENTS, IDS, check_answer
from tests.support.whole_replica import store_of
from tests.support.whole_state import LIVE
from tests.support.whole_templates import SERVICES
from tests.support.whole_workers import Workers
from workers_sdk.protocol.keys import scenario_id_from, short_uuid

MOST_SCENARIOS: Final = 5
WHY: Final = Pause("why", "who")
BATCH: Final = scenario_id_from(b"batch")
LINES: Final = 2


@dataclass(kw_only=True)
class Clients(Workers):
    """See the module; their steps take a number, which chooses among what there is."""

    template: Template
    registry: Registry
    chunk: int
    partitions: int = 1
    revived: set[str] = field(default_factory=set)
    submitted: int = 0

    def __post_init__(self) -> None:
        self.api = store_of(self.link, "api", self.chunk, self.partitions)
        self.flow, self.gates, self.revival = Flow(self.api), GateStore(self.api), Revival(self.api)
        self.letters, self.batches = DeadLetters(self.api), Batches(self.api)
        self.machines = MachineStore(self.api)

    def _new_id(self) -> str:
        self.submitted += 1
        return scenario_id_from(f"scenario {self.submitted}".encode())

    async def _submit(self, n: int) -> None:
        if len(self.seen.scenarios) < MOST_SCENARIOS and self.submitted < MOST_SCENARIOS:
            await self._submit_as(self._new_id(), n)

    async def _submit_as(self, scenario_id: str, n: int, line: Line | None = None) -> None:
        names, now = self.registry.names(), datetime.now(UTC)
        found = generate(self.template, scenario_id=scenario_id, variables={}, now=now, templates=names)
        owner = Owner(tenant=f"t{n % 3}" if n % 3 else "")
        await self.api.submit(new_scenario(found, [], owner), line=line)

    async def _batch(self, n: int) -> None:
        """A line of a batch comes, perhaps once more; or the batch is closed."""
        number = 1 + n % (LINES + 1)
        if number > LINES:
            await self.batches.close(BATCH, LINES)
            return
        record = await self.batches.get(BATCH)
        try:
            await self._submit_as(scenario_id_of(BATCH, number), 0, Line(BATCH, number, "digest"))
        except BatchCancelled:
            assert record is not None and record.cancel is not None

    async def _cancel_batch(self, n: int) -> None:
        while await self.batches.cancel(BATCH, Cause()) == "MORE":
            continue
        for _, listed in (await self.batches.scenarios(BATCH, 0, LINES)).items:
            scenario = await self.api.scenario(listed.scenario_id)
            assert scenario and (scenario.status.is_final or scenario.cancel), scenario

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
        await self.flow.limit(SERVICES[n % 2], Limits(self.partitions + n // 2 % 3))

    async def _forget(self, n: int) -> None:
        await self.flow.forget(SERVICES[n % 2])

    async def _event(self, n: int) -> None:
        """An event comes from outside."""
        of = sorted(one for one, scenario in self.seen.scenarios.items() if scenario.get("machine"))
        scenario = await self.api.scenario(of[n // 5 % len(of)]) if of else None
        if scenario:
            event = Event(EVENTS[n % 5], {"n": n}, id=IDS[n // 3 % 5])
            before = self.seen
            sent = await self.machines.send(scenario, event)
            check_answer(before, scenario.scenario_id, event, sent)

    async def end_machines(self) -> None:
        """Send all scenarios with states that go on what ends them."""
        for scenario_id, scenario in self.seen.scenarios.items():
            if scenario.get("machine") and scenario["status"] in LIVE:
                record = await self.api.scenario(scenario_id)
                assert record
                await self.machines.send(record, Event("end"))

    async def _edit(self, n: int) -> None:
        """Somebody changes what a dead letter is to do, and mostly redrives it."""
        dead = [
            one
            for one, task in sorted(self.seen.tasks.items())
            if task.get("fingerprint")
            and task["service"] in SERVICES
            and "foreach" not in task.get("on_ready", "")
        ]
        if dead:
            self.api.left = 0  # or nobody would know what it is to do
            self.edited[dead[n // 4 % len(dead)]] = n
            assert await self.letters.edit(dead[n // 4 % len(dead)], Edits(params={"k": n})) == "OK"
            if n % 4:
                await self._redrive_of(dead[n // 4 % len(dead)])

    def _note_revived(self, scenario_id: str) -> None:
        """So may be the scenarios above it."""
        while scenario_id:
            self.revived.add(scenario_id)
            above = self.seen.tasks.get(self.seen.scenarios[scenario_id].get("parent", ""), {})
            scenario_id = above.get("scenario_id", "")

    async def _retry(self, n: int) -> None:
        self._note_revived(self._scenario(n))
        await self.revival.retry(self._scenario(n))

    async def _redrive(self, n: int) -> None:
        dead = sorted(one for one, task in self.seen.tasks.items() if task.get("fingerprint"))
        if dead:
            await self._redrive_of(dead[n % len(dead)])

    async def _redrive_of(self, task_id: str) -> None:
        self._note_revived(self.seen.tasks[task_id]["scenario_id"])
        await self.letters.redrive_one(task_id)

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
        for task_id in record.task_ids:
            if task_id in self.edited:
                self.edited[short_uuid(new.scenario_id, task_id)] = self.edited[task_id]
        await self.api.submit(new)

    async def _vote(self, n: int) -> None:
        if self.seen.gates:
            gate = sorted(self.seen.gates)[n // 6 % len(self.seen.gates)]
            await self.gates.vote(gate, Vote(f"p{n % 3}", "reject" if n % 4 == 0 else "approve"))
