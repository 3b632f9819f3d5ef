"""Where a scenario stands: all that its hash, the index and its timers say at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.messages import Status, loads

from .store import Store

TOGETHER: Final = 20
"""Scenarios of one call."""
STATUSES: Final = ("pending", "processing", "success", "failed", "skipped", "cancelled")
INDEXED: Final = ("pending", "processing", "success", "failed", "cancelled")


@dataclass(frozen=True)
class ScenarioStanding:
    """See the module; all texts as `scenario_standing.lua` gives them, empty when there is none.

    Attributes:
        in_pending ...: its score in the index of that status.
        purge_timer ...: when these timers are due, ms.
    """

    scenario_id: str
    status: str
    total: str
    pending: str
    processing: str
    success: str
    failed: str
    skipped: str
    cancelled: str
    tolerated: str
    materialized: str
    spawned: str
    updated_at: str
    finished_at: str
    created_ms: str
    cancel: str
    cancel_at: str
    paused: str
    pause_at: str
    revive: str
    purged: str
    tenant: str
    batch: str
    error: str
    outcome: str
    within: str
    task_ids_text: str
    in_pending: str
    in_processing: str
    in_success: str
    in_failed: str
    in_cancelled: str
    purge_timer: str
    cancel_timer: str
    pause_timer: str
    resume_timer: str
    revive_timer: str

    @property
    def texts(self) -> list[str]:
        """As the script gave them; tells a script what the caller has seen."""
        return [getattr(self, one.name) for one in fields(self)[1:]]

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return Status(self.status).is_final

    @property
    def task_ids(self) -> list[str]:
        """Ids of its tasks, in the order of the document."""
        return list(loads(self.task_ids_text)) if self.task_ids_text else []

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of its tasks by `STATUSES`, then of the failed ones that are tolerated."""
        return tuple(int(getattr(self, name) or 0) for name in (*STATUSES, "tolerated"))

    @property
    def unmade(self) -> int:
        """How many of the tasks that it was submitted with were not made yet."""
        return int(self.total or 0) - int(self.spawned or 0) - int(self.materialized or 0)

    @property
    def is_rejected(self) -> bool:
        """Whether its tasks could not be made; those that were run on."""
        return (
            self.status == "failed"
            and bool(self.error)
            and not self.error.startswith('{"type":"task_failed"')
        )

    @property
    def indexed_as(self) -> list[str]:
        """Statuses in whose index it stands."""
        return [status for status in INDEXED if getattr(self, f"in_{status}")]

    def is_cancelled(self, task_id: str) -> bool:
        """Whether cancelling has passed a task that does not exist."""
        place = self.task_ids_text.find(f'"{task_id}"') + 1
        return bool(self.cancel) and 0 < place < int(self.cancel_at or 1)


async def scenario_standings(
    store: Store, at: Partition, scenario_ids: Sequence[str]
) -> list[ScenarioStanding | None]:
    """In the order asked; None where there is no such scenario. Raises: Unavailable, Refused."""
    found: list[ScenarioStanding | None] = []
    values = {"home": at.timers, "prefix": at.prefix}
    for first in range(0, len(scenario_ids), TOGETHER):
        some = list(scenario_ids[first : first + TOGETHER])
        for scenario_id, texts in zip(some, await store.call("scenario_standing", values, some), strict=True):
            known = [text.decode(errors="replace") for text in texts]
            found.append(ScenarioStanding(scenario_id, *known) if known else None)
    return found
