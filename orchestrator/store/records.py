"""What the store gives back: plain records, read from the hashes as documented."""

from dataclasses import dataclass, field
from typing import Any

from workers_sdk.protocol.messages import Status, dumps

Json = Any


@dataclass(frozen=True, slots=True)
class Owner:
    """On whose behalf a scenario runs; all may be left out.

    Attributes:
        tenant: shares the services fairly with other tenants, and has limits of its own.
        priority: 0 to 4, 0 goes first; of tasks that have none of their own.
        submitter: a person, who may be kept from deciding the gates of the scenario.
    """

    tenant: str = ""
    priority: int | None = None
    submitter: str = ""


@dataclass(frozen=True, slots=True)
class ScenarioRecord:
    """One scenario. Times are ISO 8601 text in UTC, empty when not reached."""

    scenario_id: str
    name: str
    version: str
    status: Status
    total: int
    counts: dict[Status, int]
    created_at: str
    updated_at: str
    finished_at: str = ""
    variables: dict[str, Json] = field(default_factory=dict)
    task_ids: list[str] = field(default_factory=list)
    template_hash: str = ""
    warnings: list[Json] = field(default_factory=list)
    error: Json = None
    cancel: Json = None
    paused: Json = None
    """`reason`, `by` and `at`, while it is paused."""
    tolerated: int = 0
    """Failed tasks that do not fail the scenario."""
    parent: str = ""
    """Task that this scenario is the work of."""
    depth: int = 0
    """How many scenarios it lies within."""
    origin: Json = None
    """Of a rerun: `scenario_id`, and `task_id` from which on it ran anew."""
    reruns: list[str] = field(default_factory=list)
    """Scenarios that ran parts of it anew; some may be gone."""
    owner: Owner = Owner()
    batch_id: str = ""
    machine: str = ""
    """Of one with states: the task that carries them."""
    state: str = ""

    @property
    def is_failing(self) -> bool:
        """Whether it will not end as a success."""
        return self.cancel is not None or self.counts[Status.FAILED] > self.tolerated


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task. `queue` is the number of unfinished tasks it waits for, `consumers` the tasks that wait for it."""

    id: str
    scenario_id: str
    service: str
    name: str
    status: Status
    queue: int
    consumers: list[str]
    created_at: str
    updated_at: str
    started_at: str = ""
    finished_at: str = ""
    attempt: int = 0
    token: str = ""
    worker: str = ""
    result_ref: str = ""
    result: Json = None
    error: Json = None
    progress: float | None = None
    message: str = ""
    fields: dict[str, Json] = field(default_factory=dict)
    """Template fields: `prompt`, `params`, references, any other."""
    rules: dict[str, Json] = field(default_factory=dict)
    on_ready: dict[str, Json] = field(default_factory=dict)
    policy: dict[str, Json] = field(default_factory=dict)
    group: "Group | None" = None
    children_failed: int = 0
    """Of its children, those that ended and did not succeed."""
    delayed: bool = False
    is_late: bool = False
    """It ended before what is below it, and those that wait for it have not heard of that."""
    child_scenario_id: str = ""
    fingerprint: str = ""
    """Of a dead letter: what kind of error it failed with for good."""


@dataclass(frozen=True, slots=True)
class Group:
    """Children of a task: how many are made, of how many."""

    written: int
    total: int


@dataclass(frozen=True, slots=True)
class ScenarioPage:
    """Scenarios, newest first. `next_cursor` is None on the last page; a page may be short, even empty, before that."""

    items: list[ScenarioRecord]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Whether and when a failed attempt is followed by another. Lost workers count apart.

    Attributes:
        max_attempts: at most so many failed attempts.
        delay_ms, factor, max_delay_ms: attempt n waits up to `delay_ms * factor ** (n - 1)`, never longer than the last.
        jitter: anywhere below that bound, or exactly as long.
        max_crashes: a task whose workers were lost so often fails; None: as the engine is set up.
        only: error types that are tried again; None: all but `never`.
    """

    max_attempts: int
    delay_ms: int = 1_000
    factor: float = 2.0
    max_delay_ms: int = 600_000
    jitter: bool = True
    only: list[str] | None = None
    never: list[str] = field(default_factory=list)
    max_crashes: int | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something was cancelled, and who asked for it."""

    message: str = "cancelled on request"
    by: str = ""

    def text(self) -> str:
        """As it stands in `error`."""
        facts = {"type": "cancelled", "message": self.message, "by": self.by}
        return dumps({name: text for name, text in facts.items() if text}).decode()


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that failed. Times are ISO 8601 text."""

    attempt: int
    worker: str
    started_at: str
    finished_at: str
    error: Json


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be created. `fields` holds template fields only; `queue` is the real in-degree.

    `rules` are read by the scripts, `on_ready` by the engine when nothing is waited for any more; see ARCHITECTURE.md.
    """

    id: str
    service: str
    name: str
    queue: int
    consumers: list[str]
    fields: dict[str, Json]
    policy: RetryPolicy | None = None
    rules: dict[str, Json] | None = None
    on_ready: dict[str, Json] | None = None
    known: dict[str, str] = field(default_factory=dict)
    """Fields of the engine, as text: of a task that is copied (rule `copied`) its result."""


@dataclass(frozen=True, slots=True)
class NewScenario:
    """A generated scenario to be submitted.

    `tasks` stand in writing order: a task after all its consumers. `task_ids` keeps the order of the document.
    """

    scenario_id: str
    name: str
    version: str
    variables: dict[str, Json]
    template_hash: str
    task_ids: list[str]
    tasks: list[NewTask]
    warnings: list[Json] = field(default_factory=list)
    parent: str = ""
    """Task that this scenario is the work of, in the same slot; it is looked at when the scenario ends."""
    depth: int = 0
    origin: dict[str, Json] = field(default_factory=dict)
    """Of a rerun: `scenario_id`, and `task_id` from which on it runs anew; in the same slot."""
    owner: Owner = Owner()
    machine: str = ""
    """Of one with states: the task that carries them."""


@dataclass(frozen=True, slots=True)
class Line:
    """Place of a scenario in a batch, from 1, and the digest of what stands there. The scenario is in the slot of the batch."""

    batch_id: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's `Idempotency-Key` and the digest of the body it came with. The scenario must be in the slot of the key."""

    key: str
    body_digest: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """Outcome of a submission: `replayed` when the same idempotency key made the scenario before."""

    scenario_id: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """State of Redis as the store sees it. `backlog` maps a stream to its length."""

    server: str
    version: str
    partitions: int
    backlog: dict[str, int]
