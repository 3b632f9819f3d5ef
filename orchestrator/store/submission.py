"""A submission as submit.lua takes it, and what it answers."""

from typing import Any, Final

from workers_sdk.protocol.keys import Partitions

from .arguments import encoded, hashed, scenario_fields
from .outcomes import BatchCancelled, IdempotencyConflict, OriginGone, Overloaded, TaskEnded, TenantFull
from .policy import Policy
from .records import Idempotency, Line, NewScenario, Submitted

IDEMPOTENCY_MS: Final = 24 * 3_600_000

Values = dict[str, Any]
Fields = list[str | bytes]


def submission(
    scenario: NewScenario,
    partitions: Partitions,
    policy: Policy,
    idempotency: Idempotency | None,
    line: Line | None,
    *,
    admit: bool,
) -> tuple[Values, Fields]:
    """Values and rest of the call. Raises: ScenarioTooLarge."""
    at = partitions.of(scenario.scenario_id)
    inbox = encoded(scenario.tasks, policy.chunk)
    digest = idempotency.body_digest if idempotency else line.digest if line else ""
    values: Values = {
        "scenarios": at.scenarios,
        "scenario": at.scenario(scenario.scenario_id),
        "idempotency": at.idempotency(hashed(idempotency.key if idempotency else "")),
        "prefix": at.prefix,
        "scenario_id": scenario.scenario_id,
        "digest": digest,
        # No longer than the scenario itself is kept, or a replay would name one that is gone.
        "keep_ms": min(IDEMPOTENCY_MS, *policy.retentions),
        "total": len(scenario.tasks),
        "tenant": scenario.owner.tenant,
        "most": _share(policy.max_unfinished, partitions) if admit else 0,
        "tenant_most": _share(policy.max_unfinished_of_tenant, partitions) if admit else 0,
        "batch": line.batch_id if line else "",
        "line": line.number if line else 0,
        "origin": scenario.origin.get("scenario_id", ""),
        "parent": scenario.parent,
        "inbox": len(inbox),
    }
    return values, inbox + scenario_fields(scenario)


def _share(limit: int, partitions: Partitions) -> int:
    return -(-limit // partitions.count)


def submitted(answer: list[bytes], scenario: NewScenario, line: Line | None) -> Submitted:
    """What became of it. Raises: IdempotencyConflict, Overloaded, BatchCancelled, OriginGone, TaskEnded."""
    word, scenario_id = (part.decode() for part in answer)
    if word == "CONFLICT":
        raise IdempotencyConflict(scenario_id)
    if word == "FULL":
        raise Overloaded("as many scenarios wait or run as there may be")
    if word == "TENANT_FULL":
        raise TenantFull("as many scenarios of the tenant wait or run as there may be")
    if word == "CANCELLED":
        raise BatchCancelled(line.batch_id if line else "")
    if word == "PURGED":
        raise OriginGone(scenario.origin.get("scenario_id", ""))
    if word == "ENDED":
        raise TaskEnded(scenario.parent)
    # Without a batch a replay under our own id is an earlier try of ours whose reply was lost.
    return Submitted(
        scenario_id, replayed=word == "REPLAYED" and (line is not None or scenario_id != scenario.scenario_id)
    )
