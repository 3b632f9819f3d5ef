"""Terms of a task: when and how it starts, where that does not shape the graph. They go into `rules` and `on_ready`.

They are filled anew for every request: a key such as `user-{{ USER }}` must not make a plan of its own.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError

from orchestrator.templates.flow import Concurrency, Priority, Rate, flow_of, has_two_keys
from orchestrator.templates.gate import GateForm, gate_of
from orchestrator.templates.tree import Json, Tree, substitute
from orchestrator.templates.units import Duration, Moment

Named = tuple[str, Tree]
OF_SERVICE: Final = ("priority", "concurrency", "rate")
"""Terms that may stand in `services` for all tasks of a service."""


class Unfit(ValueError):
    """Values of this request are no terms; a new plan tells what is wrong with them."""


class TermsForm(BaseModel):
    """Fields of a task that are filled for every request."""

    priority: Priority | None = Field(None, description="0 goes first, 4 last; 2 without it.")
    concurrency: Concurrency | None = Field(None, description="How many of a key run at once.")
    rate: Rate | None = Field(None, description="How many of a key start in a time.")
    delay: Duration | None = Field(None, description="Wait so long when nothing else is waited for any more.")
    run_at: Moment | None = Field(None, description="Not before this moment.")
    gate: GateForm | None = Field(None, description="People decide; nobody works on it, so no `service`.")
    scenario: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="Run this scenario as a part of this one; no `service`."
    )
    variables: dict[str, Any] | None = Field(None, description="Variables of `scenario`.")


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """Terms that hold values. `inherited` ones come from `services`; their tokens are those of the document."""

    service: str
    settled: dict[str, Json]
    own: tuple[Named, ...]
    inherited: tuple[Named, ...]

    def said(self, values: list[Json], own_values: list[Json]) -> tuple[dict[str, Json], dict[str, Json]]:
        """`rules` and `on_ready` with these values. Raises Unfit."""
        fields = self.settled.copy()
        for name, tree in self.own:
            fields[name] = substitute(tree, own_values)
        for name, tree in self.inherited:
            fields[name] = substitute(tree, values)
        return said(fields, self.service)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What `rules` and `on_ready` of a task are made of. `undoes` is the index of a task."""

    rules: dict[str, Json]
    on_ready: dict[str, Json]
    open: Open | None = None
    undoes: int | None = None

    def filled(
        self, values: list[Json], own_values: list[Json], ids: list[str]
    ) -> tuple[dict[str, Json] | None, dict[str, Json] | None]:
        """`rules` and `on_ready` of a task; None for what is empty. Raises Unfit."""
        rules, on_ready = self.rules, self.on_ready
        if self.open is not None:
            more_rules, more = self.open.said(values, own_values)
            rules, on_ready = {**rules, **more_rules}, {**on_ready, **more}
        if self.undoes is not None:
            on_ready = {**on_ready, "compensates": ids[self.undoes]}
        if on_ready:
            rules = {**rules, "ask": True}
        return rules or None, on_ready or None


def said(fields: dict[str, Json], service: str) -> tuple[dict[str, Json], dict[str, Json]]:
    """What terms come to in `rules` and `on_ready`. Raises Unfit."""
    try:
        form = TermsForm.model_validate(fields)
    except ValidationError as error:
        raise Unfit(str(error)) from error
    if has_two_keys(form.concurrency, form.rate):
        raise Unfit("two keys")
    flow = flow_of(form.priority, form.concurrency, form.rate, service)
    on_ready: dict[str, Json] = {}
    if form.delay:
        on_ready["delay_ms"] = form.delay
    if form.run_at is not None:
        on_ready["at_ms"] = form.run_at
    if form.gate is not None:
        on_ready["gate"] = gate_of(form.gate)
    if form.scenario is not None:
        on_ready["scenario"] = {"name": form.scenario, "variables": form.variables or {}}
    return ({"flow": flow} if flow else {}), on_ready
