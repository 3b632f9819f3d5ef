"""A scenario with states, driven step by step under a virtual clock."""

import secrets
from datetime import UTC, datetime
from typing import Any

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.gates import Gates
from orchestrator.engine.machines import Machines
from orchestrator.handover import new_scenario
from orchestrator.store.machine_records import Event, Machine, Sent
from orchestrator.store.machines import MachineStore
from orchestrator.store.records import Owner, ScenarioRecord, TaskRecord
from orchestrator.store.store import Policy, Store
from orchestrator.templates import generate, load_template
from tests.support.engines import materialized
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions, scenario_id_from
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, TaskEntry, dumps

ORDER = """
name: Order
variables: {ITEM: book}
states:
  new:
    on: {pay: paid, cancel: cancelled}
  paid:
    tasks:
      - {name: Pack, service: shop, prompt: "{{ ITEM }}"}
      - {name: Ship, service: shop, needs: [Pack], pack_task_id: Pack}
    then: shipped
    otherwise: refund
    on: {cancel: refund}
  shipped:
    after: {7d: closed}
    on: {return: refund, resend: paid}
  refund:
    tasks:
      - {name: Refund, service: bank, prompt: "{{ event.by | default('shop') }}", params: {amount: {{ event.data.amount | default(0) }}}}
    then: cancelled
  closed: {end: success}
  cancelled: {end: failed}
"""


class Desk:
    """One scenario, one replica that only does what it is told."""

    def __init__(
        self,
        link: RedisLink,
        text: str = ORDER,
        *,
        chunk: int = 64,
        lease_ms: int = 15_000,
        owner: Owner | None = None,
        **variables: Any,
    ) -> None:
        self.link = link
        self.store = Store(
            link, Partitions(1), Policy(chunk=chunk, lease_ms=lease_ms), scripts=virtual_scripts()
        )
        self.at = self.store.partitions[0]
        self.machines = MachineStore(self.store)
        self.now = START_MS
        generated = generate(
            load_template(text),
            scenario_id=scenario_id_from(secrets.token_bytes(16)),
            variables=variables,
            now=datetime.now(UTC),
        )
        self.id = generated.scenario_id
        self.machine_id = generated.tasks[0].id
        self.scenario = new_scenario(generated, [], owner)
        self.advancer = self.replica("a1")

    def replica(self, name: str, store: Store | None = None) -> Advancer:
        """Another one, for the same scenario."""
        return Advancer(store or self.store, Seams(self.link), self.at, name)

    async def open(self) -> "Desk":
        """Begin."""
        await self.store.agree(sets_lease=True)
        await self.advancer.step()  # makes the group
        await materialized(self.store, self.scenario)
        await self.settle()
        return self

    async def settle(self) -> None:
        """Let the replica do all that there is to do."""
        while await self.link.execute("XLEN", self.at.task_events):
            await self.advancer.step()

    async def send(self, event: str, *, settle: bool = True, **more: Any) -> Sent:
        """Send an event, and let the replica do what follows."""
        sent = await self.machines.send(await self.record(), Event(event, **more))
        if settle:
            await self.settle()
        return sent

    async def passed(self, ms: int) -> None:
        """Let time pass, and all timers that are due fire."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)
        for kind, subject in (await self.store.due(self.at)).timers:
            handlers = {"state": Machines(self.store).due, "gate": Gates(self.store).due}
            assert kind not in handlers or await handlers[kind](self.at, subject)
            if kind == "start":
                await self.store.wake(self.at, subject)
        await self.settle()

    async def take(self, service: str = "shop", count: int = 100) -> list[TaskEntry]:
        """Entries that are ready now."""
        return await PlainWorker(self.link, service=service).take(count)

    async def one(self, service: str = "shop") -> TaskEntry:
        """The only entry that is ready now."""
        (entry,) = await self.take(service)
        return entry

    async def succeed(self, entry: TaskEntry, result: Any = None) -> None:
        """Report success, and let the replica do what follows."""
        await PlainWorker(self.link).succeed(entry, result=dumps(result).decode())
        await self.settle()

    async def fail(self, entry: TaskEntry) -> None:
        """Report a failure, and let the replica do what follows."""
        await PlainWorker(self.link).report(entry, EventKind.FAILED, error='{"type":"Boom"}')
        await self.settle()

    async def record(self) -> ScenarioRecord:
        """The scenario."""
        record = await self.store.scenario(self.id)
        assert record is not None
        return record

    async def current(self) -> Machine:
        """Where it stands."""
        machine = await self.machines.current(self.id)
        assert machine is not None
        return machine

    async def tasks(self) -> list[TaskRecord]:
        """All its tasks, but the one that carries the states."""
        found = await self.store.tasks((await self.record()).task_ids)
        return [task for task in found if task and task.id != self.machine_id]

    async def statuses(self) -> list[tuple[str, str]]:
        """Name and status of all its tasks, but the one that carries the states."""
        return [(task.name, task.status.value) for task in await self.tasks()]

    async def way(self) -> list[tuple[str, str]]:
        """How it came where it stands: event and state."""
        return [(one["event"], one["to"]) for one in await self.machines.history(self.id)]
