"""Conditions of the engine's own: whether there is anything to undo."""

from orchestrator.store.records import TaskRecord
from orchestrator.store.store import Store
from workers_sdk.protocol.messages import Status


async def why_not_undone(store: Store, task: TaskRecord) -> str:
    """Why a task with `compensates` has nothing to do; empty when it has, and for all other tasks."""
    undone_id = task.on_ready.get("compensates")
    if not undone_id:
        return ""
    scenario, undone = await store.scenario(task.scenario_id), await store.task(undone_id)
    if undone is None or undone.status is not Status.SUCCESS:
        return "what it undoes was not done"
    if scenario is None or not scenario.is_failing:
        return "the scenario did not fail"
    return ""
