"""Starts the scenarios of schedules whose turn it is.

The timekeeper only says which they are: making a scenario takes CPU time, for which no lease and no retry should wait.
"""

import asyncio
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import structlog

from orchestrator.store.outcomes import Overloaded, TenantFull
from orchestrator.store.records import Cause
from orchestrator.store.schedule_records import Fire, FireOutcome, ScheduleRecord, State
from orchestrator.store.schedules import Schedules
from orchestrator.store.store import Store
from orchestrator.templates import TemplateError
from workers_sdk.protocol.keys import Partition, is_id
from workers_sdk.protocol.link import Refused

from .launcher import NOT_TO_BE, Launcher
from .loop import Seams, pause

IDLE_S: Final = 1.0
MOST_AT_ONCE: Final = 100
"""Fires of one schedule before others have their turn."""
TOGETHER: Final = 8
"""Schedules that are fired at the same time."""
MAX_MESSAGE: Final = 2_000


class Scheduler:
    """Fires the schedules of one partition. All replicas do: see `orchestrator.store.schedules`."""

    name = "scheduler"

    def __init__(
        self, store: Store, launcher: Launcher, seams: Seams, at: Partition, stop: asyncio.Event
    ) -> None:
        self._store = store
        self._schedules = Schedules(store)
        self._launcher = launcher
        self._seams = seams
        self._at = at
        self._stop = stop
        self._due: dict[str, None] = {}
        self._told = asyncio.Event()
        self._log = structlog.get_logger().bind(duty=self.name)

    async def due(self, _at: Partition, schedule_id: str) -> bool:
        """A `Handler` of the timekeeper: it is this one's turn. The timer goes, or moves, when it is done."""
        self._due[schedule_id] = None
        self._told.set()
        return False

    async def step(self) -> None:
        """See `Duty.step`."""
        if not self._due:
            await pause(self._told, self._seams.clock, IDLE_S)
        self._told.clear()
        while self._due and not self._stop.is_set():
            batch = list(islice(self._due, TOGETHER))
            for schedule_id in batch:
                del self._due[schedule_id]  # after an outage the timekeeper tells of it again
            ends = await asyncio.gather(*map(self._unless_refused, batch), return_exceptions=True)
            for error in ends:
                if error is not None:
                    raise error

    async def _unless_refused(self, schedule_id: str) -> None:
        """One that Redis refuses must not keep the others waiting."""
        try:
            await self._turn(schedule_id)
        except Refused as error:
            self._log.error("schedule_refused", schedule_id=schedule_id, error=str(error))

    async def _turn(self, schedule_id: str) -> None:
        if not is_id(schedule_id):
            self._log.error("schedule_id_malformed", schedule_id=schedule_id)
            return
        for _ in range(MOST_AT_ONCE):
            if not await self._once(schedule_id):
                return

    async def _once(self, schedule_id: str) -> bool:
        """Whether something was done, and more may be due."""
        now_ms, record = await self._schedules.read(schedule_id)
        if record is None or (record.state is State.ENDED and not record.fire):
            await self._schedules.remove(schedule_id, only_ended=True)
            return False
        fire = await asyncio.to_thread(self._schedules.due, record, now_ms)
        if fire is None:
            return False
        if not fire.scenario_id:
            return await self._ended(record, fire, FireOutcome.MISSED)
        begun = await self._schedules.begin(schedule_id, fire)
        if begun.word == "START" and begun.fire:
            return await self._start(record, begun.fire)
        if begun.word == "SKIP":
            return await self._ended(record, fire, FireOutcome.SKIPPED)
        if begun.word == "CANCEL":
            await self._cancel(schedule_id, begun.scenario_id)
        return begun.word == "CANCEL"

    async def _start(self, record: ScheduleRecord, fire: Fire) -> bool:
        told = record.definition
        moment = datetime.fromtimestamp(fire.fire_ms / 1000, UTC)
        try:
            await self._launcher.launch(
                told.scenario, told.variables, fire.scenario_id, now=moment, owner=told.owner, admit=True
            )
        except (*NOT_TO_BE, Overloaded) as error:
            if await self._store.scenario(fire.scenario_id) is None:
                outcome = FireOutcome.REFUSED if isinstance(error, Overloaded) else FireOutcome.FAILED
                log = self._log.warning if outcome is FireOutcome.REFUSED else self._log.error
                log("schedule_failed", schedule_id=record.schedule_id, outcome=outcome, error=str(error))
                return await self._ended(record, fire, outcome, cause_of(error))
        return await self._ended(record, fire, FireOutcome.STARTED)

    async def _ended(
        self, record: ScheduleRecord, fire: Fire, outcome: FireOutcome, error: dict[str, str] | None = None
    ) -> bool:
        word = await self._schedules.end(record, fire, outcome, error)
        if word != "STALE":
            self._log.info(
                "schedule_fired",
                schedule_id=record.schedule_id,
                outcome=outcome.value,
                scenario_id=fire.scenario_id,
                missed=fire.missed,
            )
        return word == "STALE" or (word == "DONE" and outcome is not FireOutcome.REFUSED)

    async def _cancel(self, schedule_id: str, scenario_id: str) -> None:
        cause = Cause("the next scenario of its schedule is due", f"schedule {schedule_id}")
        word = await self._store.cancel(scenario_id, cause)
        while word == "MORE":
            word = await self._store.cancel(scenario_id)


def cause_of(error: Exception) -> dict[str, str]:
    """Why there was no scenario, as it is kept: the first problem of a template, and how many more there are."""
    kind, message = type(error).__name__, str(error)
    if isinstance(error, Overloaded):
        kind = "too_many_requests" if isinstance(error, TenantFull) else "overloaded"
    if isinstance(error, TemplateError) and error.problems:
        first, more = error.problems[0], len(error.problems) - 1
        kind, message = first.code, str(first) + (f" and {more} more" if more else "")
    return {"type": kind, "message": message[:MAX_MESSAGE]}
