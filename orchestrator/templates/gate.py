"""`gate` of a task: what a person is asked."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from orchestrator.forms import check_form
from orchestrator.templates.units import Flag, Span, number_schema, several, whole

Who = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]], BeforeValidator(several), Field(max_length=100)
]
Quorum = Annotated[int, BeforeValidator(whole), Field(strict=True, ge=1, le=10), number_schema(1, 10)]


def _schema(form: dict[str, Any]) -> dict[str, Any]:
    """A form that is whole. Null stands for what a result will give; then it is checked when the gate opens."""
    if not _has_null(form) and (errors := check_form(form)):
        place = errors[0].pointer or "/"
        raise PydanticCustomError(
            "bad_form", "no usable JSON Schema: {why}", {"why": f"{place}: {errors[0].message}"}
        )
    return form


def _has_null(tree: Any) -> bool:
    if isinstance(tree, (dict, list)):
        return any(map(_has_null, tree.values() if isinstance(tree, dict) else tree))
    return tree is None


class DefaultForm(BaseModel):
    """What holds at the deadline."""

    model_config = ConfigDict(extra="forbid", title="GateDefault")

    decision: Literal["approve", "reject"] = Field(description="As if somebody had decided so.")
    value: Any = Field(None, description="What is approved; without it the value as it then stands.")


class GateForm(BaseModel):
    """A question to people. The task ends with their decision, and no worker is held while it waits."""

    model_config = ConfigDict(extra="forbid", title="Gate")

    title: Annotated[str, Field(max_length=200)] | None = Field(None, description="The question, in a line.")
    message: Annotated[str, Field(max_length=10_000)] | None = Field(None, description="What to know before.")
    form: Annotated[dict[str, Any], AfterValidator(_schema)] | None = Field(
        None, description="JSON Schema of what is decided on."
    )
    draft: Any = Field(None, description="What is proposed, to be changed by who decides.")
    who: Who | None = Field(None, description="Who may decide; by default everybody.")
    quorum: Quorum = Field(1, description="So many have to agree; one who rejects is enough to reject.")
    self_approval: Flag = Field(True, description="Whether who submitted the scenario may decide.")
    deadline: Span | None = Field(None, description="How long it waits.")
    default: DefaultForm | None = Field(
        None, description="What holds when nobody decided in time; without it the task fails."
    )
    on_reject: Literal["fail", "continue"] = Field(
        "fail", description="A rejection fails the task, or is its result as any other decision."
    )


def gate_of(form: GateForm) -> dict[str, Any]:
    """`on_ready.gate`: what was given, with the deadline as `deadline_ms`."""
    given = form.model_dump(exclude_unset=True)
    if "deadline" in given:
        given["deadline_ms"] = given.pop("deadline")
    return {name: value for name, value in given.items() if value is not None or name == "draft"}
