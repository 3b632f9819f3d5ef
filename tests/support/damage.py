"""A workshop where the state is damaged on purpose, repaired, and then worked on to its end by a real engine."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Pause
from orchestrator.store.fsck import Fsck
from orchestrator.store.fsck_records import Report
from orchestrator.store.records import NewScenario
from orchestrator.store.store import Policy, Store
from tests.support.engines import QUICK, running_engine
from tests.support.inquiry import Inquiry
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

NOBODY: Final = "zzzzzzzzzzzzzzzz"
"""An id of nothing."""


class Workshop(Inquiry):
    """See the module. Time is real, so that a real engine can go on with what stands here."""

    why_pause = Pause("repair", "ann")

    def __init__(self, link: RedisLink) -> None:
        super().__init__(link)
        self.store = Store(link, Partitions(1), Policy(http_lease_ms=300))
        self.flow = Flow(self.store)
        self.advancer = Advancer(self.store, Seams(link), self.at, "a1")

    async def checked(self, *, repair: bool = False) -> Report:
        """A check of everything."""
        return await Fsck(self.store, settle_s=0).run(repair=repair)

    async def finished(self, url: str, scenario: NewScenario) -> Status:
        """Let an engine and a worker go on until the scenario has ended: how."""
        async with running_engine(url, QUICK) as engine:
            worker = PlainWorker(self.link, "plain-2")

            async def step() -> Status | None:
                for entry in await worker.take():
                    await worker.succeed(entry)
                record = await engine.store.scenario(scenario.scenario_id)
                assert record is not None
                return record.status if record.status.is_final else None

            return Status(await wait_until(step, what="the end"))


Harm = Callable[[Workshop], Awaitable[NewScenario | None]]
"""Makes a situation and damages it; gives the scenario that must end after the repair."""
HARMS: Final[dict[str, tuple[set[str], Status, Harm]]] = {}
"""By name: kinds of the faults that are to be found, how the scenario ends after the repair, and what does the harm."""


def finds(*kinds: str, ends: Status = Status.SUCCESS) -> Callable[[Harm], Harm]:
    """Register a harm under the name of its function."""

    def register(harm: Harm) -> Harm:
        HARMS[harm.__name__] = ({*kinds}, ends, harm)
        return harm

    return register


async def fields(link: RedisLink, key: str, **changed: Any) -> None:
    """Write fields of a hash past all scripts."""
    await link.execute("HSET", key, *(part for pair in changed.items() for part in pair))
