"""Any mixture of work, limits, pauses, cancellations and losses: no limit is ever broken, and nothing is lost."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.store.flow import ALL
from orchestrator.store.flow_records import Limits, Pause, Rate
from orchestrator.store.records import Cause, NewScenario
from orchestrator.store.store import Policy, Store
from tests.support.lanes import SERVICE, Lanes
from tests.support.leaks import leaked_keys
from tests.support.scripts import virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, TaskEntry

WHY: Final = Pause("why", "who")
MAX_OF_KEY: Final = 2
RATE_OF_KEY: Final = {"count": 1, "per_ms": 500, "burst": 3}
WORDS: Final = (
    "add", "take", "succeed", "fail", "lose", "cancel", "cancel_task", "limit", "forget", "pause", "resume", "pause_all",
    "resume_all", "pause_scenario", "resume_scenario", "wait", "due",
)  # fmt: skip

steps = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 7)), min_size=5, max_size=40)


class Model:
    """What a client and a worker know."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.scenarios: list[NewScenario] = []
        self.running: list[TaskEntry] = []
        self.concurrency: int | None = None
        self.fair = True
        """Whether all that runs began under the limit."""

    async def step(self, word: str, n: int) -> None:
        """Do one step; `n` chooses among what there is."""
        action: Callable[[int], Awaitable[Any]] = getattr(self, f"_{word}")
        await action(n)
        await self.check()

    async def _add(self, n: int) -> None:
        flow: dict[str, Any] = {"priority": n % 5, "tenant": f"tenant {n % 3}"}
        if n > 2:
            flow |= {"key": f"user {n % 2}", "max": MAX_OF_KEY}
        if n > 5:
            flow |= {"rate": RATE_OF_KEY}
        self.scenarios.append(await self.lanes.add([f"t{k}" for k in range(n + 1)], flow if n else None))

    async def _take(self, n: int) -> None:
        await self.lanes.due()
        taken = await self.lanes.worker.take(n + 1)
        self.running += taken
        paused = await self.lanes.link.execute("HMGET", self.lanes.at.flow, "*", f"{SERVICE}:paused")
        assert not taken or paused == [None, None]
        for entry in taken:
            key = self.lanes.at.scenario(entry.scenario_id)
            assert await self.lanes.link.execute("HMGET", key, "paused", "cancel") == [None, None]

    async def _succeed(self, n: int) -> None:
        if self.running:
            await self.lanes.end([self.running.pop(n % len(self.running))])

    async def _fail(self, n: int) -> None:
        if self.running:
            entry = self.running.pop(n % len(self.running))
            await self.lanes.worker.report(entry, EventKind.FAILED, error='{"type":"Boom"}')
            await self.lanes.end([])

    async def _lose(self, _n: int) -> None:
        policy = Policy(lease_ms=0, max_lost=1_000)
        await Store(self.lanes.link, Partitions(1), policy, scripts=virtual_scripts()).sweep(
            self.lanes.at, SERVICE
        )
        self.running = []

    async def _cancel(self, n: int) -> None:
        if self.scenarios:
            scenario_id = self.scenarios[n % len(self.scenarios)].scenario_id
            while await self.lanes.store.cancel(scenario_id, Cause()) == "MORE":
                continue
            self.running = [entry for entry in self.running if entry.scenario_id != scenario_id]

    async def _cancel_task(self, n: int) -> None:
        if self.scenarios:
            task_id = self.scenarios[n % len(self.scenarios)].task_ids[0]
            await self.lanes.store.cancel_task(task_id, Cause())
            self.running = [entry for entry in self.running if entry.task_id != task_id]

    async def _limit(self, n: int) -> None:
        self.concurrency = n + 1
        rate = Rate(n, 100, n) if n > 5 else None
        await self.lanes.flow.limit(SERVICE, Limits(self.concurrency, rate, {"tenant 1": 2.5}))
        self.fair = len(self.running) <= self.concurrency and self.fair

    async def _forget(self, _n: int) -> None:
        self.concurrency = None
        await self.lanes.flow.forget(SERVICE)
        self.fair = False

    async def _pause(self, _n: int) -> None:
        await self.lanes.flow.pause(SERVICE, WHY)

    async def _resume(self, _n: int) -> None:
        await self.lanes.flow.resume(SERVICE)

    async def _pause_all(self, _n: int) -> None:
        await self.lanes.flow.pause(ALL, WHY)

    async def _resume_all(self, _n: int) -> None:
        await self.lanes.flow.resume(ALL)

    async def _pause_scenario(self, n: int) -> None:
        if self.scenarios:
            scenario_id = self.scenarios[n % len(self.scenarios)].scenario_id
            await self.lanes.flow.pause_scenario(scenario_id, WHY)
            while await self.lanes.flow.pause_scenario(scenario_id) == "MORE":
                continue

    async def _resume_scenario(self, n: int) -> None:
        if self.scenarios:
            scenario_id = self.scenarios[n % len(self.scenarios)].scenario_id
            await self.lanes.flow.resume_scenario(scenario_id, begin=True)

    async def _wait(self, n: int) -> None:
        await self.lanes.passed(50 * n)

    async def _due(self, _n: int) -> None:
        await self.lanes.due()

    async def check(self) -> None:
        """No limit is broken, and every set of flow holds what says that it stands there."""
        link, at = self.lanes.link, self.lanes.at
        out = await link.execute("SCARD", at.slots(SERVICE))
        if self.fair and self.concurrency:
            assert out <= self.concurrency
            assert len(self.running) <= self.concurrency
        for key in ("user 0", "user 1"):
            assert await link.execute("SCARD", at.slots(SERVICE, key)) <= MAX_OF_KEY
        assert await leaked_keys(link) == []
        await self.check_places()

    async def check_places(self) -> None:
        """A ready task that no worker has stands in one place, and in no other."""
        link, at = self.lanes.link, self.lanes.at
        queued = Counter(
            flat[flat.index(b"id") + 1]
            for _, flat in await link.execute("XRANGE", at.queue(SERVICE), "-", "+")
        )
        for scenario in self.scenarios:
            for task_id in scenario.task_ids:
                status, entry, places = await link.execute(
                    "HMGET", at.task(task_id), "status", "entry", "flow_places"
                )
                waits = bool(places) and not places.startswith(b"slots")
                alive = status in (b"pending", b"processing")
                assert queued[task_id.encode()] + waits == alive, (status, entry, places)
                for place in (places or b"").decode().split("\n") if places else ():
                    command = "SISMEMBER" if place.startswith("slots") else "ZSCORE"
                    assert await link.execute(command, place, task_id)

    async def finish(self) -> None:
        """End all pauses; then all that is left is done."""
        await self._resume(0)
        await self._resume_all(0)
        for scenario in self.scenarios:
            while await self.lanes.flow.resume_scenario(scenario.scenario_id, begin=True) == "MORE":
                continue
        for _ in range(1_000):
            await self.lanes.passed(500)
            await self._take(100)
            await self.check()
            await self.lanes.end(self.running)
            self.running = []
            if all([await self._is_final(scenario) for scenario in self.scenarios]):
                return
        raise AssertionError("what is left is never done")

    async def _is_final(self, scenario: NewScenario) -> bool:
        record = await self.lanes.store.scenario(scenario.scenario_id)
        return record is not None and record.status.is_final


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.sampled_from((2, 64)))
async def test_no_limit_is_ever_broken_and_nothing_is_lost(
    link: RedisLink, doing: list[tuple[str, int]], chunk: int
) -> None:
    await link.execute("FLUSHALL")
    model = Model(await Lanes(link, chunk=chunk).open())
    for word, n in doing:
        await model.step(word, n)

    await model.finish()

    state = await model.lanes.flow.state(SERVICE)
    assert (state.waiting, state.out, state.queued) == ({}, 0, 0)
