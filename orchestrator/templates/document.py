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

from orchestrator.templates.problems import QUOTE_IT, Finding, Path, did_you_mean, shown
from orchestrator.templates.retry import Retry, RetryForm
from workers_sdk.protocol.keys import is_service
from workers_sdk.protocol.messages import RESERVED_FIELDS

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_COUNT: Final = 1_000_000
_BOILERPLATE: Final = frozenset(
    ("id", "scenario_id", "service", "status", "queue", "consumers", "created_at", "updated_at", "result_ref")
)
RESERVED: Final = RESERVED_FIELDS - _BOILERPLATE - {"name"}
"""Fields of a task that the engine writes, so no template may."""

_FROM_JINJA: Final = {"type": "string", "pattern": r"\{\{.*\}\}|^[0-9]+$"}


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


def _number(value: object) -> object:
    """A quoted `"{{ N }}"` gives text: digits count as a number."""
    return (
        int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10
        else value
    )


def _several(value: object) -> object:
    return [] if value is None else [value] if isinstance(value, str) else value


def _counter_schema(description: str) -> WithJsonSchema:
    plain = {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}
    return WithJsonSchema({"anyOf": [plain, _FROM_JINJA], "description": description})


_Counter = Annotated[int, BeforeValidator(_number), Field(strict=True, ge=0, le=MAX_COUNT)]
Queue = Annotated[
    _Counter, _counter_schema("Compared with the graph, which decides: how many tasks this one waits for.")
]
Count = Annotated[_Counter, _counter_schema("Make this many copies, each with its `index` from 1.")]
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


class TaskForm(BaseModel):
    """One task. Every other field is yours and travels to the worker; `..._id` and `..._ids` may name tasks."""

    model_config = ConfigDict(extra="allow", title="Task")

    id: Name | None = Field(None, description="Local name of the task; by default its `name`.")
    scenario_id: Name | None = Field(None, description="Boilerplate: the scenario's own id.")
    service: Service = Field(description="Service that does the work: its stream is `queue:<service>`.")
    name: Name = Field(description="Name of the operation; the worker's handler is found by it.")
    queue: Queue | None = None
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
    count: Count | None = None
    retry: Retry | None = Field(
        None, description="When a failed attempt is followed by another; by default never."
    )
    prompt: str | None = Field(None, description="Text for the worker.")
    params: dict[str, Any] | None = Field(None, description="Parameters for the worker; any JSON.")


class ScenarioForm(BaseModel):
    """A scenario template: what is done, by which services, and what waits for what."""

    model_config = ConfigDict(extra="forbid", title="Scenario template")

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
    tasks: list[TaskForm] = Field(min_length=1, description="The tasks.")


_CODES: Final = {
    "missing": "missing_field", "extra_forbidden": "unknown_field", "too_short": "no_tasks", "bad_service": "bad_service",
    "bad_name": "bad_name",
}  # fmt: skip

_TEXT, _LIST, _MAPPING = "a text", "a list", "a mapping"
_TYPES: Final = {
    "string_type": _TEXT, "list_type": _LIST, "dict_type": _MAPPING, "model_type": _MAPPING,
    "model_attributes_type": _MAPPING, "int_type": "a whole number",
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
    path: Path = tuple(detail["loc"])
    code = _CODES.get(detail["type"], "wrong_type")
    last = str(path[-1]) if path else ""
    if code == "missing_field":
        return Finding(code, f"{last!r} is missing", path=path)
    if code == "unknown_field" and "retry" in path:
        hint = did_you_mean(last, RetryForm.model_fields)
        return Finding(code, f"{last!r} is not a field of `retry`", path=path, hint=hint)
    if code == "unknown_field":
        hint = did_you_mean(last, ScenarioForm.model_fields) or "fields of your own belong to a task"
        return Finding(code, f"{last!r} is not a field of a scenario", path=path, hint=hint)
    if code == "no_tasks":
        return Finding(code, "a scenario has at least one task", path=path)
    what = _TYPES.get(detail["type"])
    if what is None or not path:
        return Finding(code, f"{detail['msg']}, found {shown(detail['input'])}", path=path)
    return _wrong_type(path, what, detail["input"])


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
