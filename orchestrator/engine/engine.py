"""One orchestrator replica: the duties, for every partition. Replicas are equal and need not know each other."""

import asyncio
import os
import socket

import structlog

from orchestrator.artifacts import Artifacts
from orchestrator.store.batches import Batches
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition
from workers_sdk.protocol.link import Refused, Unavailable

from .advancer import Advancer
from .announcer import Announcer
from .courier import Courier
from .decider import Decider
from .filler import Filler
from .gates import Gates
from .launcher import Launcher
from .loop import Answering, Duty, Seams, keep_going
from .machines import Machines
from .materializer import Materializer
from .overdue import Overdue
from .purger import Purger
from .reviver import Reviver
from .scheduler import Scheduler
from .sender import Sender, Sending
from .sweeper import Sweeper
from .timekeeper import Handler, Timekeeper


class Engine:
    """See the module.

    Args:
        store: opened with `sets_lease=True`.
        seams: `seams.reading` must be a link of its own that waits longer than `reader.BLOCK_MS`.
        name: consumer name in the group `orchestrator`; made from host, process id and chance by default.
        launcher: starts scenarios from templates; without one, schedules are left to other replicas.
        sending: how webhooks are sent; by default only to public addresses by https.
        artifacts: what goes with its scenario at the end of its retention; without it, artifacts stay.
    """

    def __init__(
        self,
        store: Store,
        seams: Seams,
        *,
        name: str = "",
        launcher: Launcher | None = None,
        sending: Sending | None = None,
        artifacts: Artifacts | None = None,
    ) -> None:
        self._store = store
        self._seams = seams
        self._launcher = launcher
        self._sending = sending
        self._artifacts = artifacts
        self._fillers: dict[int, Filler] = {}
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{seams.randomness.nonce()[:4]}"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish the steps under way (about a second) and leave the groups.

        Raises:
            ExceptionGroup: a bug ended a duty; the process should end too, others carry on.
        """
        log = structlog.get_logger().bind(engine=self.name, partitions=self._store.partitions.count)
        log.info("engine_started")
        self._store.on_touched = lambda at, timers: self._fillers[at.index].touched(timers)
        sender = Sender(self._store, self._seams, self._sending)
        async with sender, asyncio.TaskGroup() as group:
            for at in self._store.partitions:
                for duty in [*self._duties(at, stop), *self._webhooks(at, stop, sender)]:
                    name = f"{duty.name}-{at.index}"
                    group.create_task(keep_going(duty, self._seams, stop, name=name), name=name)
        await self._leave()
        log.info("engine_stopped")

    def _duties(self, at: Partition, stop: asyncio.Event) -> list[Duty]:
        scheduler = Scheduler(self._store, self._launcher, self._seams, at, stop) if self._launcher else None
        schedules = {"schedule": scheduler.due} if scheduler else {}
        filler = Filler(self._store, at, stop)
        self._fillers[at.index] = filler
        purger = Purger(self._store, self._seams, at, stop, self._artifacts)
        answering = Answering(self._seams.clock)
        overdue = {"overdue": Overdue(self._store, answering.for_s).fire}
        handlers = {**overdue, **self._timers(), **filler.handlers(), **schedules, "purge": purger.due}
        return [
            filler,
            purger,
            Materializer(self._store, self._seams, at, self.name, stop),
            Advancer(self._store, self._seams, at, self.name, Decider(self._store, self._launcher), stop),
            Sweeper(self._store, self._seams, at, stop),
            Timekeeper(self._store, self._seams, at, stop, handlers, answering),
            *([scheduler] if scheduler else []),
        ]

    def _webhooks(self, at: Partition, stop: asyncio.Event, sender: Sender) -> list[Duty]:
        courier = Courier(sender, self._seams, at, stop)
        return [courier, Announcer(self._store, self._seams, at, self.name, stop, courier.look)]

    def _timers(self) -> dict[str, Handler]:
        """What acts on the timers of the features."""
        reviver = Reviver(self._store)
        revivals = {"revive": reviver.revive, "redrive": reviver.redrive}
        others = {"cancel-batch": Batches(self._store).carry_on, "state": Machines(self._store).due}
        return {"gate": Gates(self._store).due, **revivals, **others}

    async def _leave(self) -> None:
        """What is pending for this replica keeps its name in the group; another one takes it over."""
        for at in self._store.partitions:
            for stream in (at.scenarios, at.task_events, at.outbox):
                try:
                    await self._store.leave(stream, GROUP_ORCHESTRATOR, self.name)
                except Refused:
                    continue  # nobody ever wrote to it
                except Unavailable:
                    return
