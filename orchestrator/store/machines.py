"""Scenarios with states in Redis: send them events, move them on, give them the tasks of a state, read where they stand."""

from collections.abc import Sequence
from typing import Any, Final

from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.messages import dumps, loads

from .arguments import MAX_SCENARIO_BYTES, chunks_of, hashed
from .deciding import MAX_TASKS
from .machine_records import (
    AFTER,
    FIELDS,
    KEPT,
    Event,
    Machine,
    Refusal,
    Sent,
    State,
    allowed_of,
    machine_record,
    state_of,
)
from .records import NewTask, ScenarioRecord, TaskRecord
from .store import Store

Json = Any

MOST_TRIES: Final = 20
"""Of one event, when the scenario moves at the same time."""
_REFUSALS: Final = {
    "REFUSED": Refusal.NOT_ALLOWED,
    "CONFLICT": Refusal.CONFLICT,
    "CLOSED": Refusal.ENDED,
}


class MachineStore:
    """The part of the store for scenarios with states. Every method raises Unavailable and Refused as `Link.execute` does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def current(self, scenario_id: str) -> Machine | None:
        """Where a scenario stands; None when it has not begun, or has no states."""
        key = self._store.partitions.of(scenario_id).machine(scenario_id)
        return machine_record(await self._store.link.execute("HMGET", key, *FIELDS))

    async def history(self, scenario_id: str) -> list[dict[str, Json]]:
        """How it came from state to state, oldest first, the last `KEPT`."""
        key = self._store.partitions.of(scenario_id).history(scenario_id)
        return [loads(one.partition(b" ")[2]) for one in await self._store.link.execute("LRANGE", key, 0, -1)]

    async def allowed(self, scenario: ScenarioRecord) -> list[str]:
        """Events that a scenario with states takes now."""
        task, machine = await self._store.task(scenario.machine), await self.current(scenario.scenario_id)
        return allowed_of(task, machine) if task and machine else []

    async def send(self, scenario: ScenarioRecord, event: Event) -> Sent:
        """Send an event to a scenario with states."""
        for _ in range(MOST_TRIES):
            task, machine = await self._store.task(scenario.machine), await self.current(scenario.scenario_id)
            if task is None or machine is None:
                ended = (task or scenario).status.is_final
                return Sent(Refusal.ENDED if ended else Refusal.NOT_STARTED)
            to = state_of(task, machine.state).on.get(event.name, "")
            word = await self.move(task, machine, to, event)
            if word != "CHANGED":
                now = machine if word == "REFUSED" else await self.current(scenario.scenario_id) or machine
                return Sent(_REFUSALS.get(word), now.state, allowed_of(task, now), word == "REPEATED")
        return Sent(Refusal.BUSY)

    async def move(
        self,
        task: TaskRecord,
        machine: Machine | None,
        to: str,
        event: Event,
        *,
        by_clock: bool = False,
        outcome: str = "",
    ) -> str:
        """Go on from where it stood: a word of `transition.lua`.

        Args:
            task: the one that carries the states.
            machine: None: it begins.
            to: the next state; empty: the state does not take the event.
            by_clock: only if its time has come.
            outcome: how the scenario ends with this, whatever the next state says.
        """
        following = state_of(task, to) if to else State()
        values = {
            **_keys(self._store.partitions.of(task.id), task.scenario_id, task.id),
            **{"visit": machine.visit if machine else 0, "to": to, "clock": int(by_clock)},
            **{"wait_ms": following.after_ms, "outcome": outcome or following.end},
            **_told(machine, to, event, outcome or following.end),
        }
        return str((await self._store.call("transition", values)).decode())

    async def forget(self, at: Partition, scenario_id: str) -> None:
        """Remove the timer of a scenario that is no more."""
        values = {"visit": 0, "to": "", "clock": 1, "wait_ms": 0, "outcome": ""}
        await self._store.call(
            "transition",
            {**_keys(at, scenario_id, scenario_id), **values, **_told(None, "", Event(AFTER), "")},
        )

    async def enter(
        self, at: Partition, task: TaskRecord, visit: int, tasks: Sequence[NewTask], order: Sequence[str]
    ) -> str:
        """Make the tasks of a state, in writing order (a task after all its consumers); `order`: their ids as they are shown.

        Goes on where an earlier call stopped.

        Returns:
            A word of `enter_state.lua`: OK, CONFLICT, TOO_MANY or STALE; or TOO_LARGE: together they are over the limit of a
            scenario.
        """
        size = self._store.policy.chunk
        chunks = chunks_of(tasks, size)
        if sum(map(len, chunks)) > MAX_SCENARIO_BYTES:
            return "TOO_LARGE"
        position = {task_id: number for number, task_id in enumerate(order)}
        values = {
            **{"machine": at.machine(task.scenario_id), "task": at.task(task.id)},
            **{"scenario": at.scenario(task.scenario_id), "services": at.services},
            **{"events": at.task_events, "timers": at.timers, "prefix": at.prefix},
            **{"scenario_id": task.scenario_id, "visit": visit, "total": len(tasks), "limit": MAX_TASKS},
        }
        written = 0
        while written < len(tasks):
            ids = sorted((one.id for one in tasks[written : written + size]), key=position.__getitem__)
            chunk = {"offset": written, "nonce": self._store.nonce(), "ids": dumps(ids)}
            word, *rest = await self._store.call(
                "enter_state", {**values, **chunk, "tasks": chunks[written // size]}
            )
            if word not in (b"OK", b"AT"):
                return str(word.decode())
            written = int(rest[0])
            self._store.on_touched(at, rest[1:])
        return "OK"


def _keys(at: Partition, scenario_id: str, task_id: str) -> dict[str, str]:
    return {
        **{
            "machine": at.machine(scenario_id),
            "scenario": at.scenario(scenario_id),
            "task": at.task(task_id),
        },
        **{"history": at.history(scenario_id), "timers": at.timers, "events": at.task_events},
        **{"scenario_id": scenario_id, "task_id": task_id},
    }


def _told(machine: Machine | None, to: str, event: Event, outcome: str) -> dict[str, Json]:
    """What the tasks and the history are told of an event."""
    left, visit = (machine.state, machine.visit) if machine else (None, 0)
    facts = {"data": event.data, "by": event.by or None, "from": left}
    note = {"visit": visit + 1, "to": to, "event": event.name, **facts}
    note |= ({"event_id": event.id} if event.id else {}) | ({"end": outcome} if outcome else {})
    told = {"event": dumps({"name": event.name, **facts}), "note": dumps(note), "name": event.name}
    return {**told, "key": hashed(event.id) if event.id else "", "kept": KEPT}
