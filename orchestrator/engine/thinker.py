"""Lets the Decider look at many tasks at once, and has applied what it decides as soon as it is decided."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from orchestrator.store.outcomes import Overloaded
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Refused, Unavailable
from workers_sdk.protocol.messages import EventKind, TaskEvent

from .decider import Decider

LOOKS: Final = 32
"""Tasks that are looked at at the same time: most of a look is waiting for Redis."""


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


class Thinker:
    """See the module. The order does not matter: a decision is fenced by the state of its task, as between two replicas."""

    def __init__(self, decider: Decider, at: Partition, apply: Apply) -> None:
        self._decider = decider
        self._at = at
        self._apply = apply
        self._log = structlog.get_logger().bind(duty="thinker")

    async def think(self, asked: Sequence[Asked], refused: Iterable[str] = ()) -> None:
        """Decide all questions of some entries. One that is slow or refused stops no other; the entry of one that is refused
        stays pending and is thought about again.

        Args:
            refused: entries that stay in any case.

        Raises:
            Unavailable: after all that could be decided; not when Redis is full, since it is the others that make room.
        """
        room = asyncio.Semaphore(LOOKS)
        waiting = {
            asyncio.create_task(self._decided(event, room)): entry_ids for event, entry_ids in _looks(asked)
        }
        left = Counter([entry_id for entry_ids in waiting.values() for entry_id in entry_ids])
        left.update(refused)
        problems: list[Unavailable] = []
        try:
            while waiting:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                answers = [(waiting.pop(task), task.result()) for task in done]
                problems += [one for _, one in answers if isinstance(one, Unavailable) and not _is_full(one)]
                try:
                    left.update(await self._apply(_decisions(answers, left)))
                except Unavailable as problem:
                    problems.append(problem)
        finally:
            for task in waiting:
                task.cancel()
        if problems:
            raise problems[0]

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
