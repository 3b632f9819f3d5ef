"""Schedules: the part of the store that starts scenarios at their time. Redis' clock is the only one that counts here.

A fire is worked out from the schedule and the time, decided by `begin_fire`, made by submitting the scenario under an id
that follows from schedule and time, and closed by `end_fire`. Any replica may do any part of it, twice as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from workers_sdk.protocol.keys import short_uuid
from workers_sdk.protocol.messages import dumps, loads

from .listing import Position, newest_of
from .records import Cause
from .schedule_records import (
    Definition,
    Fire,
    FireOutcome,
    FireRecord,
    ScheduleRecord,
    State,
    schedule_record,
)
from .store import Store
from .turns import turn_of
from .when import BadWhen, When

POLL_MS: Final = 5_000
"""How often it is looked whether the scenario has ended that a fire waits for, or whether there is room for a new one."""
KEPT_FIRES: Final = 20
_TRIES: Final = 10


class ScheduleEnded(Exception):
    """The schedule has no further fire; nothing about it can be changed."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Answer of `begin_fire`: its word; the fire to go on with after START, else the scenario that is in the way."""

    word: str
    fire: Fire | None = None
    scenario_id: str = ""


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """Schedules, newest first. `next_cursor` is None on the last page."""

    items: list[ScheduleRecord]
    next_cursor: str | None


class Schedules:
    """All methods may raise Unavailable and Refused, and may be repeated. Ids must satisfy `is_id`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, schedule_id: str) -> tuple[int, ScheduleRecord | None]:
        """The time of Redis in milliseconds, and the schedule."""
        key = self._store.partitions.of(schedule_id).schedule(schedule_id)
        now_ms, *flat = await self._store.call("read_schedule", {"schedule": key})
        return now_ms, schedule_record(_texts(flat))

    async def fires(self, schedule_id: str) -> list[FireRecord]:
        """What became of the last fires, newest first."""
        key = self._store.partitions.of(schedule_id).fires(schedule_id)
        found = [loads(text) for text in await self._store.link.execute("LRANGE", key, 0, -1)]
        return [FireRecord(**{**one, "outcome": FireOutcome(one["outcome"])}) for one in found]

    async def page(self, *, cursor: str | None = None, limit: int = 50) -> SchedulePage:
        """Schedules, newest first. Raises BadCursor."""
        after = Position.parse(cursor) if cursor else None
        link, places = self._store.link, self._store.partitions
        newest = await newest_of(link, [at.schedules for at in places], after, limit + 1)
        ids = [position.scenario_id for position in newest[:limit]]
        found = await link.execute_many([("HGETALL", places.of(one).schedule(one)) for one in ids])
        records = [schedule_record(_texts(flat)) for flat in found]
        more = str(newest[limit - 1]) if len(newest) > limit else None
        return SchedulePage([record for record in records if record], more)

    # --- changes -------------------------------------------------------------------------------------------------------

    async def create(
        self, schedule_id: str, definition: Definition, *, delay_ms: int = 0, paused: Cause | None = None
    ) -> tuple[ScheduleRecord, bool]:
        """Make a schedule; one of this id that is there already is given back, with False.

        Args:
            delay_ms: it fires once, so long from now; `definition.when` then gives no time.

        Raises:
            BadWhen: its times are none, or all of them have passed.
        """
        now_ms, known = await self.read(schedule_id)
        if known:
            return known, False
        when = definition.when
        when = replace(
            when, anchor_ms=when.start_ms or now_ms, once_ms=when.once_ms or (delay_ms and now_ms + delay_ms)
        )
        when.check()
        first = when.once_ms or when.after(now_ms)  # a single moment that has passed is late, not gone
        if first is None or first < when.start_ms or (when.end_ms and first > when.end_ms):
            raise BadWhen("", "it would never fire")
        definition = replace(definition, when=when)
        facts = ["schedule_id", schedule_id, "definition", definition.text(), "overlap", definition.overlap]
        facts += ["max_runs", str(definition.max_runs), *_switched(when, schedule_id, first, paused)]
        turn_ms = _turn_ms(when, schedule_id, None if paused else first)
        word = await self._put(schedule_id, "", turn_ms, facts)
        _, made = await self.read(schedule_id)
        if made is None:  # somebody removed it at once
            return await self.create(schedule_id, definition, paused=paused)
        return made, word == "CREATED"

    async def pause(self, schedule_id: str, cause: Cause) -> ScheduleRecord | None:
        """No further fire until `resume`. None: there is no such schedule. Raises ScheduleEnded."""
        return await self._switch(schedule_id, cause)

    async def resume(self, schedule_id: str) -> ScheduleRecord | None:
        """Go on with the next fire from now; those that fell into the pause are not made up for.

        None: there is no such schedule. Raises ScheduleEnded.
        """
        return await self._switch(schedule_id, None)

    async def remove(self, schedule_id: str, *, only_ended: bool = False) -> str:
        """Remove a schedule: a word of `remove_schedule.lua`. Scenarios that it started go on."""
        at = self._store.partitions.of(schedule_id)
        keys = {"schedule": at.schedule(schedule_id), "schedules": at.schedules, "timers": at.timers}
        values = {**keys, "fires": at.fires(schedule_id), "schedule_id": schedule_id}
        word = await self._store.call("remove_schedule", {**values, "only_ended": int(only_ended)})
        return str(word.decode())

    async def _switch(self, schedule_id: str, cause: Cause | None) -> ScheduleRecord | None:
        wanted = State.PAUSED if cause else State.ACTIVE
        for _ in range(_TRIES):
            now_ms, known = await self.read(schedule_id)
            if known is None or known.state is wanted:
                return known
            if known.state is State.ENDED:
                raise ScheduleEnded(schedule_id)
            when = known.definition.when
            following = when.after(now_ms)
            turn_ms = _turn_ms(when, schedule_id, None if cause else following)
            facts = _switched(when, schedule_id, following, cause)
            if not cause and following is None:
                turn_ms = now_ms + self._store.policy.retention_ms
            if await self._put(schedule_id, str(known.revision), turn_ms, facts) == "CHANGED":
                break
        return (await self.read(schedule_id))[1]

    async def _put(self, schedule_id: str, revision: str, turn_ms: int | None, facts: Sequence[str]) -> str:
        at = self._store.partitions.of(schedule_id)
        keys = {"schedule": at.schedule(schedule_id), "schedules": at.schedules, "timers": at.timers}
        values = {**keys, "schedule_id": schedule_id, "revision": revision, "timer_ms": _text(turn_ms)}
        return str((await self._store.call("put_schedule", values, facts)).decode())

    # --- fires ---------------------------------------------------------------------------------------------------------

    def due(self, record: ScheduleRecord, now_ms: int) -> Fire | None:
        """The fire to go on with or to begin now; without a scenario id: fires that are only missed. None: nothing is due.

        May take some ten milliseconds after a long outage.
        """
        if record.fire:
            return record.fire
        if record.state is not State.ACTIVE or record.next_at_ms > now_ms:
            return None
        told, schedule_id = record.definition, record.schedule_id
        turn = turn_of(
            told.when,
            told.misfire,
            told.grace_ms,
            schedule_id=schedule_id,
            next_ms=record.next_ms,
            now_ms=now_ms,
        )
        fire_ms = turn.fire_ms or record.next_ms
        scenario_id = short_uuid(schedule_id, f"fire {fire_ms}") if turn.fire_ms else ""
        return Fire(scenario_id, fire_ms, record.next_ms, turn.then_ms, turn.missed)

    async def begin(self, schedule_id: str, fire: Fire) -> Begun:
        """Decide what becomes of a fire. After START: make the scenario of the given fire, then `end`."""
        at = self._store.partitions.of(schedule_id)
        answer = await self._store.call(
            "begin_fire",
            {
                "schedule": at.schedule(schedule_id),
                "timers": at.timers,
                "prefix": at.prefix,
                "schedule_id": schedule_id,
                "from_ms": _text(fire.from_ms),
                "scenario_id": fire.scenario_id,
                "turn": fire.text(),
                "hold_ms": self._store.policy.lease_ms,
                "poll_ms": POLL_MS,
            },
        )
        word, *more = (part.decode() for part in answer)
        if word == "START":
            return Begun(word, Fire.parse(more[1]), more[0])
        return Begun(word, None, more[0] if more else "")

    async def end(
        self, record: ScheduleRecord, fire: Fire, outcome: FireOutcome, error: dict[str, str] | None = None
    ) -> str:
        """Write down what became of a fire, and set the next one: a word of `end_fire.lua`."""
        at, schedule_id = self._store.partitions.of(record.schedule_id), record.schedule_id
        began = outcome in (FireOutcome.STARTED, FireOutcome.FAILED, FireOutcome.REFUSED)
        values: dict[str, Any] = {
            "schedule": at.schedule(schedule_id),
            "timers": at.timers,
            "fires": at.fires(schedule_id),
            "schedule_id": schedule_id,
            "outcome": outcome.value,
            "scenario_id": fire.scenario_id if began else "",
            "from_ms": _text(fire.from_ms),
            "then_ms": _text(fire.then_ms),
            "then_at_ms": _text(_turn_ms(record.definition.when, schedule_id, fire.then_ms)),
            "entries": b"\n".join(dumps(one) for one in _told(fire, outcome)),
            "cause": dumps(error) if error else "",
        }
        more = {"kept": KEPT_FIRES, "retention_ms": self._store.policy.retention_ms, "again_ms": POLL_MS}
        return str((await self._store.call("end_fire", values | more)).decode())


def asked_fire(schedule_id: str, now_ms: int, key: str = "") -> Fire:
    """A fire out of turn. With a `key` it is the same one every time."""
    return Fire(short_uuid(schedule_id, f"asked {key or now_ms}"), now_ms, None)


def _told(fire: Fire, outcome: FireOutcome) -> list[FireRecord]:
    """For the history. What a refused fire would have left out is told with the one that takes its place."""
    missed = (
        [FireRecord(fire.from_ms, FireOutcome.MISSED, count=fire.missed)]
        if fire.from_ms and fire.missed and outcome is not FireOutcome.REFUSED
        else []
    )
    if outcome is FireOutcome.MISSED:
        return missed
    made = fire.scenario_id if outcome is FireOutcome.STARTED else ""
    return [*missed, FireRecord(fire.fire_ms, outcome, made, asked=fire.from_ms is None)]


def _turn_ms(when: When, schedule_id: str, fire_ms: int | None) -> int | None:
    return None if fire_ms is None else fire_ms + when.jitter_of(schedule_id, fire_ms)


def _switched(when: When, schedule_id: str, next_ms: int | None, paused: Cause | None) -> list[str]:
    """Fields of a schedule that is paused, or runs with this next fire; without one it has ended."""
    if paused:
        why = dumps({"reason": paused.message, "by": paused.by}).decode()
        return ["state", State.PAUSED, "paused", why, "next_ms", "", "next_at_ms", ""]
    state = State.ACTIVE if next_ms is not None else State.ENDED
    turn_ms = _turn_ms(when, schedule_id, next_ms)
    return ["state", state, "paused", "", "next_ms", _text(next_ms), "next_at_ms", _text(turn_ms)]


def _texts(flat: Sequence[bytes]) -> dict[str, str]:
    text = [part.decode() for part in flat]
    return dict(zip(text[::2], text[1::2], strict=True))


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
