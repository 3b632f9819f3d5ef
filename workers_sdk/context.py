"""What a handler is given: the task, the results that it refers to, and ways to say something meanwhile."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from pydantic import BaseModel

from .artifacts import Artifacts
from .cancel import CancelToken
from .large import artifact_of, load
from .protocol.messages import MAX_ERROR_CHARS, Status, TaskEntry, loads
from .reference import Reference, Result, references_of
from .spawning import Spawning

Sink = Callable[[float | None, str], None]
"""Takes progress: percent (None: only a sign of life) and a message."""


def artifacts_of(entry: TaskEntry, root: str | None) -> Artifacts:
    """The artifact store, writing to the place of this attempt."""
    return Artifacts(root, f"{entry.scenario_id}/{entry.task_id}/{entry.attempt}")


def _nowhere(_percent: float | None, _message: str) -> None:
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
    """

    def __init__(
        self,
        entry: TaskEntry,
        *,
        references: Mapping[str, Reference] | None = None,
        cancelled: CancelToken | None = None,
        artifacts_root: str | None = None,
        progress: Sink = _nowhere,
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
        self._spawning: Spawning | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _copy, (self._entry, dict(self._references), self._artifacts_root)

    def connect(self, cancelled: CancelToken, progress: Sink) -> None:
        """Give a copy in another process what ties it to the worker. The SDK calls it."""
        self.cancelled, self._progress = cancelled, progress

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
        return artifacts_of(self._entry, self._artifacts_root)

    @property
    def spawned(self) -> str:
        """What `spawn` gathered, as it is reported; empty when nothing."""
        return self._spawning.text if self._spawning else ""

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
        It is a sign of life too.

        Args:
            percent: 0 to 100; beyond that it is cut.
            message: at most 2,000 characters; longer text is cut.

        Raises:
            ValueError: `percent` is not a number.
        """
        if math.isnan(percent):
            raise ValueError("percent is not a number")
        text = message[:MAX_ERROR_CHARS].encode(errors="replace").decode()
        self._progress(min(100.0, max(0.0, float(percent))), text)

    def heartbeat(self) -> None:
        """Give a sign of life without a percent, for a task with a heartbeat timeout. Never blocks; call it often."""
        self._progress(None, "")

    def spawn(
        self,
        name: str,
        service: str | None = None,
        prompt: str | None = None,
        params: Mapping[str, Any] | BaseModel | None = None,
        needs: Sequence[str] = (),
        **fields: Any,
    ) -> str:
        """Make a further task. All of them start when this handler succeeds, and what depends on this task waits until
        they have ended too; a handler that fails makes none.

        Args:
            service: None: the service of this task.
            needs: keys of tasks, made before, that it waits for.
            fields: template fields. One that ends in `_id` or `_ids` and holds keys refers to these tasks, and waits for
                them.

        Returns:
            Its key, `<name>_<number>`, for `needs` and references of later ones.

        Raises:
            ValueError: a name, a field or a key cannot be used. TypeError: a value is not JSON.
            Fail: more than 1,000 tasks, or more than 64 KiB of JSON in all.
        """
        if self._spawning is None:
            self._spawning = Spawning(self.task_id)
        given: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
        if params is not None:
            given["params"] = params if isinstance(params, BaseModel) else dict(params)
        return self._spawning.add(name, service or self.service, needs, {**given, **fields})

    def _result(self, field: str, task_id: str) -> Result:
        found = self._references.get(task_id)
        if found is None or not found.status:
            raise LookupError(f"{field}: this scenario has no task {task_id}")
        if found.status != Status.SUCCESS.value.encode():
            raise LookupError(f"{field}: task {task_id} is {found.status.decode()}, so it has no result")
        return Result(task_id, found.name.decode(), found.ref.decode(), functools.partial(self._value, found))

    def _value(self, found: Reference) -> Any:
        if artifact := artifact_of(found):
            return load(found, artifact, self.artifacts)
        return loads(found.value) if found.value else None


def _copy(entry: TaskEntry, references: dict[str, Reference], artifacts_root: str | None) -> Context:
    return Context(entry, references=references, artifacts_root=artifacts_root)
