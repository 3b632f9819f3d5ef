"""Times and limits of the engine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Times and limits of the engine. All times in milliseconds.

    Attributes:
        lease_ms: a task whose worker shows no life for so long is handed out again.
        http_lease_ms: the same for a task worked on over HTTP, which has no other sign of life than its PATCH.
        max_lost: a task whose workers were lost so often fails with cause `worker_lost`.
        retention_ms: how long a finished scenario is kept.
        retention_success_ms, retention_failed_ms, retention_cancelled_ms: the same by how it ended; None: as above.
        max_unfinished: a new scenario is refused while so many are not finished; 0: never. Scenarios within
            scenarios are counted, and not refused.
        max_unfinished_of_tenant: the same within a tenant. Every partition takes its share of both, rounded up.
        max_deliveries: a message of a webhook is dropped, and counted, while so many wait for its endpoint; 0: never.
        chunk: tasks written, purged or released in one script call; bounds the time of a script.
    """

    lease_ms: int = 15_000
    http_lease_ms: int = 300_000
    max_lost: int = 3
    retention_ms: int = 7 * 86_400_000
    retention_success_ms: int | None = None
    retention_failed_ms: int | None = None
    retention_cancelled_ms: int | None = None
    max_unfinished: int = 0
    max_unfinished_of_tenant: int = 0
    max_deliveries: int = 0
    chunk: int = 64

    @property
    def retentions(self) -> tuple[int, int, int]:
        """Milliseconds that a scenario is kept: of success, failed, cancelled."""
        own = (self.retention_success_ms, self.retention_failed_ms, self.retention_cancelled_ms)
        success, failed, cancelled = (self.retention_ms if one is None else one for one in own)
        return success, failed, cancelled

    @property
    def retention(self) -> str:
        """The same as scripts take it."""
        return " ".join(map(str, self.retentions))
