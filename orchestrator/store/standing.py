"""Where a task stands: all that its hash, its entry, its timers and its places say at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final

from workers_sdk.protocol.keys import GROUP_WORKERS, Partition
from workers_sdk.protocol.messages import Status, loads

from .store import Store

ORCHESTRATOR: Final = "orchestrator"
"""Service of the tasks that no worker does, and `worker` of those that the engine holds."""
TOGETHER: Final = 100
"""Tasks of one call; between two of them others have their turn."""

Json = Any


@dataclass(frozen=True)
class Standing:
    """See the module; all texts as `standing.lua` gives them, empty when there is none.

    Attributes:
        entry_state: of the entry in the queue: `queued` (nobody has it yet), `taken` (a worker has it), `acked` (it stands there
            and nobody will get it), `gone`.
        start, lease, overdue, gate_timer: when these timers are due, ms.
        presence: for each line of `flow_places` 1 or 0: whether it stands there.
        held_for: what the engine holds it for: `scenario <status>`, `scenario none`, `gate <state> <deadline in ms>` (state `mine`:
            it is open), `machine none`, or `machine <state> <outcome> <tasks of this state that were made> <until in ms>
            <its timer>`, each - when there is none.
        listed_dead: of a dead letter: 1 when it stands in its lists, else 0.
        served: 1 when its service is known to be looked after.
        listed_gate: 1 when it stands in the list of gates.
        asked_for: of a task with rules: words of what the engine is asked about it: foreach, gate, scenario, machine, state.
    """

    task_id: str
    status: str
    scenario_id: str
    service: str
    name: str
    token: str
    queue: str
    entry: str
    worker: str
    attempt: str
    group: str
    got: str
    released: str
    rules_text: str
    flow_places: str
    fingerprint: str
    child_scenario_id: str
    consumers_text: str
    updated_at: str
    ready_ms: str
    entry_state: str
    start: str
    lease: str
    overdue: str
    gate_timer: str
    presence: str
    held_for: str
    listed_dead: str
    served: str
    listed_gate: str
    asked_for: str

    @property
    def texts(self) -> list[str]:
        """As the script gave them; tells a script what the caller has seen."""
        return [getattr(self, one.name) for one in fields(self)[1:]]

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return Status(self.status).is_final

    @property
    def is_late(self) -> bool:
        """Whether it ended before what is below it; those that wait for it are told when that has ended."""
        return self.released == "0"

    @property
    def is_over(self) -> bool:
        """Whether all that is below it has ended."""
        if self.group:
            return self.waits_for <= self.children - self.written
        return self.held_for not in ("scenario pending", "scenario processing")

    @property
    def waits_for(self) -> int:
        """How many tasks it waits for, as it counts itself."""
        return int(self.queue or 0)

    @cached_property
    def rules(self) -> dict[str, Json]:
        """See `rules` in ARCHITECTURE.md."""
        return dict(loads(self.rules_text)) if self.rules_text else {}

    @property
    def is_last(self) -> bool:
        """Whether it runs even when its scenario is cancelled. `finally` holds a number, and 0 means yes too."""
        return self.rules.get("finally", False) is not False

    @cached_property
    def consumers(self) -> list[str]:
        """Tasks that wait for it."""
        return list(loads(self.consumers_text)) if self.consumers_text else []

    @property
    def written(self) -> int:
        """Of the tasks that were added to it, those that were made."""
        return int(self.group.split()[0]) if self.group else 0

    @property
    def children(self) -> int:
        """How many tasks were to be added to it."""
        return int(self.group.split()[1]) if self.group else 0

    @property
    def counted(self) -> tuple[int, int]:
        """How many of those that it waited for were good, and how many failed; kept by some tasks only."""
        good, _, lost = self.got.partition(" ")
        return int(good or 0), int(lost or 0)

    @property
    def places(self) -> list[tuple[str, bool]]:
        """Sets of flow control that it names, and whether it stands there."""
        named = self.flow_places.split("\n") if self.flow_places else []
        return [(name, mark == "1") for name, mark in zip(named, self.presence, strict=True)]

    @property
    def waiting_place(self) -> str:
        """The lane or the like that it waits in, by its own word; empty: none."""
        return self.flow_places.split("\n")[0] if self.flow_places and not self.token else ""

    def holds_up(self, task_id: str) -> bool:
        """Whether a task waits for this one: it has not ended, or its end was not counted yet."""
        if self.is_final and not self.released:
            return False
        counted_from = max(int(self.released) - 1, 0) if self.is_final else 0
        return f'"{task_id}"' in self.consumers_text[counted_from:]


async def standings(store: Store, at: Partition, task_ids: Sequence[str]) -> list[Standing | None]:
    """Standings in the order asked, each of one moment; None where there is no such task. Raises: Unavailable, Refused."""
    return (await standings_now(store, at, task_ids))[1]


async def standings_now(
    store: Store, at: Partition, task_ids: Sequence[str]
) -> tuple[int, list[Standing | None]]:
    """The same with the time of Redis at the last of them, in ms; 0 when none were asked for."""
    now_ms = 0
    found: list[Standing | None] = []
    values = {"home": at.timers, "prefix": at.prefix, "workers": GROUP_WORKERS}
    for first in range(0, len(task_ids), TOGETHER):
        some = list(task_ids[first : first + TOGETHER])
        now_ms, *answers = await store.call("standing", values, some)
        found += [_standing(task_id, texts) for task_id, texts in zip(some, answers, strict=True)]
    return now_ms, found


def _standing(task_id: str, texts: Sequence[bytes]) -> Standing | None:
    return Standing(task_id, *(text.decode(errors="replace") for text in texts)) if texts else None
