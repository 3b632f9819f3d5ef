"""Tasks that a handler makes while it works: the field `spawn` of its report of success.

A JSON list of at most 1,000 objects, 64 KiB in all:

    [{"key": "CreateSlide_1", "service": "image-service", "name": "CreateSlide", "needs": [], "fields": {"prompt": "..."}}]

`needs` holds keys that stand further up in the list, so there are no cycles; `fields` are template fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from .keys import is_service, short_uuid

MAX_SPAWN_BYTES: Final = 65_536
MAX_SPAWNED: Final = 1_000
MAX_NAME_CHARS: Final = 128
OF_THE_ENGINE: Final = "orchestrator"
_PARTS: Final = {"key", "service", "name", "needs", "fields"}


@dataclass(frozen=True, slots=True)
class Spawned:
    """One task: what its maker calls it, what it is, the keys of those that it waits for, its template fields."""

    key: str
    service: str
    name: str
    needs: Sequence[str]
    fields: Mapping[str, Any]


def spawned_id(parent_id: str, key: str) -> str:
    """Id of the task that the task `parent_id` calls `key`."""
    return short_uuid(parent_id, key)


def check_name(name: object) -> str:
    """Name of a task. Raises ValueError."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise ValueError(f"a task's name has 1 to {MAX_NAME_CHARS} printable characters: {str(name)[:200]!r}")
    return name


def check_service(service: object) -> str:
    """Name of a service. Raises ValueError."""
    if not isinstance(service, str) or not is_service(service):
        raise ValueError(
            f"a service is named by [a-z0-9][a-z0-9_.-], at most 64 characters: {str(service)[:200]!r}"
        )
    if service == OF_THE_ENGINE:
        raise ValueError(f"{service!r} is the engine's own service, no worker does its tasks")
    return service


def decode_spawn(text: str) -> list[Spawned]:
    """Read the field `spawn`; workers are not trusted. The names of template fields are not looked at.

    Raises:
        ValueError: it is over its limits, or not of its form.
    """
    if len(text.encode()) > MAX_SPAWN_BYTES:
        raise ValueError(f"spawn is larger than {MAX_SPAWN_BYTES} bytes")
    items = orjson.loads(text)
    if not isinstance(items, list) or not 0 < len(items) <= MAX_SPAWNED:
        raise ValueError(f"spawn is not a list of 1 to {MAX_SPAWNED} tasks")
    known: set[str] = set()
    return [_spawned(item, known) for item in items]


def _spawned(item: object, known: set[str]) -> Spawned:
    if not isinstance(item, dict) or set(item) != _PARTS:
        raise ValueError(f"a task in spawn has exactly {', '.join(sorted(_PARTS))}")
    key, needs, fields = item["key"], item["needs"], item["fields"]
    if not isinstance(key, str) or not 0 < len(key) <= 2 * MAX_NAME_CHARS or key in known:
        raise ValueError("the key of a task in spawn is not text, too long or taken")
    if not isinstance(needs, list) or any(not isinstance(need, str) or need not in known for need in needs):
        raise ValueError("needs of a task in spawn are not keys of tasks before it")
    if not isinstance(fields, dict):
        raise ValueError("fields of a task in spawn are not an object")
    known.add(key)
    return Spawned(
        key, check_service(item["service"]), check_name(item["name"]), list(dict.fromkeys(needs)), fields
    )
