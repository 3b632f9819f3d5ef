"""The tasks that a task refers to, and what they left behind."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .protocol.keys import is_id


@dataclass(frozen=True)
class Result:
    """Result of a task that was referred to: `ref` is its `result_ref` (may be empty)."""

    task_id: str
    name: str
    ref: str
    load: Callable[[], Any] = field(repr=False, compare=False)

    @functools.cached_property
    def value(self) -> Any:
        """JSON of the result, or None; a large one is read from the artifact store when it is asked for.

        Raises:
            LookupError: it is large and cannot be loaded; says why.
        """
        return self.load()


@dataclass(frozen=True, slots=True)
class Reference:
    """A task referred to, as `claim` found it; everything empty when it is not of this scenario.

    Attributes:
        loaded: JSON of a large result, when it was loaded ahead. problem: why it could not be.
    """

    task_id: str
    name: bytes
    status: bytes
    ref: bytes
    value: bytes
    loaded: bytes = b""
    problem: str = ""


def references_of(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    """Task ids in the fields whose names end in `_id` or `_ids`: field -> ids in their order."""
    found = {}
    for name, value in fields.items():
        if name.endswith(("_id", "_ids")):
            values = value if isinstance(value, list) else [value]
            if ids := [item for item in values if isinstance(item, str) and is_id(item)]:
                found[name] = ids
    return found
