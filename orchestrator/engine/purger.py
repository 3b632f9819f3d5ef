"""Removes scenarios whose retention ended: first their artifacts, then all that Redis has of them.

The timekeeper only says which they are: an artifact store may answer slowly or not at all, for which no other timer
should wait.
"""

import asyncio
from itertools import islice
from typing import Final

import structlog
from obstore.exceptions import BaseError

from orchestrator.artifacts import Artifacts
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition, is_id

from .loop import Seams, pause

IDLE_S: Final = 1.0
AT_ONCE: Final = 16
MOST: Final = 10_000
"""Scenarios that wait for their removal; more are left to later, or to other replicas."""
REMOVE_S: Final = 20.0
"""For the artifacts of one scenario, until it is given up for this time."""


class Purger:
    """Purges the scenarios of one partition. All replicas do; a scenario is one's own for as long as its timer moved on.

    Args:
        artifacts: None: there are none, or somebody else removes them.
    """

    name = "purger"

    def __init__(
        self, store: Store, seams: Seams, at: Partition, stop: asyncio.Event, artifacts: Artifacts | None
    ) -> None:
        self._store = store
        self._seams = seams
        self._at = at
        self._stop = stop
        self._artifacts = artifacts
        self._begun: dict[str, None] = {}
        self._told = asyncio.Event()
        self._log = structlog.get_logger().bind(duty=self.name)

    async def due(self, at: Partition, scenario_id: str) -> bool:
        """A `Handler` of the timekeeper."""
        if len(self._begun) >= MOST:
            return False
        word = await self._store.begin_purge(at, scenario_id)
        if word == "BEGUN":
            self._begun[scenario_id] = None
            self._told.set()
        return word != "NOT_DUE"

    async def step(self) -> None:
        """See `Duty.step`."""
        if not self._begun:
            await pause(self._told, self._seams.clock, IDLE_S)
        self._told.clear()
        while self._begun and not self._stop.is_set():
            some = list(islice(self._begun, AT_ONCE))
            for scenario_id in some:  # what fails comes back by its timer
                del self._begun[scenario_id]
            ready = await asyncio.gather(*map(self._without_artifacts, some))
            for scenario_id in (one for one, is_ready in zip(some, ready, strict=True) if is_ready):
                await self._purge(scenario_id)

    async def _purge(self, scenario_id: str) -> None:
        while (word := await self._store.purge(self._at, scenario_id)) == "MORE":
            continue
        if word == "DONE":
            self._log.info("scenario_purged", scenario_id=scenario_id)

    async def _without_artifacts(self, scenario_id: str) -> bool:
        """Whether its artifacts are gone. The engine does not wait for it when it stops."""
        if self._artifacts is None or not is_id(scenario_id):
            return True
        removal = asyncio.ensure_future(self._removed(self._artifacts, scenario_id))
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((removal, stopped), return_when=asyncio.FIRST_COMPLETED)
        for one in (removal, stopped):
            one.cancel()
        await asyncio.wait((removal, stopped))
        return not removal.cancelled() and removal.result()

    async def _removed(self, artifacts: Artifacts, scenario_id: str) -> bool:
        try:
            async with asyncio.timeout(REMOVE_S):
                count = await artifacts.remove(scenario_id)
        except (BaseError, OSError) as error:  # a timeout is an OSError
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            self._log.warning("artifacts_not_removed", scenario_id=scenario_id, error=reason)
            return False
        if count:
            self._log.info("artifacts_removed", scenario_id=scenario_id, count=count)
        return True
