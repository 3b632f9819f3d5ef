"""Why a task or a scenario is where it is: reasons, and what must be known to find them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from workers_sdk.protocol.keys import META, Partition
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import loads

from .standing import Standing
from .store import Store

Json = Any

SHOWN: Final = 5
"""Tasks, workers and the like that one reason names."""
PATIENCE_MS: Final = 1_000
"""A stream is read by nobody when an entry waits for longer and no reader is known: Redis knows readers only from the first
entry on that they got."""
_LEASE_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: `code` for programs, `message` for people, `facts` for both. docs/operations.md lists the codes."""

    code: str
    message: str
    facts: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskWhy:
    """Why a task is where it is, the most decisive reason first."""

    task_id: str
    scenario_id: str
    name: str
    service: str
    status: str
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Alike:
    """Tasks of a service that wait for the same kind of thing: `reasons` are those of the first of them.

    Attributes:
        tasks: id and name of some of them.
    """

    code: str
    service: str
    count: int
    tasks: list[dict[str, str]]
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class ScenarioWhy:
    """Why a scenario is where it is.

    Attributes:
        unfinished: tasks that have not ended, of those that were looked at.
        complete: all tasks were looked at.
    """

    scenario_id: str
    name: str
    status: str
    reasons: list[Reason]
    unfinished: int
    groups: list[Alike]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A task in question, with what all reasons need.

    Attributes:
        now_ms: time of Redis.
        last_attempt: the last attempt that failed, as its history has it.
        scenario: some fields of the hash of its scenario.
    """

    store: Store
    at: Partition
    task: Standing
    now_ms: int
    lease_ms: int
    last_attempt: dict[str, Json] | None
    scenario: dict[str, str]

    @property
    def link(self) -> Link:
        """The way to Redis."""
        return self.store.link

    def in_ms(self, moment_ms: float) -> int:
        """Milliseconds until a moment; 0 when it has passed."""
        return max(0, round(moment_ms - self.now_ms))


SCENARIO_FIELDS: Final = (
    "scenario_id", "name", "status", "paused", "cancel", "error", "total", "materialized", "revive", "created_ms",
    "finished_at", "spawned",
)  # fmt: skip


def scenario_fields(values: list[bytes | None]) -> dict[str, str]:
    """Values of `SCENARIO_FIELDS` as texts; empty where there is none."""
    return {
        name: (value or b"").decode(errors="replace")
        for name, value in zip(SCENARIO_FIELDS, values, strict=True)
    }


async def waited_ms(link: Link, entries: list[Any]) -> int:
    """How long the first of some entries of a stream waits by now, ms; 0 when there is none. Their ids are of the clock of the
    server, whatever clock the scripts go by."""
    if not entries:
        return 0
    seconds, micros = await link.execute("TIME")
    return max(0, int(seconds) * 1000 + int(micros) // 1000 - int(entries[0][0].split(b"-")[0]))


async def lease_of(link: Link) -> int:
    """The lease that workers renew by, in ms."""
    return int(await link.execute("HGET", META, "lease_ms") or _LEASE_MS)


def iso(ms: float) -> str:
    """A moment as ISO 8601 text."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms_of(text: str) -> int:
    """The reverse; 0 for what is no moment."""
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return 0


def json_of(text: str) -> Json:
    """What is written as JSON; None for what is not."""
    try:
        return loads(text) if text else None
    except ValueError:
        return None


def span(ms: float) -> str:
    """A time in words."""
    seconds = ms / 1000
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{ms:.0f} ms"


def plural(n: int, word: str, many: str = "") -> str:
    """A number with its word; `many` is the word for several when it is not just one letter longer."""
    return f"{n} {word if n == 1 else many or word + 's'}"


def brief(task: Standing) -> dict[str, str]:
    """A task in the facts of a reason about another one."""
    found = {"id": task.task_id, "name": task.name, "service": task.service, "status": task.status}
    return {**found, "note": "what is below it has not ended"} if task.is_late else found


def listed(tasks: list[dict[str, str]]) -> str:
    """Tasks in a message."""
    return ", ".join(
        f"{task['name']} ({', '.join(task[word] for word in ('status', 'note') if word in task)})"
        for task in tasks
    )
