"""Records of the store, as the API shows them."""

from collections.abc import Sequence

from orchestrator.store.records import ScenarioRecord, TaskRecord
from workers_sdk.protocol.messages import Status

from .models import ScenarioItem, ScenarioOut, SelfLink, TaskLinks, TaskOut

_APART = ("prompt", "params")


def task_out(task: TaskRecord) -> TaskOut:
    """A task; its token is a secret between engine and worker and is left out."""
    return TaskOut(
        id=task.id,
        scenario_id=task.scenario_id,
        service=task.service,
        name=task.name,
        status=task.status,
        queue=task.queue,
        consumers=task.consumers,
        created_at=task.created_at,
        updated_at=task.updated_at,
        started_at=task.started_at or None,
        finished_at=task.finished_at or None,
        attempt=task.attempt,
        worker=task.worker or None,
        prompt=task.fields.get("prompt"),
        params=task.fields.get("params"),
        result_ref=task.result_ref or None,
        result=task.result,
        error=task.error,
        progress=_progress(task),
        message=None if task.status.is_final else task.message or None,
        fields={name: value for name, value in task.fields.items() if name not in _APART},
        links=TaskLinks(
            self=f"/tasks/{task.id}",
            scenario=f"/scenarios/{task.scenario_id}",
            result=f"/tasks/{task.id}/result" if task.result_ref else None,
        ),
    )


def _progress(task: TaskRecord) -> float | None:
    """What a handler said last before it succeeded is not how far it got."""
    return 100.0 if task.progress is not None and task.status is Status.SUCCESS else task.progress


def scenario_item(scenario: ScenarioRecord) -> ScenarioItem:
    """A scenario without its tasks."""
    return ScenarioItem.model_validate(_scenario_fields(scenario))


def scenario_out(scenario: ScenarioRecord, tasks: Sequence[TaskRecord]) -> ScenarioOut:
    """A scenario with its tasks, which stand in the order of the template."""
    refs = [task.result_ref for task in tasks if task.result_ref and not task.consumers]
    return ScenarioOut.model_validate(
        {
            **_scenario_fields(scenario),
            "variables": scenario.variables,
            "warnings": scenario.warnings,
            "result_ref": refs[-1] if refs else None,
            "tasks": [task_out(task) for task in tasks],
        }
    )


def _scenario_fields(scenario: ScenarioRecord) -> dict[str, object]:
    return {
        "scenario_id": scenario.scenario_id,
        "name": scenario.name,
        "version": scenario.version,
        "status": scenario.status.value,
        "percent": _percent(scenario),
        "counts": {status: scenario.counts.get(status, 0) for status in Status},
        "total": scenario.total,
        "created_at": scenario.created_at,
        "updated_at": scenario.updated_at,
        "finished_at": scenario.finished_at or None,
        "error": scenario.error,
        "links": SelfLink(self=f"/scenarios/{scenario.scenario_id}"),
    }


def _percent(scenario: ScenarioRecord) -> float:
    final = sum(count for status, count in scenario.counts.items() if status.is_final)
    return min(100.0, round(100 * final / scenario.total, 1)) if scenario.total else 0.0
