"""Goes on with what was begun by a caller that is gone: tasks of a scenario that are to live again, and large redrives."""

from typing import Final

import structlog

from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.revival import Revival
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition

A_STEP: Final = 1_000
"""Dead letters that a step looks at: a second or so, since other timers wait meanwhile."""


class Reviver:
    """Acts on the timers `revive:<scenario id>` and `redrive:<ms>:<fingerprint>`; see `timekeeper.Handler`."""

    def __init__(self, store: Store) -> None:
        self._revival = Revival(store)
        self._letters = DeadLetters(store)
        self._log = structlog.get_logger().bind(duty="reviver")

    async def revive(self, _at: Partition, scenario_id: str) -> bool:
        """Bring the rest of a scenario's tasks back."""
        revived = await self._revival.carry_on(scenario_id)
        self._log.info(
            "scenario_revived", scenario_id=scenario_id, outcome=revived.word, tasks=len(revived.ids)
        )
        return True

    async def redrive(self, at: Partition, subject: str) -> bool:
        """Look at some of the dead letters that are left; the rest has a timer of its own."""
        over = await self._letters.carry_on(at, subject, most=A_STEP)
        self._log.info("dead_letters_redriven", subject=subject, over=over)
        return True
