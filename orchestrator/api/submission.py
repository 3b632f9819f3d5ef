"""From a request to a scenario that can be stored: name the variables, generate, submit."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import orjson
from pydantic import BaseModel

from orchestrator.handover import new_scenario, warning, warning_out
from orchestrator.store.records import Idempotency, Line, NewScenario, Owner, ScenarioRecord
from orchestrator.store.store import Store
from orchestrator.templates import Limits, Template, generate
from workers_sdk.protocol.keys import same_slot, scenario_id_from

from .models import GenerateIn, Json, OwnedIn, ScenarioIn
from .plan import plan_out

_DESCRIPTION: Final = ("PROMPT", "DESCRIPTION")
_SLIDES: Final = ("N_SLIDES", "SLIDES_COUNT")

Work = Literal["generate", "plan"]


@dataclass(frozen=True, slots=True)
class Order:
    """What to do for one request. `warnings` were found before; with `strict` those about the template are errors."""

    work: Work
    template: Template
    scenario_id: str
    variables: dict[str, Json]
    warnings: list[Json]
    strict: bool
    idempotency: Idempotency | None = None
    owner: Owner = field(default_factory=Owner)
    line: Line | None = None
    admit: bool = True
    """Whether it may be refused because there is too much work."""
    templates: Sequence[str] | None = None
    """Names of all that there are; None: not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON to answer with. `replayed`: an earlier request made the scenario."""

    body: bytes
    scenario_id: str
    replayed: bool = False


async def carry_out(order: Order, store: Store, limits: Limits) -> Answer:
    """Generate, and submit unless it is for a plan only. The first part is CPU time, bounded by `limits`.

    Raises:
        TemplateError: the template and these variables do not make a scenario.
        IdempotencyConflict, ScenarioTooLarge, Overloaded, BatchCancelled, Unavailable, Refused: see `Store.submit`.
    """
    scenario = generate(
        order.template,
        scenario_id=order.scenario_id,
        variables=order.variables,
        now=datetime.now(UTC),
        strict=order.strict,
        limits=limits,
        templates=order.templates,
    )
    warnings = order.warnings + [warning_out(problem) for problem in scenario.warnings]
    if order.work == "plan":
        return Answer(orjson.dumps(plan_out(scenario, warnings)), order.scenario_id)
    new = new_scenario(scenario, warnings, order.owner)
    submitted = await store.submit(new, order.idempotency, line=order.line, admit=order.admit)
    # The template may have changed since the first time: a replay tells what was stored then.
    tells = submitted.replayed and order.line is None
    first = await store.scenario(submitted.scenario_id) if tells else None
    return Answer(accepted(submitted.scenario_id, first or new), submitted.scenario_id, submitted.replayed)


async def replayed(order: Order, store: Store) -> Answer | None:
    """The answer to a request that was carried out before under the same idempotency key; None: there was none.

    Raises: IdempotencyConflict, Unavailable, Refused.
    """
    return await replay(order.scenario_id, order.idempotency, store) if order.idempotency else None


async def replay(scenario_id: str, idempotency: Idempotency, store: Store) -> Answer | None:
    """The same for a key; `scenario_id`: any id in its slot."""
    first_id = await store.replayed(scenario_id, idempotency)
    first = await store.scenario(first_id) if first_id else None
    return Answer(accepted(first.scenario_id, first), first.scenario_id, replayed=True) if first else None


def accepted(scenario_id: str, scenario: NewScenario | ScenarioRecord) -> bytes:
    """A `GenerateOut` but for its durability."""
    return orjson.dumps(
        {
            "scenario_id": scenario_id,
            "name": scenario.name,
            "version": scenario.version,
            "status": "pending",
            "total": len(scenario.task_ids),
            "task_ids": scenario.task_ids,
            "warnings": scenario.warnings,
            "links": {"self": f"/scenarios/{scenario_id}"},
        }
    )


def variables_of(body: ScenarioIn, template: Template) -> tuple[dict[str, Json], list[Json]]:
    """Variables of a request by name; a `WarningOut` for each field that the template has no use for."""
    variables: dict[str, Json] = {}
    warnings: list[Json] = []
    for given, names in (("description", _DESCRIPTION), ("slides_count", _SLIDES)):
        value = getattr(body, given)
        declared = [name for name in names if name in template.variables]
        if value is not None and not declared:
            warnings.append(_unused(given, template))
        if value is not None:
            variables.update(dict.fromkeys(declared, value))
    return variables | body.variables, warnings


def _unused(field: str, template: Template) -> Json:
    takes = ", ".join(sorted(template.variables)) or "no variables"
    message = f"{template.name} has no use for `{field}`; it takes {takes}."
    return warning("unused_field", message, f"/{field}")


def owner_of(body: OwnedIn) -> Owner:
    """On whose behalf a request is made."""
    return Owner(body.tenant or "", body.priority, body.submitter or "")


def identify(body: GenerateIn, key: str | None) -> tuple[str, Idempotency | None]:
    """Choose a new id. An idempotency key decides its slot, so that a repetition is looked up where the first is known.
    Tenants do not see each other's keys."""
    scenario_id = scenario_id_from(secrets.token_bytes(16))
    if key is None:
        return scenario_id, None
    own_key = f"{body.tenant}\n{key}" if body.tenant else key
    return same_slot(scenario_id, own_key), Idempotency(own_key, digest_of(body))


def digest_of(body: BaseModel) -> str:
    """The same for the same request, however it is written."""
    return hashlib.sha256(orjson.dumps(body.model_dump(), option=orjson.OPT_SORT_KEYS)).hexdigest()
