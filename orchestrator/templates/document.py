"""The form of a template, once: this model validates it and gives the JSON Schema for editors."""

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from orchestrator.templates.flow import ConcurrencyForm, RateForm
from orchestrator.templates.gate import GateForm
from orchestrator.templates.join import Join
from orchestrator.templates.problems import QUOTE_IT, Finding, Path, did_you_mean, shown
from orchestrator.templates.retry import Retry, RetryForm
from orchestrator.templates.services import ServiceForm
from orchestrator.templates.states import MAX_EVENTS, MAX_STATES, After, AfterForm, Word
from orchestrator.templates.terms import TermsForm
from orchestrator.templates.timeouts import TimeoutsForm
from orchestrator.templates.units import Flag, Span, number_schema, whole
from workers_sdk.protocol.keys import is_service
from workers_sdk.protocol.messages import RESERVED_FIELDS

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_COUNT: Final = 1_000_000
_BOILERPLATE: Final = frozenset(
    ("id", "scenario_id", "service", "status", "queue", "consumers", "created_at", "updated_at", "result_ref")
)
RESERVED: Final = RESERVED_FIELDS - _BOILERPLATE - {"name"}
"""Fields of a task that the engine writes, so no template may."""


def _service(text: str) -> str:
    if not is_service(text):
        raise PydanticCustomError(
            "bad_service", "a service is named by [a-z0-9][a-z0-9_.-], at most 64 characters"
        )
    return text


def _printable(text: str) -> str:
    if not 1 <= len(text) <= 128 or not text.isprintable():
        raise PydanticCustomError("bad_name", "a name has 1 to 128 printable characters")
    return text


def _several(value: object) -> object:
    return [] if value is None else [value] if isinstance(value, str) else value


_Counter = Annotated[
    int, BeforeValidator(whole), Field(strict=True, ge=0, le=MAX_COUNT), number_schema(0, MAX_COUNT)
]
Name = Annotated[
    str, AfterValidator(_printable), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 128})
]
Service = Annotated[
    str, AfterValidator(_service), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 64})
]
Names = Annotated[
    list[Name],
    BeforeValidator(_several),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}
    ),
]


class TaskForm(TermsForm):
    """One task. Every other field is yours and travels to the worker; `..._id` and `..._ids` may name tasks."""

    model_config = ConfigDict(
        extra="allow",
        title="Task",
        json_schema_extra={"anyOf": [{"required": [name]} for name in ("service", "gate", "scenario")]},
    )

    id: Name | None = Field(None, description="Local name of the task; by default its `name`.")
    scenario_id: Name | None = Field(None, description="Boilerplate: the scenario's own id.")
    service: Service | None = Field(
        None, description="Service that does the work: its stream is `queue:<service>`."
    )
    name: Name = Field(description="Name of the operation; the worker's handler is found by it.")
    queue: _Counter | None = Field(
        None, description="Compared with the graph, which decides: how many tasks this one waits for."
    )
    status: Literal["pending"] | None = Field(None, description="Boilerplate: a new task is pending.")
    created_at: str | None = Field(None, description="Boilerplate: Redis' clock decides.")
    updated_at: str | None = Field(None, description="Boilerplate: Redis' clock decides.")
    result_ref: str | None = Field(None, description="Boilerplate: the worker fills it.")
    consumers: Names = Field(
        default_factory=list, description="Tasks that wait for this one, by local id or by name."
    )
    needs: Names = Field(
        default_factory=list, description="Tasks that this one waits for, by local id or by name."
    )
    count: _Counter | None = Field(None, description="Make this many copies, each with its `index` from 1.")
    join: Join = Field(None, description="Which of the tasks that it waits for must have succeeded.")
    when: str | None = Field(None, description="Condition; the task is skipped when it does not hold.")
    foreach: Any = Field(None, description="A list: one run for each item.")
    optional: Flag = Field(False, description="Its failure counts as success.")
    finally_: Flag = Field(
        False, alias="finally", description="Runs when all else has ended, however that went."
    )
    compensates: Name | None = Field(
        None, description="The task that this one undoes when the scenario did not succeed."
    )
    timeout: Span | None = Field(None, description="Short for `timeouts: {run: ...}`.")
    timeouts: TimeoutsForm | None = Field(None, description="How long it may take.")
    retry: Retry | None = Field(
        None, description="When a failed attempt is followed by another; by default never."
    )
    prompt: str | None = Field(None, description="Text for the worker.")
    params: dict[str, Any] | None = Field(None, description="Parameters for the worker; any JSON.")


class StateForm(BaseModel):
    """A state: what is done in it, and where it leads."""

    model_config = ConfigDict(extra="forbid", title="State")

    description: str | None = Field(None, description="What it means, for people.")
    on: dict[Word, Word] | None = Field(
        None, max_length=MAX_EVENTS, description="By name of an event that may come: the next state."
    )
    tasks: list[TaskForm] | None = Field(
        None,
        min_length=1,
        description="What is done in this state; what still runs is cancelled when it is left.",
    )
    then: Word | None = Field(None, description="The next state when all tasks have ended, and none failed.")
    otherwise: Word | None = Field(
        None, description="The next state when one failed; without it the scenario fails."
    )
    after: After | None = Field(None, description="The next state when so much time has passed.")
    end: Literal["success", "failed", "cancelled"] | None = Field(
        None, description="The scenario ends so in this state."
    )


class ScenarioForm(BaseModel):
    """A scenario template: what is done, by which services, and what waits for what; or which states it goes through."""

    model_config = ConfigDict(
        extra="forbid",
        title="Scenario template",
        json_schema_extra={"oneOf": [{"required": ["tasks"]}, {"required": ["states"]}]},
    )

    scenario_id: Name | None = Field(None, description="Local name of the scenario itself.")
    version: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        "1.0.0", description="Version of the template."
    )
    name: Name | None = Field(None, description="Name of the scenario; by default the name of the file.")
    description: str | None = Field(None, description="What it does, for people.")
    variables: dict[str, Any] = Field(
        default={},
        description="Declared variables with their defaults; a request may change them within their type.",
    )
    services: dict[str, ServiceForm] = Field(
        default={},
        description="By name of a service: what holds for all its tasks that do not say otherwise.",
    )
    tasks: list[TaskForm] = Field(default=[], min_length=1, description="The tasks.")
    states: dict[Word, StateForm] = Field(
        default={}, min_length=1, max_length=MAX_STATES, description="In place of `tasks`: the states."
    )
    initial: Word | None = Field(None, description="The state that it begins in; by default the first.")


_CODES: Final = {
    "missing": "missing_field", "extra_forbidden": "unknown_field", "too_short": "no_tasks", "bad_service": "bad_service",
    "bad_name": "bad_name",
}  # fmt: skip

_TEXT, _LIST, _MAPPING = "a text", "a list", "a mapping"
_TYPES: Final = {
    "string_type": _TEXT, "list_type": _LIST, "dict_type": _MAPPING, "model_type": _MAPPING,
    "model_attributes_type": _MAPPING, "int_type": "a whole number",
    "bool_type": "true or false",
}  # fmt: skip
_INNER: Final[dict[str | int, type[BaseModel]]] = {
    "retry": RetryForm, "timeouts": TimeoutsForm, "concurrency": ConcurrencyForm, "rate": RateForm, "gate": GateForm,
    "after": AfterForm,
}  # fmt: skip


_INNER_OF_TOP: Final[dict[str, tuple[str, type[BaseModel]]]] = {
    "services": ("a service", ServiceForm), "states": ("a state", StateForm),
}  # fmt: skip


def check_form(document: object) -> list[Finding]:
    """What is wrong with the types and names of a document; the marks are left to the caller."""
    try:
        ScenarioForm.model_validate(document)
    except ValidationError as error:
        return [_finding(detail) for detail in error.errors(include_url=False)]
    return []


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a template file, made from the model that validates it."""
    schema = ScenarioForm.model_json_schema(mode="validation")
    return {"$schema": SCHEMA_DIALECT, **schema}


def _finding(detail: ErrorDetails) -> Finding:
    path: Path = tuple(part for part in detail["loc"] if part != "[key]")
    code = _CODES.get(detail["type"], "wrong_type")
    last = str(path[-1]) if path else ""
    if code == "missing_field":
        return Finding(code, f"{last!r} is missing", path=path)
    inner = _inner_form(path) if code == "unknown_field" else None
    if inner is not None:
        called, form = inner
        hint = did_you_mean(last, form.model_fields)
        return Finding(code, f"{last!r} is not a field of {called}", path=path, hint=hint)
    if code == "unknown_field":
        hint = did_you_mean(last, ScenarioForm.model_fields) or "fields of your own belong to a task"
        return Finding(code, f"{last!r} is not a field of a scenario", path=path, hint=hint)
    if code == "no_tasks":
        least = "state" if last == "states" else "task"
        of = "a state with `tasks`" if len(path) > 1 else "a scenario"
        return Finding(code, f"{of} has at least one {least}", path=path)
    what = _TYPES.get(detail["type"])
    if what is None or not path:
        return Finding(code, f"{detail['msg']}, found {shown(detail['input'])}", path=path)
    return _wrong_type(path, what, detail["input"])


def _inner_form(path: Path) -> tuple[str, type[BaseModel]] | None:
    """The mapping that a field stands in, when it is neither the scenario nor a task."""
    if path[0] in _INNER_OF_TOP and len(path) == 3:
        return _INNER_OF_TOP[str(path[0])]
    form = _INNER.get(path[-2]) if len(path) > 1 else None
    return (f"`{path[-2]}`", form) if form else None


def _wrong_type(path: Path, what: str, value: object) -> Finding:
    last = path[-1]
    called = f"`{last}`" if isinstance(last, str) else f"an item of `{path[-2]}`"
    found = "a text" if isinstance(value, str) and what == _MAPPING else shown(value)
    hint = ""
    if what == _LIST:
        hint = "start every task with `- `" if last == "tasks" else "write a list of task names: [A, B]"
    elif what == _MAPPING:
        hint = "write `key: value` lines; a mapping in `{{ }}` keeps its type without quotes"
    elif what == _TEXT and isinstance(value, (bool, int, float)):
        hint = QUOTE_IT
    return Finding("wrong_type", f"{called} is {what}, not {found}", path=path, hint=hint)
