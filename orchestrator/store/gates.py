"""Gates in Redis: open them, vote, end them, read them. See gate_records.py for what a gate is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from workers_sdk.protocol.keys import GATE_SECRET, Partition
from workers_sdk.protocol.messages import dumps, loads

from .gate_records import UNSET, Gate, GateFacts, Vote, gate_record
from .store import Store
from .voting import Refusal, Refused, Repeated, Step, overdue, weigh

Json = Any

MOST_TRIES: Final = 20
"""Of one vote, when others vote at the same time."""
_REFUSALS: Final = {
    "CLOSED": Refusal.CLOSED,
    "LATE": Refusal.CLOSED,
    "LINK_USED": Refusal.LINK_USED,
    "LINK_ENDED": Refusal.LINK_ENDED,
}


class TooBusy(Exception):
    """So many vote at the same time that this vote found no gap."""


@dataclass(frozen=True, slots=True)
class Voted:
    """A vote that counts, and the gate after it. `repeated`: it was there before."""

    gate: Gate
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class NewGate:
    """A gate to be opened. `error`: JSON text of why it cannot be, and its task fails."""

    facts: GateFacts
    draft: Json = None
    wait_ms: int = 0
    error: str = ""


class GateStore:
    """The part of the store for gates. Every method raises Unavailable and Refused as `Link.execute` does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self, at: Partition, task_id: str, gate: NewGate) -> str:
        """Let a ready task wait for people: a word of `open_gate.lua`."""
        values = {
            **_keys(at, task_id),
            "prefix": at.prefix,
            "task_id": task_id,
            "nonce": self._store.nonce(),
            "facts": dumps(gate.facts),
            "draft": dumps(gate.draft),
            "wait_ms": gate.wait_ms,
            "error": gate.error,
        }
        return str((await self._store.call("open_gate", values)).decode())

    async def submitter(self, scenario_id: str) -> str:
        """Who submitted a scenario; empty when nobody said."""
        key = self._store.partitions.of(scenario_id).scenario(scenario_id)
        return str((await self._store.link.execute("HGET", key, "submitter") or b"").decode())

    async def gate(self, task_id: str) -> Gate | None:
        """The gate of a task; None when it has none, or it has not opened yet. The id must satisfy `is_id`."""
        return (await self.gates([task_id]))[0]

    async def gates(self, task_ids: Sequence[str]) -> list[Gate | None]:
        """Gates in the order asked."""
        commands: list[tuple[str, ...]] = []
        for task_id in task_ids:
            at = self._store.partitions.of(task_id)
            commands.append(("HGETALL", at.gate(task_id)))
            commands.append(("HMGET", at.task(task_id), "status", "token"))
        found = await self._store.link.execute_many(commands) if commands else []
        return [gate_record(flat, task) for flat, task in zip(found[::2], found[1::2], strict=True)]

    async def audit(self, task_id: str) -> list[Json]:
        """What happened at a gate, oldest first."""
        key = self._store.partitions.of(task_id).audit(task_id)
        return [loads(one) for one in await self._store.link.execute("LRANGE", key, 0, -1)]

    async def vote(self, task_id: str, vote: Vote) -> Voted | Refused | None:
        """Note a vote; the one that decides the gate ends its task. None: there is no gate. Raises: TooBusy."""
        for _ in range(MOST_TRIES):
            gate = await self.gate(task_id)
            if gate is None:
                return None
            step = weigh(gate, vote)
            if isinstance(step, Repeated):
                return Voted(gate, repeated=True)
            if isinstance(step, Refused):
                return step
            word = await self._vote(gate, vote, step)
            if word == "LATE":
                await self.close(self._store.partitions.of(task_id), task_id)
            if word in _REFUSALS:
                return Refused(_REFUSALS[word])
            if word == "VOTED":
                after = await self.gate(task_id)
                return Voted(after or gate)
        raise TooBusy(task_id)

    async def _vote(self, gate: Gate, vote: Vote, step: Step) -> str:
        values = {
            **_keys(self._store.partitions.of(gate.task_id), gate.task_id),
            "task_id": gate.task_id,
            "version": gate.version,
            "vote": dumps(step.vote),
            "note": dumps(step.note),
            "votes": dumps(step.votes),
            "value": b"" if step.value is UNSET else dumps(step.value),
            "state": step.state,
            "outcome": _json_or_empty(step.outcome),
            "error": _json_or_empty(step.error),
            "link": vote.link,
            "until_ms": vote.until_ms,
        }
        return str((await self._store.call("vote", values)).decode())

    async def close(self, at: Partition, task_id: str) -> str:
        """End a gate whose deadline has come or whose task ended in another way: a word of `close_gate.lua`."""
        while True:
            gate = await self.gate(task_id)
            step = overdue(gate) if gate else None
            values = {
                **_keys(at, task_id),
                "task_id": task_id,
                "version": gate.version if gate else 0,
                "note": dumps(step.note if step else {"what": "deadline"}),
                "votes": dumps(step.votes if step else []),
                "state": step.state if step else "closed",
                "outcome": dumps(step.outcome if step else {"decision": None}),
                "error": _json_or_empty(step.error if step else None),
            }
            word = str((await self._store.call("close_gate", values)).decode())
            if word != "CHANGED":
                return word

    async def secret(self) -> str:
        """What signs links when the settings name no secret; the same for all processes."""
        fresh = self._store.nonce() + self._store.nonce() + self._store.nonce()
        return str((await self._store.call("gate_secret", {"secret": GATE_SECRET, "fresh": fresh})).decode())

    async def now_ms(self) -> int:
        """Time of Redis."""
        seconds, micros = await self._store.link.execute("TIME")
        return int(seconds) * 1000 + int(micros) // 1000


def _keys(at: Partition, task_id: str) -> dict[str, str]:
    return {
        "gate": at.gate(task_id),
        "task": at.task(task_id),
        "gates": at.gates,
        "timers": at.timers,
        "events": at.task_events,
        "audit": at.audit(task_id),
    }


def _json_or_empty(value: Json) -> bytes:
    return b"" if value is None else dumps(value)
