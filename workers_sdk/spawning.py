"""What `Context.spawn` gathers: tasks that start when the handler succeeds."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from pydantic import BaseModel

from .errors import Fail
from .protocol.messages import template_texts
from .protocol.spawn import MAX_SPAWN_BYTES, MAX_SPAWNED, check_name, check_service, spawned_id

NOT_HERE: Final = frozenset(
    (
        "count", "join", "when", "foreach", "optional", "finally", "compensates", "timeout", "timeouts", "retry",
        "priority", "concurrency", "rate", "delay", "run_at", "gate", "scenario", "variables",
    )
)  # fmt: skip
"""Words that say something to the engine in a template, and would say nothing here. A test compares them."""


class Spawning:
    """Tasks made by one attempt, in their order; any thread may add some."""

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()
        self._items: list[bytes] = []
        self._size = 1

    @property
    def text(self) -> str:
        """The field `spawn` of the report; empty when there is nothing to spawn."""
        return (b"[" + b",".join(self._items) + b"]").decode() if self._items else ""

    def add(self, name: str, service: str, needs: Sequence[str], fields: Mapping[str, Any]) -> str:
        """Add a task and return its key; see `Context.spawn`."""
        check_name(name)
        check_service(service)
        if not isinstance(fields.get("prompt", ""), str):
            raise TypeError("a prompt is text")
        if words := sorted(NOT_HERE & set(fields)):
            raise ValueError(f"spawn() does not know {', '.join(words)}: that is for templates")
        with self._lock:
            waits = [self._known(need) for need in ([needs] if isinstance(needs, str) else needs)]
            resolved = {field: self._resolve(field, value, waits) for field, value in fields.items()}
            template_texts(resolved)
            key = f"{name}_{self._numbers[name] + 1}"
            item = {
                "key": key,
                "service": service,
                "name": name,
                "needs": list(dict.fromkeys(waits)),
                "fields": resolved,
            }
            self._append(orjson.dumps(item))
            self._numbers[name] += 1
            self._ids[key] = spawned_id(self._task_id, key)
        return key

    def _known(self, key: str) -> str:
        if key not in self._ids:
            raise ValueError(
                f"needs: spawn() has returned no key {key!r}; so far: {', '.join(self._ids) or 'none'}"
            )
        return key

    def _resolve(self, field: str, value: Any, waits: list[str]) -> Any:
        """As in a template: a field that ends in `_id` or `_ids` and names tasks gets their ids, and waits for them."""
        if not field.endswith(("_id", "_ids")):
            return _plain(value)
        value = list(value) if isinstance(value, tuple) else value
        keys = [
            key
            for key in (value if isinstance(value, list) else [value])
            if isinstance(key, str) and key in self._ids
        ]
        waits += keys
        if isinstance(value, list):
            return [self._ids.get(key, key) if isinstance(key, str) else key for key in value]
        return self._ids[keys[0]] if keys else value

    def _append(self, item: bytes) -> None:
        if len(self._items) >= MAX_SPAWNED:
            raise Fail(
                f"more than {MAX_SPAWNED} tasks cannot be spawned", code="spawn_too_large", retry=False
            )
        if self._size + len(item) + 1 > MAX_SPAWN_BYTES:
            raise Fail(
                f"the spawned tasks have more than {MAX_SPAWN_BYTES} bytes of JSON: pass large values as artifacts",
                code="spawn_too_large",
                retry=False,
            )
        self._size += len(item) + 1
        self._items.append(item)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
