"""What a handler is given: the task, the results that it refers to, and ways to say something meanwhile."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from .artifacts import Artifacts
from .cancel import CancelToken
from .protocol.keys import is_id
from .protocol.messages import MAX_ERROR_CHARS, Status, TaskEntry, loads

ProgressSink = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a task that was referred to: `ref` is its `result_ref` (may be empty), `value` its JSON or None."""

    task_id: str
    name: str
    value: Any
    ref: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A task referred to, as `claim` found it; everything empty when it is not of this scenario."""

    task_id: str
    name: bytes
    status: bytes
    ref: bytes
    value: bytes


def references_of(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    """Task ids in the fields whose names end in `_id` or `_ids`: field -> ids in their order."""
    found = {}
    for name, value in fields.items():
        if name.endswith(("_id", "_ids")):
            values = value if isinstance(value, list) else [value]
            if ids := [item for item in values if isinstance(item, str) and is_id(item)]:
                found[name] = ids
    return found


def _nowhere(_percent: float, _message: str) -> None:
    pass


class Context:
    """One attempt of one task.

    Attributes:
        task_id, scenario_id, service, name: what the task is.
        attempt: 1 for the first. A later one may find that an earlier one did part of the work.
        token: fences this attempt. Pass it on where another system can check it.
        idempotency_key: the same for all attempts of the task: for systems that refuse to do a thing twice.
        params: `params` of the template, `{}` when it has none. prompt: `prompt`, or "".
        fields: all other fields of the template.
        cancelled: set when the work is not wanted any more.
        artifacts: the artifact store, writing to a place of this attempt's own.

    In a handler with `run="process"` a copy arrives: there `cancelled` is never set and `progress` goes nowhere.
    """

    def __init__(
        self,
        entry: TaskEntry,
        *,
        references: Mapping[str, Reference] | None = None,
        cancelled: CancelToken | None = None,
        artifacts_root: str | None = None,
        progress: ProgressSink = _nowhere,
    ) -> None:
        self.task_id = entry.task_id
        self.scenario_id = entry.scenario_id
        self.service = entry.service
        self.name = entry.name
        self.attempt = entry.attempt
        self.token = entry.token
        self.cancelled = cancelled or CancelToken()
        self._entry = entry
        self._references = references or {}
        self._artifacts_root = artifacts_root
        self._progress = progress

    def __reduce__(self) -> tuple[Any, ...]:
        return _copy, (self._entry, dict(self._references), self._artifacts_root)

    @functools.cached_property
    def params(self) -> dict[str, Any]:
        """See the class. Raises TypeError when the template's `params` are not an object."""
        params = self._entry.fields.get("params", {})
        if not isinstance(params, dict):
            raise TypeError(f"params are not an object: {params!r}")
        return params

    @property
    def prompt(self) -> str:
        """See the class."""
        return str(self._entry.fields.get("prompt") or "")

    @functools.cached_property
    def fields(self) -> dict[str, Any]:
        """See the class."""
        return {name: value for name, value in self._entry.fields.items() if name not in ("params", "prompt")}

    @property
    def idempotency_key(self) -> str:
        """See the class."""
        return f"{self.scenario_id}:{self.task_id}"

    @functools.cached_property
    def log(self) -> Any:
        """structlog logger that knows the task. Made on first use: most handlers log nothing."""
        logger = structlog.get_logger("workers_sdk.task")
        return logger.bind(
            scenario_id=self.scenario_id, task_id=self.task_id, task=self.name, attempt=self.attempt
        )

    @functools.cached_property
    def artifacts(self) -> Artifacts:
        """See the class."""
        return Artifacts(self._artifacts_root, f"{self.scenario_id}/{self.task_id}/{self.attempt}")

    def result(self, field: str) -> Result:
        """Result of the one task that `field` refers to, for example `ctx.result("text_task_id")`.

        Raises:
            LookupError: the field refers to no task or to several, or the task has not succeeded.
        """
        results = self.results(field)
        if len(results) != 1:
            raise LookupError(f"{field} refers to {len(results)} tasks: use results()")
        return results[0]

    def results(self, field: str) -> list[Result]:
        """Results of the tasks that `field` refers to, in the order of the field; none for an empty list.

        Raises:
            LookupError: the field refers to no task, or one of them has not succeeded.
        """
        if self._entry.fields.get(field) == []:
            return []
        ids = references_of(self._entry.fields).get(field)
        if not ids:
            known = ", ".join(references_of(self._entry.fields)) or "none"
            raise LookupError(f"{field} refers to no task; fields of {self.name} that do: {known}")
        return [self._result(field, task_id) for task_id in ids]

    def progress(self, percent: float, message: str = "") -> None:
        """Tell how far the work is. Never blocks; of many calls about four per second are reported, the last one always.

        Args:
            percent: 0 to 100; beyond that it is cut.
            message: at most 2,000 characters; longer text is cut.

        Raises:
            ValueError: `percent` is not a number.
        """
        if math.isnan(percent):
            raise ValueError("percent is not a number")
        text = message[:MAX_ERROR_CHARS].encode(errors="replace").decode()
        self._progress(min(100.0, max(0.0, percent)), text)

    def _result(self, field: str, task_id: str) -> Result:
        found = self._references.get(task_id)
        if found is None or not found.status:
            raise LookupError(f"{field}: this scenario has no task {task_id}")
        if found.status != Status.SUCCESS.value.encode():
            raise LookupError(f"{field}: task {task_id} is {found.status.decode()}, so it has no result")
        value = loads(found.value) if found.value else None
        return Result(task_id, found.name.decode(), value, found.ref.decode())


def _copy(entry: TaskEntry, references: dict[str, Reference], artifacts_root: str | None) -> Context:
    return Context(entry, references=references, artifacts_root=artifacts_root)
