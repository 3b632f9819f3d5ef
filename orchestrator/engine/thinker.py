"""Lets the Decider look at many tasks at once, and has applied what it decides as soon as it is decided."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from orchestrator.store.outcomes import Overloaded
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Refused, Unavailable
from workers_sdk.protocol.messages import EventKind, TaskEvent
from workers_sdk.protocol.seams import Clock

from .decider import Decider

LOOKS: Final = 32
"""Tasks that are looked at at the same time: most of a look is waiting for Redis."""
MOST: Final = 256
"""While so many wait to be looked at, no more are taken: other replicas may have time for them."""
PATIENCE_S: Final = 0.005
"""Thinking that lasts longer, such as making thousands of children, does not keep reports waiting."""


@dataclass(frozen=True, slots=True)
class Reported:
    """Reports of one entry that can be applied. `ends`: after that, nothing of it is left to be done."""

    entry_id: str
    events: list[TaskEvent]
    ends: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What the Decider must think about of one entry."""

    entry_id: str
    questions: list[TaskEvent]


Apply = Callable[[Sequence[Reported]], Awaitable[set[str]]]
"""Applies reports and removes the entries that end with them; gives the ids of those with a report that was refused."""
Answer = list[TaskEvent] | Refused | Unavailable
More = Callable[[], Awaitable[tuple[list[Asked], set[str]]]]


class Thinker:
    """See the module. The order does not matter: a decision is fenced by the state of its task, as between two replicas."""

    def __init__(self, decider: Decider, at: Partition, apply: Apply, clock: Clock) -> None:
        self._decider = decider
        self._at = at
        self._apply = apply
        self._clock = clock
        self._log = structlog.get_logger().bind(duty="thinker")

    async def think(
        self, asked: Sequence[Asked], refused: Iterable[str] = (), more: More | None = None
    ) -> None:
        """Decide all questions of some entries. One that is slow or refused stops no other; the entry of one that is refused
        stays pending and is thought about again.

        Args:
            refused: entries that stay in any case.
            more: asked for further questions while those that there are take long; gives also entries that stay.

        Raises:
            Unavailable: after all that could be decided; not when Redis is full, since it is the others that make room.
        """
        thoughts = _Thoughts(self._decided, self._apply)
        thoughts.take(asked, refused)
        ticks = {self._tick()} if more else set()
        try:
            while thoughts.waiting:
                done = await thoughts.some(ticks)
                if more and ticks & done:
                    ticks = {self._tick()} if await thoughts.take_more(more) else set()
        finally:
            for task in (*thoughts.waiting, *ticks):
                task.cancel()
        if thoughts.problems:
            raise thoughts.problems[0]

    def _tick(self) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._clock.sleep(PATIENCE_S))

    async def _decided(self, event: TaskEvent, room: asyncio.Semaphore) -> Answer:
        async with room:
            try:
                if event.kind is EventKind.LOOK:
                    return await self._decider.look(self._at, event.task_id)
                return await self._decider.spawn(self._at, event)
            except Refused as error:
                self._log.error("not_decided", task_id=event.task_id, error=str(error))
                return error
            except Unavailable as error:
                if _is_full(error):  # else it is raised, and told once for all tasks
                    self._log.warning("not_decided", task_id=event.task_id, error=str(error))
                return error


class _Thoughts:
    """Questions that are thought about at the same time."""

    def __init__(self, decided: Callable[..., Coroutine[Any, Any, Answer]], apply: Apply) -> None:
        self.waiting: dict[asyncio.Future[Any], list[str]] = {}
        self.problems: list[Unavailable] = []
        self._left = Counter[str]()
        self._room = asyncio.Semaphore(LOOKS)
        self._decided = decided
        self._apply = apply

    def take(self, asked: Sequence[Asked], refused: Iterable[str]) -> None:
        """Begin to think about some more; what is thought about for long comes again, as if its replica were dead."""
        in_hand = {entry_id for entry_ids in self.waiting.values() for entry_id in entry_ids}
        for event, entry_ids in _looks([one for one in asked if one.entry_id not in in_hand]):
            self.waiting[asyncio.create_task(self._decided(event, self._room))] = entry_ids
            self._left.update(entry_ids)
        self._left.update(refused)

    async def take_more(self, more: More) -> bool:
        """The same with what came meanwhile, unless there is much already. Whether to go on so."""
        try:
            if len(self.waiting) < MOST and not self.problems:
                self.take(*await more())
        except Unavailable as problem:
            self.problems.append(problem)
        return not self.problems

    async def some(self, others: set[asyncio.Future[None]]) -> set[asyncio.Future[Any]]:
        """Wait until some are decided, or one of the others is done, and apply the decisions; gives all that is done."""
        done, _ = await asyncio.wait({*self.waiting, *others}, return_when=asyncio.FIRST_COMPLETED)
        answers = [(self.waiting.pop(task), task.result()) for task in done if task in self.waiting]
        self.problems += [one for _, one in answers if isinstance(one, Unavailable) and not _is_full(one)]
        try:
            self._left.update(await self._apply(_decisions(answers, self._left)))
        except Unavailable as problem:
            self.problems.append(problem)
        return done


def _looks(asked: Sequence[Asked]) -> list[tuple[TaskEvent, list[str]]]:
    """Each question and the entries that brought it: one look at a task is enough for all that asked for one before."""
    looks: dict[str, tuple[TaskEvent, list[str]]] = {}
    others: list[tuple[TaskEvent, list[str]]] = []
    for one in asked:
        for event in one.questions:
            if event.kind is EventKind.LOOK:
                looks.setdefault(event.task_id, (event, []))[1].append(one.entry_id)
            else:
                others.append((event, [one.entry_id]))
    return [*others, *looks.values()]


def _decisions(answers: Sequence[tuple[list[str], Answer]], left: Counter[str]) -> list[Reported]:
    """What to apply by entry; `left`, how many questions of an entry are open, is counted down."""
    found: dict[str, list[TaskEvent]] = {}
    for entry_ids, answer in answers:
        if isinstance(answer, list):
            left.subtract(entry_ids)
            found.setdefault(entry_ids[0], []).extend(answer)
            for entry_id in entry_ids:
                found.setdefault(entry_id, [])
    some = [Reported(entry_id, events, ends=left[entry_id] == 0) for entry_id, events in found.items()]
    return [one for one in some if one.events or one.ends]


def is_question(event: TaskEvent) -> bool:
    """Whether it needs the Decider."""
    return event.kind is EventKind.LOOK or "spawn" in event.fields


def _is_full(error: Unavailable) -> bool:
    return isinstance(error, Overloaded) or str(error).startswith("OOM")
