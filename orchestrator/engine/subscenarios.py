"""Tasks that are scenarios of their own: started, waited for without a poll, and their end taken over."""

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.store.outcomes import TaskEnded
from orchestrator.store.records import Owner, ScenarioRecord, TaskRecord
from orchestrator.store.store import Store
from orchestrator.templates import runtime
from workers_sdk.protocol.keys import Partition, short_uuid
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent, dumps

from .children import inline
from .conditions import known_to
from .launcher import NOT_TO_BE, Launcher

MAX_DEPTH: Final = 5
"""Scenarios within scenarios; a template that starts itself must come to an end."""
MAX_RESULTS: Final = 100
CHUNK: Final = 500


class SubScenarios:
    """See the module.

    Args:
        launcher: None: this engine has no templates, and such tasks fail.
    """

    def __init__(self, store: Store, launcher: Launcher | None) -> None:
        self._store = store
        self._launcher = launcher

    async def start(
        self, at: Partition, task: TaskRecord, variables: Mapping[str, Any], fields: Mapping[str, str]
    ) -> list[TaskEvent]:
        """Hold the task, then start its scenario, unless it has one that goes on. A crash in between is found by the next look
        at the task."""
        known = await self._known(task)
        child_id = known or short_uuid(task.scenario_id, f"{task.id}/scenario/{task.attempt + 1}")
        said = {"child_scenario_id": child_id, **fields}
        held = TaskEvent(task.id, EventKind.HOLD, task.token, said, cursor=task.attempt + 1, by_engine=True)
        await self._store.advance(at, [held])
        now_held = await self._store.task(task.id)
        if now_held is None or now_held.child_scenario_id != child_id or now_held.status.is_final:
            return []
        return await (self.look(now_held) if known else self._launch(now_held, variables))

    async def _known(self, task: TaskRecord) -> str:
        """The scenario that the task was before it was brought back, if that lives again or has succeeded since."""
        child = await self._store.scenario(task.child_scenario_id) if task.child_scenario_id else None
        over = child is None or child.cancel or child.status in (Status.FAILED, Status.CANCELLED)
        return "" if over else task.child_scenario_id

    async def look(self, task: TaskRecord) -> list[TaskEvent]:
        """What becomes of a held task, after its scenario ended or a crash."""
        child = await self._store.scenario(task.child_scenario_id)
        if child is None:
            return await self._launch(task, await self._variables(task))
        if not child.status.is_final:
            return []
        return [await self._end(task, child)]

    async def _launch(self, task: TaskRecord, variables: Mapping[str, Any]) -> list[TaskEvent]:
        """Nothing to apply when it was started."""
        if self._launcher is None:
            return [_failed(task, "no_templates", "this engine has no templates")]
        above = await self._store.scenario(task.scenario_id)
        depth = above.depth + 1 if above else 1
        if depth > MAX_DEPTH:
            return [_failed(task, "too_deep", f"scenarios are nested deeper than {MAX_DEPTH}")]
        name, owner = task.on_ready["scenario"]["name"], above.owner if above else Owner()
        try:
            await self._launcher.launch(
                name, variables, task.child_scenario_id, owner=owner, parent=task.id, depth=depth
            )
        except NOT_TO_BE as error:
            return [_failed(task, "scenario_not_started", str(error)[:1_000])]
        except TaskEnded:
            pass  # nobody waits for it any more
        return []

    async def is_over(self, task: TaskRecord) -> bool:
        """Whether the scenario of a task that has ended, and that is cancelled with it, has ended too."""
        child = await self._store.scenario(task.child_scenario_id)
        return child is None or child.status.is_final

    async def _variables(self, task: TaskRecord) -> dict[str, Any]:
        return runtime.variables_of(task.on_ready, await known_to(self._store, task))

    async def _end(self, task: TaskRecord, child: ScenarioRecord) -> TaskEvent:
        if child.status is not Status.SUCCESS:
            again = child.status is Status.FAILED
            message = f"scenario {child.scenario_id} ended as {child.status.value}{_reason(child)}"
            return _failed(task, f"scenario_{child.status.value}", message, again=again)
        results, ref = await self._results(child)
        value = inline({"scenario_id": child.scenario_id, "results": results})
        value = value or inline({"scenario_id": child.scenario_id, "inline": False})
        fields = {"result": value, "result_ref": ref}
        return TaskEvent(task.id, EventKind.SUCCESS, task.token, fields, by_engine=True)

    async def _results(self, child: ScenarioRecord) -> tuple[dict[str, Any], str]:
        """Results of the tasks that nothing waits for, by name, and the last reference among them."""
        results: dict[str, Any] = {}
        ref = ""
        for first in range(0, len(child.task_ids), CHUNK):
            for task in await self._store.tasks(child.task_ids[first : first + CHUNK]):
                if task and not task.consumers and len(results) < MAX_RESULTS:
                    results[task.name] = task.result
                    ref = task.result_ref or ref
        return results, ref


def _reason(child: ScenarioRecord) -> str:
    """Why somebody cancelled it, and who."""
    if not isinstance(child.cancel, dict):
        return ""
    by = f" (by {child.cancel['by']})" if child.cancel.get("by") else ""
    return f": {child.cancel.get('message', '')}{by}"


def _failed(task: TaskRecord, code: str, message: str, *, again: bool = False) -> TaskEvent:
    error = {"type": code, "message": message, "retry": again}
    fields = {"error": dumps(error).decode()}
    return TaskEvent(task.id, EventKind.FAILED, task.token, fields, by_engine=True)
