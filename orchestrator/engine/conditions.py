"""What is known when a task is decided, and conditions of the engine's own: whether there is anything to undo."""

from collections.abc import Mapping

from orchestrator.store.deciding import ends_of
from orchestrator.store.records import TaskRecord
from orchestrator.store.store import Store
from orchestrator.templates import runtime
from workers_sdk.protocol.messages import Status


async def known_to(store: Store, task: TaskRecord) -> Mapping[str, runtime.Known]:
    """What became of the tasks that a task takes something of."""
    ends = await ends_of(store, runtime.wanted(task.on_ready))
    return {task_id: runtime.Known(*end) for task_id, end in ends.items()}


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
