"""A scenario that begins with a gate, under a virtual clock."""

from typing import Any

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.gates import Gates
from orchestrator.store.gate_list import Wanted, list_gates
from orchestrator.store.gate_records import Gate, Vote
from orchestrator.store.gates import GateStore, Voted
from orchestrator.store.records import TaskRecord
from orchestrator.store.store import Policy, Store
from orchestrator.store.voting import Refused
from tests.support.engines import materialized
from tests.support.graphs import graph
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink


class Desk:
    """A scenario whose first task is a gate, and whose second a worker does."""

    def __init__(self, link: RedisLink, **gate: Any) -> None:
        self.link = link
        self.store = Store(link, Partitions(1), Policy(), scripts=virtual_scripts())
        self.at = self.store.partitions[0]
        self.gates = GateStore(self.store)
        self.worker = PlainWorker(link)
        self.now = START_MS
        asks = {"approval": {"ask": True}}
        self.scenario = graph(
            {"approval": [], "publish": ["approval"]}, rules=asks, on_ready={"approval": {"gate": gate}}
        )
        self.task_id = self.scenario.task_ids[0]
        self.advancer = Advancer(self.store, Seams(link), self.at, "a1")

    async def open(self, submitter: str = "") -> "Desk":
        """Let the gate open."""
        await self.store.agree(sets_lease=True)
        await self.advancer.step()  # makes the group
        await materialized(self.store, self.scenario)
        if submitter:
            key = self.at.scenario(self.scenario.scenario_id)
            await self.link.execute("HSET", key, "submitter", submitter)
        await self.advancer.step()
        return self

    async def vote(
        self, by: str, decision: Any = "approve", comment: str = "", **more: Any
    ) -> Voted | Refused | None:
        """A vote, and what follows from it."""
        found = await self.gates.vote(self.task_id, Vote(by, decision, comment, **more))
        await self.advancer.step()
        return found

    async def passed(self, ms: int) -> None:
        """Let time pass, and the timekeeper look."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)
        for kind, subject in (await self.store.due(self.at)).timers:
            assert kind != "gate" or await Gates(self.store).due(self.at, subject)
        await self.advancer.step()

    async def task(self, position: int = 0) -> TaskRecord:
        task = await self.store.task(self.scenario.task_ids[position])
        assert task is not None
        return task

    async def gate(self) -> Gate:
        gate = await self.gates.gate(self.task_id)
        assert gate is not None
        return gate

    async def audit(self) -> list[tuple[str, str]]:
        """What happened, and who did it."""
        return [(one["what"], one.get("by", "")) for one in await self.gates.audit(self.task_id)]

    async def listed(self) -> list[str]:
        page = await list_gates(self.store, Wanted(), cursor=None, limit=10)
        return [gate.task_id for gate in page.items]
