"""Bodies of requests and responses about scenarios with states."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .models import Request

Json = Any

EventName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]


class EventIn(Request):
    """Something that happened."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"event": "pay", "data": {"amount": 12.5}, "by": "ann@example.org", "event_id": "payment-7"}
            ]
        }
    )

    event: EventName = Field(description="Its name, one of `allowed_events` of the scenario.")
    data: Json = Field(
        default=None, description="JSON of at most 8,192 bytes: the tasks of the next state may use it."
    )
    by: str = Field(default="", max_length=200, description="Who or what caused it.")
    event_id: str = Field(
        default="",
        max_length=200,
        description="The same id again is no second event, for the last 500 transitions.",
    )


class EventOut(BaseModel):
    """An event that was taken, and where the scenario stands after it."""

    scenario_id: str
    event: str
    state: str
    allowed_events: list[str] = Field(description="Events that it takes there.")
    repeated: bool = Field(description="It was taken before, under the same id.")


class TransitionOut(BaseModel):
    """One step from state to state."""

    model_config = ConfigDict(populate_by_name=True)

    visit: int = Field(description="How many states it had been in with this one; tasks of a state carry it.")
    event: str = Field(
        description="What was sent; or `start`, `then` and `otherwise` (its tasks ended), `after` (by the clock), `error`."
    )
    from_: str | None = Field(alias="from")
    to: str
    by: str | None
    data: Json
    event_id: str | None = None
    end: str | None = Field(default=None, description="Status that the scenario ended with there.")
    at: str = Field(description="ISO 8601, UTC.")


class HistoryOut(BaseModel):
    """How a scenario came from state to state, oldest first, the last 500. Empty without states."""

    items: list[TransitionOut]
