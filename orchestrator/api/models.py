"""Bodies of requests and responses, with their limits and examples; nothing here decides anything."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from workers_sdk.protocol.messages import MAX_ERROR_CHARS, MAX_REF_CHARS, Status

from .examples import ACCEPTED, GENERATE, REF, SCENARIO, TASK, WARNING

Json = Any

TemplateName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Tenant = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]{1,100}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
ScenarioStatus = Literal["pending", "processing", "success", "failed", "cancelled"]


class Request(BaseModel):
    """Base of request bodies: unknown fields and silent conversions (`"3"` for 3) are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ScenarioIn(Request):
    """What to generate."""

    model_config = ConfigDict(json_schema_extra={"examples": [GENERATE]})

    scenario: TemplateName = Field(description="Name of a template, with or without the prefix `Scenario`.")
    description: str | None = Field(
        default=None,
        min_length=1,
        max_length=20_000,
        description="What the user asks for, any text: the variables PROMPT and DESCRIPTION of the template.",
    )
    slides_count: int | None = Field(
        default=None, ge=1, le=50, description="Number of slides: the variables N_SLIDES and SLIDES_COUNT."
    )
    variables: dict[VariableName, Json] = Field(
        default_factory=dict,
        max_length=200,
        description="Any other variable of the template by name; these win over the two fields above.",
    )


class OwnedIn(ScenarioIn):
    """What to generate, and on whose behalf. A line of a batch."""

    tenant: Tenant | None = Field(
        default=None,
        description="Shares the services fairly with other tenants, and has limits of its own.",
    )
    priority: int | None = Field(
        default=None,
        ge=0,
        le=4,
        description="Of the tasks that have none of their own: 0 goes first, 2 is usual.",
    )
    submitter: Name | None = Field(
        default=None, description="A person; gates may keep the submitter from deciding them."
    )


class Replicated(Request):
    """A number of replicas."""

    replicated: int = Field(ge=1, le=99, description="So many replicas have it.")


DurabilityClass = Literal["memory", "fsync"] | Replicated


class GenerateIn(OwnedIn):
    """What to generate, on whose behalf, and how safe it is to be before the answer."""

    durability: DurabilityClass | None = Field(
        default=None,
        description="`memory`: Redis has it. `fsync`: it is on the disk of Redis. `replicated`: replicas have it. By default "
        "as the server is set up.",
    )


class DurabilityOut(BaseModel):
    """How safe the accepted scenario is. Where it is not as asked, it is accepted all the same, and `reason` says why."""

    asked: DurabilityClass
    reached: DurabilityClass
    reason: str | None = None


class WarningOut(BaseModel):
    """Something that works, but is probably not what was meant."""

    model_config = ConfigDict(json_schema_extra={"examples": [WARNING]})

    code: str
    message: str
    pointer: str = Field(
        default="", description="Where: a path within the template, or a JSON Pointer into the body."
    )
    line: int | None = Field(default=None, description="Line of the template, from 1.")
    column: int | None = Field(default=None, description="Column of the template, from 1.")


class SelfLink(BaseModel):
    """Addresses, relative to the server."""

    self: str


class GenerateOut(BaseModel):
    """An accepted scenario."""

    model_config = ConfigDict(json_schema_extra={"examples": [ACCEPTED]})

    scenario_id: str
    name: str
    version: str
    status: ScenarioStatus = "pending"
    total: int = Field(description="Number of tasks.")
    task_ids: list[str] = Field(description="Ids of the tasks in the order of the template.")
    warnings: list[WarningOut]
    links: SelfLink
    durability: DurabilityOut


class PlannedTask(BaseModel):
    """A task as it would be created."""

    key: str = Field(description="Name of the task within the scenario.")
    service: str
    name: str
    queue: int = Field(description="Number of tasks that it waits for.")
    consumers: list[str] = Field(description="Keys of the tasks that wait for it.")
    fields: dict[str, Json] = Field(description="Everything else that the template gives it.")
    policy: dict[str, Json] | None = Field(default=None, description="`retry` with all defaults, in ms.")
    rules: dict[str, Json] | None = Field(default=None, description="Joins, times, limits and such; in ms.")
    on_ready: dict[str, Json] | None = Field(
        default=None, description="What the orchestrator does when nothing is waited for any more."
    )


class AfterOut(BaseModel):
    """Where the clock leads."""

    delay_ms: int = Field(description="Since the state began, milliseconds.")
    to: str


class PlannedState(BaseModel):
    """A state, and the states that it leads to. Keys of its tasks begin with its name and `/`."""

    name: str
    on: dict[str, str] = Field(description="The next state by name of an event.")
    then: str | None = Field(description="The next one when its tasks have succeeded.")
    otherwise: str | None = Field(description="The next one when one did not.")
    after: AfterOut | None
    end: Literal["success", "failed", "cancelled"] | None = Field(description="How it ends the scenario.")
    stages: list[list[str]]


class PlanOut(BaseModel):
    """A generated and checked scenario of which nothing was stored. Ids within `fields` are of this plan only."""

    name: str
    version: str
    variables: dict[str, Json] = Field(
        description="Effective values: defaults of the template and what was sent."
    )
    template_hash: str = Field(description="SHA-256 of the template's text.")
    total: int
    tasks: list[PlannedTask]
    stages: list[list[str]] = Field(
        description="Keys of the tasks that may run at the same time, stage by stage."
    )
    critical_path: list[str] = Field(description="Keys along the longest chain of dependencies.")
    initial: str | None = Field(default=None, description="Of a template with states: the first one.")
    states: list[PlannedState] | None = Field(
        default=None, description="Of a template with states; `stages` and `critical_path` are empty then."
    )
    warnings: list[WarningOut]


class TaskLinks(BaseModel):
    """Addresses, relative to the server. `result` is null as long as there is no artifact."""

    self: str
    scenario: str
    result: str | None = None


class TaskOut(BaseModel):
    """A task."""

    model_config = ConfigDict(json_schema_extra={"examples": [TASK]})

    id: str
    scenario_id: str
    service: str
    name: str
    status: Status
    queue: int = Field(description="Number of unfinished tasks that it waits for; it may start at 0.")
    consumers: list[str] = Field(description="Ids of the tasks that wait for it.")
    created_at: str = Field(description="ISO 8601, UTC.")
    updated_at: str
    started_at: str | None = None
    finished_at: str | None = None
    attempt: int = Field(default=0, description="How often it was handed out; 0 before the first time.")
    worker: str | None = None
    prompt: Json = None
    params: Json = None
    result_ref: str | None = Field(default=None, description="URI of the artifact.")
    result: Json = Field(default=None, description="Small result, as JSON.")
    error: Json = Field(default=None, description="Why it failed or was skipped: `type`, `message` and more.")
    fingerprint: str | None = Field(default=None, description="Of a dead letter: the kind of its error.")
    policy: dict[str, Json] | None = Field(default=None, description="`retry` with all defaults, in ms.")
    rules: dict[str, Json] | None = Field(
        default=None, description="Joins, times, limits and such of the template; times in ms."
    )
    child_scenario_id: str | None = Field(default=None, description="Scenario that this task is.")
    progress: float | None = Field(default=None, description="Percent, 0 to 100.")
    message: str | None = None
    fields: dict[str, Json] = Field(default_factory=dict, description="All other fields of the template.")
    links: TaskLinks


class PauseOut(BaseModel):
    """Why, by whom and since when something is paused."""

    reason: str
    by: str
    at: str = Field(description="ISO 8601, UTC.")
    scenario_id: str | None = Field(
        default=None,
        description="Of a scenario within others: the one above it that was paused, and it with that.",
    )


class ScenarioItem(BaseModel):
    """A scenario without its tasks."""

    model_config = ConfigDict(json_schema_extra={"examples": [SCENARIO]})

    scenario_id: str
    name: str
    version: str
    status: ScenarioStatus
    percent: float = Field(ge=0, le=100, description="Share of the tasks that are final.")
    counts: dict[Status, int] = Field(description="Number of tasks per status.")
    total: int
    created_at: str = Field(description="ISO 8601, UTC.")
    updated_at: str
    finished_at: str | None = None
    error: Json = Field(default=None, description="Why it failed.")
    paused: PauseOut | None = Field(default=None, description="While it is paused: none of its tasks begins.")
    tenant: str | None = None
    priority: int | None = None
    submitter: str | None = None
    batch_id: str | None = Field(default=None, description="The batch that it came with.")
    state: str | None = Field(default=None, description="Of one with states: where it stands.")
    links: SelfLink


class OriginOut(BaseModel):
    """Where a rerun comes from: the scenario, and the task from which on it ran anew."""

    scenario_id: str
    task_id: str


class ScenarioOut(ScenarioItem):
    """A scenario with its tasks. A task of a scenario that was accepted a moment ago may still be missing."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [SCENARIO | {"result_ref": REF, "next_cursor": None, "tasks": [TASK]}]}
    )

    variables: dict[str, Json]
    warnings: list[WarningOut]
    allowed_events: list[str] | None = Field(
        default=None, description="Of one with states: the events that it takes now."
    )
    origin: OriginOut | None = Field(default=None, description="Of a rerun: what it runs anew.")
    reruns: list[str] = Field(
        default_factory=list, description="Ids of the scenarios that ran parts of it anew; some may be gone."
    )
    result_ref: str | None = Field(
        default=None,
        description="Artifact of the last task that nothing waits for; looked for among the last 100 tasks when they are "
        "more than a page.",
    )
    next_cursor: str | None = Field(
        description="Value of `cursor` for the next page of tasks; null on the last one."
    )
    tasks: list[TaskOut]


class TaskPageOut(BaseModel):
    """Tasks of a scenario in the order of the template. With `status` a page may be short, even empty, before the last one."""

    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last one.")
    tasks: list[TaskOut]


class ScenarioPageOut(BaseModel):
    """Scenarios, newest first. A page may be short, even empty, before the last one."""

    items: list[ScenarioItem]
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last one.")


class TaskErrorIn(Request):
    """Why a task failed."""

    type: str = Field(default="error", min_length=1, max_length=200)
    message: str = Field(max_length=MAX_ERROR_CHARS)


class CancelIn(Request):
    """Why, and who asks for it; both are kept with the scenario and shown with its tasks."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "ordered by mistake", "by": "ann@example.org"}]}
    )

    reason: str = Field(default="cancelled on request", min_length=1, max_length=500)
    by: str = Field(default="", max_length=200)


class AttemptOut(BaseModel):
    """An attempt that failed. Times are ISO 8601 in UTC."""

    attempt: int
    worker: str
    started_at: str | None
    finished_at: str
    error: Json


class AttemptsOut(BaseModel):
    """Attempts of a task, oldest first, the last 20."""

    items: list[AttemptOut]


class StatusIn(Request):
    """A report about a task, by HTTP; the `worker` of such a task is `http`, whoever reports."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "success", "result_ref": REF}, {"status": "processing"}]}
    )

    status: Literal["processing", "success", "failed"]
    result_ref: str | None = Field(default=None, max_length=MAX_REF_CHARS, description="URI of the artifact.")
    result: Json = Field(default=None, description="Small result: any JSON of at most 65,536 bytes.")
    error: Annotated[str, StringConstraints(max_length=MAX_ERROR_CHARS)] | TaskErrorIn | None = None
    token: str | None = Field(
        default=None, max_length=200, description="Token of the task's stream entry, if known."
    )
    progress: float | None = Field(default=None, ge=0, le=100, description="Percent.")
    message: str | None = Field(default=None, max_length=MAX_ERROR_CHARS, description="What it is doing.")
