"""`join` of a task: which of the tasks that it waits for must have succeeded."""

from typing import Annotated, Any, Final, Literal

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from orchestrator.templates.units import whole

WORDS: Final = ("all_success", "any_success", "all_done")
Meaning = int | Literal["all_done"] | None
"""How many must succeed; that all must have ended; or neither: all must succeed."""


def meaning_of(value: object) -> Meaning:
    """What a `join` says. Raises PydanticCustomError."""
    if value == "all_done":
        return "all_done"
    if value in (None, "all_success"):
        return None
    if value == "any_success":
        return 1
    least = whole(value["at_least"]) if isinstance(value, dict) and list(value) == ["at_least"] else None
    if isinstance(least, int) and not isinstance(least, bool) and least >= 1:
        return least
    raise PydanticCustomError(
        "bad_join", "a join is all_success, any_success, all_done, or {at_least: 2} of the tasks waited for"
    )


_AT_LEAST: Final = {
    "type": "object",
    "properties": {"at_least": {"type": "integer", "minimum": 1}},
    "required": ["at_least"],
    "additionalProperties": False,
}
Join = Annotated[
    Any, PlainValidator(meaning_of), WithJsonSchema({"anyOf": [{"enum": list(WORDS)}, _AT_LEAST]})
]
