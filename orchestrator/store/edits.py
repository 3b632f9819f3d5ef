"""A change of what a task is to do, made by a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any


@dataclass(frozen=True, slots=True)
class Edits:
    """What to change of a task's template fields.

    Attributes:
        prompt: the new one; None leaves it.
        params: members of `params` to set; one that is None is removed, all others stay.
        fields: any other field to set, whole.
    """

    prompt: str | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    fields: Mapping[str, Json] = field(default_factory=dict)

    def of(self, known: Mapping[str, Json]) -> dict[str, Json]:
        """The fields that change, with their new values. `known`: template fields as they are."""
        changed = dict(self.fields)
        if self.prompt is not None:
            changed["prompt"] = self.prompt
        if self.params:
            old = known.get("params")
            merged = {**(old if isinstance(old, dict) else {}), **self.params}
            changed["params"] = {name: value for name, value in merged.items() if value is not None}
        return changed
