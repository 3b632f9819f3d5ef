"""Scenarios with states: begins them, ends what is left of a state, starts the tasks of the next one, leads on by the clock.

Where a scenario stands is moved by one script; what follows from that is done by whoever is asked to look, as often as
somebody is. So a crash anywhere leaves nothing but a look that is repeated.
"""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any, Final

import structlog

from orchestrator.store.machine_records import (
    AFTER,
    OTHERWISE,
    START,
    THEN,
    Event,
    Machine,
    State,
    initial_of,
    state_of,
)
from orchestrator.store.machines import MachineStore
from orchestrator.store.records import Cause, ScenarioRecord, TaskRecord
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent, dumps, loads

from .visits import ids_of, tasks_of, visit_id

READ: Final = 500
CANCELLED: Final = 64
"""Tasks of a state that are cancelled in one script call."""


class Machines:
    """See the module."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._machines = MachineStore(store)
        self._log = structlog.get_logger().bind(duty="machines")

    async def look(self, at: Partition, task: TaskRecord) -> list[TaskEvent]:
        """What becomes of a task that carries states."""
        if task.status is Status.PENDING:
            await self._store.advance(at, [_decided(task, EventKind.HOLD)])
            held = await self._store.task(task.id)
            if held is None or held.status is not Status.PROCESSING:
                return []
            task = held
        if await self._machines.current(task.scenario_id) is None:
            await self._machines.move(task, None, initial_of(task), Event(START))
        found = await self._left(at, task)
        if found is None:
            return []
        scenario, machine = found
        if machine.outcome:
            return await self._end(task, machine)
        return await self._enter(at, task, machine, scenario)

    async def ended(self, task: TaskRecord) -> list[TaskEvent]:
        """What becomes of the task that stands for a visit, when all tasks of it have ended; and where the scenario goes."""
        carrier = await self._store.task(task.on_ready["state"]["machine"])
        machine = await self._machines.current(task.scenario_id)
        if carrier is None or machine is None:
            return []
        state = state_of(carrier, task.on_ready["state"]["name"])
        visit = task.on_ready["state"]["visit"]
        broken = await self._broken(carrier, visit, state)
        if machine.visit == visit and not machine.outcome:
            await self._go_on(carrier, machine, state, broken)
        if broken is None:
            return [_decided(task, EventKind.SUCCESS)]
        message = "a task of the state did not succeed"
        return [_failed(task, "task_failed", message, task_id=broken["task_id"])]

    async def due(self, at: Partition, scenario_id: str) -> bool:
        """Handler of the timer `state`: the time of a state has come. Says whether the timer is gone."""
        scenario = await self._store.scenario(scenario_id)
        task = await self._store.task(scenario.machine) if scenario and scenario.machine else None
        machine = await self._machines.current(scenario_id)
        if task is None or machine is None:
            await self._machines.forget(at, scenario_id)
            return True
        to = state_of(task, machine.state).after or machine.state
        word = await self._machines.move(task, machine, to, Event(AFTER), by_clock=True)
        self._log.info("state_time", scenario_id=scenario_id, outcome=word)
        return word in ("MOVED", "CLOSED")

    async def _go_on(
        self, carrier: TaskRecord, machine: Machine, state: State, broken: Mapping[str, Any] | None
    ) -> None:
        """Where the ends of its tasks lead. A failure that leads nowhere ends the scenario."""
        if broken is None:
            if state.then:
                await self._machines.move(carrier, machine, state.then, Event(THEN))
        elif state.otherwise:
            await self._machines.move(carrier, machine, state.otherwise, Event(OTHERWISE, broken))
        else:
            await self._machines.move(
                carrier, machine, machine.state, Event(OTHERWISE, broken), outcome="failed"
            )

    async def _broken(self, carrier: TaskRecord, visit: int, state: State) -> dict[str, Any] | None:
        """The first task of a visit that did not succeed, and whose failure nothing in the state provides for."""
        ids = ids_of(carrier, visit, state)
        counting = {
            ids[one["id"]]: one
            for one in state.tasks
            if not {"optional", "tolerated"} & one.get("rules", {}).keys()
        }
        for task_id, (status,) in (await self._read(list(counting), "status")).items():
            if status in (Status.FAILED, Status.CANCELLED):
                return {"task_id": task_id, "task": counting[task_id]["key"], "status": status}
        return None

    async def _left(self, at: Partition, task: TaskRecord) -> tuple[ScenarioRecord, Machine] | None:
        """End what still runs of states before the one that it is in; None when it has ended altogether."""
        while True:
            # The ids are read first: if no task of the present state was made later on, none is among them.
            scenario = await self._store.scenario(task.scenario_id)
            machine = await self._machines.current(task.scenario_id)
            if scenario is None or machine is None or scenario.status.is_final or scenario.cancel:
                return None
            left = []
            if machine.written is None:
                left = await self._unfinished(
                    scenario.task_ids[machine.first :], visit_id(task, machine.entered)
                )
            if not left:
                return scenario, machine
            cause = Cause("its state was left").text()
            for first in range(0, len(left), CANCELLED):
                events = [
                    TaskEvent(one, EventKind.CANCELLED, fields={"error": cause})
                    for one in left[first : first + CANCELLED]
                ]
                await self._store.advance(at, events, by_http=True)

    async def _unfinished(self, task_ids: Sequence[str], own_id: str) -> list[str]:
        """Those that have not ended, each after all that wait for it, so that the end of one starts no other.

        Not the one that stands for the visit, when all others have ended: it is looked at, and ends by that.
        """
        consumers: dict[str, list[str]] = {}
        for task_id, (status, queue, text) in (
            await self._read(task_ids, "status", "queue", "consumers")
        ).items():
            if status in (Status.PENDING, Status.PROCESSING) and (task_id != own_id or queue != "0"):
                consumers[task_id] = loads(text or "[]")
        some = {task_id: [c for c in after if c in consumers] for task_id, after in consumers.items()}
        return list(TopologicalSorter(some).static_order())

    async def _read(self, task_ids: Sequence[str], *names: str) -> dict[str, list[str]]:
        """Fields of those tasks that exist, by id."""
        found: dict[str, list[str]] = {}
        for first in range(0, len(task_ids), READ):
            some = task_ids[first : first + READ]
            keys = [self._store.partitions.of(task_id).task(task_id) for task_id in some]
            replies = await self._store.link.execute_many([("HMGET", key, *names) for key in keys])
            for task_id, values in zip(some, replies, strict=True):
                if values[0]:
                    found[task_id] = [(value or b"").decode() for value in values]
        return found

    async def _enter(
        self, at: Partition, task: TaskRecord, machine: Machine, scenario: ScenarioRecord
    ) -> list[TaskEvent]:
        state = state_of(task, machine.state)
        if not state.tasks:
            return []
        tasks, order = tasks_of(task, machine, state, scenario.owner)
        if machine.written == len(tasks):
            return []
        word = await self._machines.enter(at, task, machine.visit, tasks, order)
        self._log.info(
            "state_entered", scenario_id=task.scenario_id, state=machine.state, tasks=len(tasks), outcome=word
        )
        if word not in ("OK", "STALE"):
            # What was made of it must not run on; that is seen to by the next look.
            cause = {
                "type": word.lower(),
                "message": f"the tasks of the state {machine.state!r} cannot be made",
            }
            await self._machines.move(task, machine, machine.state, Event("error", cause), outcome="failed")
        return []

    async def _end(self, task: TaskRecord, machine: Machine) -> list[TaskEvent]:
        """The end of the task that carries the states, and with it of the scenario."""
        if machine.outcome == Status.SUCCESS:
            return [_decided(task, EventKind.SUCCESS, {"result": dumps({"state": machine.state}).decode()})]
        if machine.outcome == Status.CANCELLED:
            await self._store.cancel_task(task.id, Cause(f"the state {machine.state!r} ends it so"))
            return []
        if state_of(task, machine.state).end:
            return [_failed(task, "failed_state", f"the state {machine.state!r} ends the scenario as failed")]
        data = machine.event["data"] or {}
        message = f"a task of the state {machine.state!r} did not succeed, and it has no `otherwise`"
        more = {name: data[name] for name in ("task_id",) if name in data}
        return [_failed(task, data.get("type", "task_failed"), data.get("message", message), **more)]


def _decided(task: TaskRecord, kind: EventKind, fields: Mapping[str, str] | None = None) -> TaskEvent:
    return TaskEvent(task.id, kind, task.token, fields or {}, by_engine=True)


def _failed(task: TaskRecord, code: str, message: str, **more: Any) -> TaskEvent:
    error = {"type": code, "message": message, "retry": False, **more}
    return _decided(task, EventKind.FAILED, {"error": dumps(error).decode()})
