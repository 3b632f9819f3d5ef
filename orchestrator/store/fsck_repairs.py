"""Mends faults, each by a script that does nothing when things are not as they were seen."""

from collections.abc import Awaitable, Callable
from typing import Any

from workers_sdk.protocol.keys import GROUP_WORKERS, Partition
from workers_sdk.protocol.messages import EventKind, TaskEvent, dumps

from .fsck_records import CancelScenario, FailTask, Fault, MendCount, MendMember, MendScenario, MendTask
from .outcomes import Outcome
from .store import Store


async def mend(store: Store, at: Partition, fault: Fault) -> bool:
    """Mend a fault; False: nothing was done. Raises: Unavailable, Refused."""
    ways: dict[type, Callable[[Store, Partition, Fault, Any], Awaitable[bool]]] = {
        MendTask: _task,
        MendScenario: _scenario,
        MendMember: _member,
        MendCount: _count,
        FailTask: _fail,
        CancelScenario: _cancel,
    }
    way = ways.get(type(fault.mend))
    return await way(store, at, fault, fault.mend) if way else False


async def _task(store: Store, at: Partition, fault: Fault, how: MendTask) -> bool:
    values = {
        **{"events": at.task_events, "timers": at.timers, "prefix": at.prefix, "workers": GROUP_WORKERS},
        **{"task_id": fault.subject, "nonce": store.nonce(), "action": how.action, "number": how.number},
        **{"text": how.text, "budget": store.policy.chunk, "retention": store.policy.retention},
    }
    return bool(await store.call("repair_task", values, fault.seen) == b"OK")


async def _scenario(store: Store, at: Partition, fault: Fault, how: MendScenario) -> bool:
    values = {
        **{"scenario": at.scenario(fault.subject), "timers": at.timers, "prefix": at.prefix},
        **{
            "scenario_id": fault.subject,
            "numbers": " ".join(map(str, how.numbers)),
            "task_ids": how.task_ids,
        },
        **{"total": how.total, "settles": int(how.settles), "retention": store.policy.retention},
    }
    return bool(await store.call("repair_scenario", values, fault.seen) == b"OK")


async def _member(store: Store, at: Partition, fault: Fault, how: MendMember) -> bool:
    values = {"members": how.key, "subject": how.subject, "member": how.member, "score": how.score}
    return bool(await store.call("repair_member", values, how.seen) == b"OK")


async def _count(store: Store, at: Partition, fault: Fault, how: MendCount) -> bool:
    values = {"hash": how.key, "name": how.name, "seen": how.seen, "wanted": how.wanted}
    return bool(await store.call("repair_count", values) == b"OK")


async def _fail(store: Store, at: Partition, fault: Fault, how: FailTask) -> bool:
    error = dumps({"type": how.kind, "message": how.message, "retry": False}).decode()
    event = TaskEvent(fault.subject, EventKind.FAILED, "", {"error": error}, by_engine=True)
    return (await store.advance(at, [event])).outcomes == [Outcome.APPLIED]


async def _cancel(store: Store, at: Partition, fault: Fault, how: CancelScenario) -> bool:
    cause = dumps({"type": how.kind, "message": how.message}).decode()
    word = "MORE"
    while word == "MORE":
        word = await _cancel_chunk(store, at, fault.subject, cause)
    return word == "DONE"


async def _cancel_chunk(store: Store, at: Partition, scenario_id: str, cause: str) -> str:
    values = {
        **{"scenario": at.scenario(scenario_id), "timers": at.timers, "cancellations": at.cancellations},
        **{"prefix": at.prefix, "workers": GROUP_WORKERS, "scenario_id": scenario_id, "cause": cause},
        **{"limit": store.policy.chunk, "retention": store.policy.retention},
    }
    return str((await store.call("cancel", values)).decode())
