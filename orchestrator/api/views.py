"""Records of the store as the API shows them: plain JSON in the form of the models, which check nothing here.

A thousand tasks are some ten milliseconds of a loop that others wait for; a model for each would take it several times.
"""

from typing import Any, Final

from orchestrator.store.records import ScenarioRecord, TaskRecord
from workers_sdk.protocol.messages import Status

_APART: Final = ("prompt", "params")
_STATUSES: Final = tuple((status.value, status) for status in Status)

Json = Any


def task_out(task: TaskRecord) -> dict[str, Json]:
    """A `TaskOut`; the token is a secret between engine and worker and is left out."""
    address = f"/tasks/{task.id}"
    return {
        "id": task.id,
        "scenario_id": task.scenario_id,
        "service": task.service,
        "name": task.name,
        "status": task.status,
        "queue": task.queue,
        "consumers": task.consumers,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "started_at": task.started_at or None,
        "finished_at": task.finished_at or None,
        "attempt": task.attempt,
        "worker": task.worker or None,
        "prompt": task.fields.get("prompt"),
        "params": task.fields.get("params"),
        "result_ref": task.result_ref or None,
        "result": task.result,
        "error": task.error,
        "fingerprint": task.fingerprint or None,
        "policy": task.policy or None,
        "rules": task.rules or None,
        "child_scenario_id": task.child_scenario_id or None,
        "progress": _progress(task),
        "message": None if task.status.is_final else task.message or None,
        "fields": {name: value for name, value in task.fields.items() if name not in _APART},
        "links": {
            "self": address,
            "scenario": f"/scenarios/{task.scenario_id}",
            "result": f"{address}/result" if task.result_ref else None,
        },
    }


def _progress(task: TaskRecord) -> float | None:
    """What a handler said last before it succeeded is not how far it got."""
    return 100.0 if task.progress is not None and task.status is Status.SUCCESS else task.progress


def scenario_item(scenario: ScenarioRecord) -> dict[str, Json]:
    """A `ScenarioItem`: a scenario without its tasks."""
    return {
        "scenario_id": scenario.scenario_id,
        "name": scenario.name,
        "version": scenario.version,
        "status": scenario.status,
        "percent": _percent(scenario),
        "counts": {name: scenario.counts.get(status, 0) for name, status in _STATUSES},
        "total": scenario.total,
        "created_at": scenario.created_at,
        "updated_at": scenario.updated_at,
        "finished_at": scenario.finished_at or None,
        "error": scenario.error,
        "paused": None if scenario.status.is_final else scenario.paused,
        "tenant": scenario.owner.tenant or None,
        "priority": scenario.owner.priority,
        "submitter": scenario.owner.submitter or None,
        "batch_id": scenario.batch_id or None,
        "state": scenario.state or None,
        "links": {"self": f"/scenarios/{scenario.scenario_id}"},
    }


def _percent(scenario: ScenarioRecord) -> float:
    final = sum(count for status, count in scenario.counts.items() if status.is_final)
    return min(100.0, round(100 * final / scenario.total, 1)) if scenario.total else 0.0
