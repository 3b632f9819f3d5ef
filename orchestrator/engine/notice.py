"""The message that an endpoint of webhooks gets: small, without what the scenario was given to work on."""

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.store.records import ScenarioRecord
from orchestrator.store.store import Store
from workers_sdk.protocol.messages import loads

_LAST_TASKS: Final = 100

Json = Any


async def notice(store: Store, said: Mapping[str, str]) -> dict[str, Json]:
    """The message of an event: its type, when it happened, and what is known of the scenario.

    Args:
        said: fields of an entry of the outbox.
    """
    scenario_id, kind = said["scenario_id"], said["type"]
    status = kind.removeprefix("scenario.")
    data: dict[str, Json] = {"scenario_id": scenario_id, "name": said.get("name", ""), "status": status}
    record = await store.scenario(scenario_id)
    if record is not None:  # else its retention was shorter than the way to here
        data |= await _facts(store, record)
    return {"type": kind, "timestamp": said.get("at", ""), "data": data}


async def _facts(store: Store, record: ScenarioRecord) -> dict[str, Json]:
    return {
        "version": record.version,
        "total": record.total,
        "counts": {status.value: count for status, count in record.counts.items()},
        "created_at": record.created_at,
        "finished_at": record.finished_at or None,
        "result_ref": await _result_ref(store, record),
        "error": record.error,
        "links": {"self": f"/scenarios/{record.scenario_id}"},
    }


async def _result_ref(store: Store, record: ScenarioRecord) -> str | None:
    """Artifact of the last task that nothing waits for, looked for among the last 100."""
    at = store.partitions.of(record.scenario_id)
    last = record.task_ids[-_LAST_TASKS:]
    commands = [("HMGET", at.task(one), "result_ref", "consumers") for one in last]
    found = await store.link.execute_many(commands)
    return next((ref.decode() for ref, rest in reversed(found) if ref and not loads(rest or b"[]")), None)
