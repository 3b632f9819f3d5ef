"""Scenarios with states: what their template says, and where they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from workers_sdk.protocol.messages import loads

from .records import TaskRecord

Json = Any

MAX_DATA_BYTES: Final = 8_192
"""JSON that an event brings."""
KEPT: Final = 500
"""Transitions that the history keeps; ids of events are known for as long."""
START, THEN, OTHERWISE, AFTER = "start", "then", "otherwise", "after"
"""Names of transitions that nobody sent: the first one, the ends of tasks, the clock."""
FIELDS: Final = (
    "state", "visit", "since", "until_ms", "event", "outcome", "written", "entered", "first",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """A state as the template has it.

    Attributes:
        on: the next state by name of an event.
        after_ms: 0 without `after`.
        end: status that it ends the scenario with; empty: it goes on.
        tasks: in writing order, each in the words of `NewTask`, and `key`; `order` has their ids in that of the document.
    """

    on: Mapping[str, str] = field(default_factory=dict)
    then: str = ""
    otherwise: str = ""
    after_ms: int = 0
    after: str = ""
    end: str = ""
    tasks: Sequence[Mapping[str, Json]] = ()
    order: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a scenario stands.

    Attributes:
        visit: how many states it was in, this one included.
        since: when it came there, ISO 8601. until_ms: when the clock leads on, ms since the epoch; 0: never.
        event: what led there: `name`, `data`, `by`, `from`.
        outcome: status that the scenario ends with; empty: it goes on.
        written: tasks of this state that were made; None: what ran before may not have ended yet.
        entered: the last visit that had tasks; they are those of the scenario from the position `first` on.
    """

    state: str
    visit: int
    since: str
    until_ms: int
    event: Mapping[str, Json]
    outcome: str
    written: int | None
    entered: int
    first: int


@dataclass(frozen=True, slots=True)
class Event:
    """What leads from a state to another: its name, what was sent with it (JSON), by whom, under which id."""

    name: str
    data: Json = None
    by: str = ""
    id: str = ""


class Refusal(StrEnum):
    """Why an event is not taken."""

    NOT_ALLOWED = "not_allowed"
    """By the state."""
    CONFLICT = "conflict"
    """Another event was taken under this id."""
    ENDED = "ended"
    NOT_STARTED = "not_started"
    """The engine has not begun with the scenario yet."""
    BUSY = "busy"
    """It moved every time."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an event. `refusal` is None when it was taken, now or (`repeated`) before under the same id. `state` is
    where the scenario stands then, empty when it does not; `allowed` are the events that it takes there."""

    refusal: Refusal | None
    state: str = ""
    allowed: Sequence[str] = ()
    repeated: bool = False


def machine_record(values: Sequence[bytes | None]) -> Machine | None:
    """Where it stands, from the values of `FIELDS`; None when it has not begun."""
    text = [(value or b"").decode() for value in values]
    if not text[0]:
        return None
    return Machine(
        state=text[0],
        visit=int(text[1]),
        since=text[2],
        until_ms=int(text[3] or 0),
        event=loads(text[4] or "{}"),
        outcome=text[5],
        written=int(text[6]) if text[6] else None,
        entered=int(text[7] or 0),
        first=int(text[8] or 1),
    )


def initial_of(task: TaskRecord) -> str:
    """Name of the first state, by the task that carries the states."""
    return str(task.on_ready["machine"]["initial"])


def state_of(task: TaskRecord, name: str) -> State:
    """A state, by the task that carries the states."""
    known = task.on_ready["machine"]["states"][name]
    after = known.get("after", {})
    return State(
        known.get("on", {}),
        known.get("then", ""),
        known.get("otherwise", ""),
        after.get("ms", 0),
        after.get("to", ""),
        known.get("end", ""),
        known.get("tasks", ()),
        known.get("order", ()),
    )


def allowed_of(task: TaskRecord, machine: Machine) -> list[str]:
    """Events that it takes where it stands."""
    goes_on = not task.status.is_final and not machine.outcome
    return sorted(state_of(task, machine.state).on) if goes_on else []
