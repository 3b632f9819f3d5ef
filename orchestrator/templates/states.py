"""Small parts of `states`: names, and `after`."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from orchestrator.templates.units import Span

MAX_STATES: Final = 1_000
MAX_EVENTS: Final = 100
"""Events that one state takes."""
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)


def is_word(text: str) -> bool:
    """Whether it may name a state or an event."""
    return _WORD.fullmatch(text) is not None


def _word(text: str) -> str:
    if not is_word(text):
        raise PydanticCustomError(
            "bad_name", "a state or an event is named by letters, digits and _.:-, at most 64 characters"
        )
    return text


Word = Annotated[
    str, AfterValidator(_word), WithJsonSchema({"type": "string", "pattern": f"^{_WORD.pattern}$"})
]


class AfterForm(BaseModel):
    """The next state when so much time has passed; `{7d: closed}` is short for it."""

    model_config = ConfigDict(extra="forbid", title="After")

    delay: Span = Field(description="Since the state began.")
    to: Word = Field(description="The next state.")


def _whole(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1 and not value.keys() & AfterForm.model_fields.keys():
        delay, to = next(iter(value.items()))
        return {"delay": delay, "to": to}
    if isinstance(value, dict) and not value.keys() & AfterForm.model_fields.keys():
        raise PydanticCustomError(
            "bad_after", "`after` has one time and the state that follows, as {7d: closed}"
        )
    return value


_SHORT: Final = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "patternProperties": {"^[0-9.]+ *(ms|s|m|h|d)$": {"type": "string"}},
    "additionalProperties": False,
}
After = Annotated[
    AfterForm,
    BeforeValidator(_whole),
    WithJsonSchema({"anyOf": [AfterForm.model_json_schema(), _SHORT]}),
]
