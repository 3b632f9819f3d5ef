"""Times and limits of the engine, as the settings have them."""

from orchestrator.config import Settings
from orchestrator.egress import Egress
from orchestrator.store.store import Policy


def policy_of(settings: Settings) -> Policy:
    """The policy for a store."""
    return Policy(
        lease_ms=settings.lease_ms,
        http_lease_ms=settings.http_lease_ms,
        max_lost=settings.max_attempts,
        retention_ms=settings.retention_s * 1000,
        retention_success_ms=_ms(settings.retention_success_s),
        retention_failed_ms=_ms(settings.retention_failed_s),
        retention_cancelled_ms=_ms(settings.retention_cancelled_s),
        max_unfinished=settings.max_unfinished,
        max_unfinished_of_tenant=settings.max_unfinished_of_tenant,
        max_deliveries=settings.webhooks_max_waiting,
    )


def _ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


def egress_of(settings: Settings) -> Egress:
    """Where webhooks may go."""
    return Egress(allow_http=settings.webhooks_allow_http, allow_private=settings.webhooks_allow_private)
