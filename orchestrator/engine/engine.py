"""One orchestrator replica: the duties, for every partition. Replicas are equal and need not know each other."""

import asyncio
import os
import socket

import structlog

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition
from workers_sdk.protocol.link import Refused, Unavailable

from .advancer import Advancer
from .loop import Duty, Seams, keep_going
from .materializer import Materializer
from .sweeper import Sweeper
from .timekeeper import Timekeeper


class Engine:
    """See the module.

    Args:
        store: opened with `sets_lease=True`.
        seams: `seams.reading` must be a link of its own that waits longer than `reader.BLOCK_MS`.
        name: consumer name in the group `orchestrator`; made from host, process id and chance by default.
    """

    def __init__(self, store: Store, seams: Seams, *, name: str = "") -> None:
        self._store = store
        self._seams = seams
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{seams.randomness.nonce()[:4]}"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish the steps under way (about a second) and leave the groups.

        Raises:
            ExceptionGroup: a bug ended a duty; the process should end too, others carry on.
        """
        log = structlog.get_logger().bind(engine=self.name, partitions=self._store.partitions.count)
        log.info("engine_started")
        async with asyncio.TaskGroup() as group:
            for at in self._store.partitions:
                for duty in self._duties(at, stop):
                    group.create_task(keep_going(duty, self._seams, stop), name=f"{duty.name}-{at.index}")
        await self._leave()
        log.info("engine_stopped")

    def _duties(self, at: Partition, stop: asyncio.Event) -> list[Duty]:
        return [
            Materializer(self._store, self._seams, at, self.name),
            Advancer(self._store, self._seams, at, self.name),
            Sweeper(self._store, self._seams, at, stop),
            Timekeeper(self._store, self._seams, at, stop),
        ]

    async def _leave(self) -> None:
        """What is pending for this replica keeps its name in the group; another one takes it over."""
        for at in self._store.partitions:
            for stream in (at.scenarios, at.task_events):
                try:
                    await self._store.leave(stream, GROUP_ORCHESTRATOR, self.name)
                except (Unavailable, Refused):
                    return
