"""A step of a redrive of many dead letters: bounded by what it looks at, also when none of them can live again."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from .listing import Position
from .records import TaskRecord
from .revival import Revival
from .store import Store

PAGE: Final = 500
MOST_READ: Final = 20_000
"""Tasks of their scenarios that a step reads beside the letters, about: it ends with the scenario that goes beyond."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did.

    Attributes:
        looked: dead letters that it looked at.
        done: those of them that live again.
        after: the last one that it looked at.
        over: there are no more behind that.
    """

    looked: int
    done: int
    after: Position | None
    over: bool


class Redrive:
    """See the module. Raises Unavailable and Refused: see `Link.execute`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revival = Revival(store)

    async def step(self, key: str, after: Position | None, until_ms: int, *, most: int) -> Step:
        """Redrive about `most` letters of a list that died until then, the oldest first, from behind `after` on."""
        looked = done = read = 0
        while looked < most and read < MOST_READ:
            page = await self._page(key, after, until_ms)
            if not page:
                return Step(looked, done, after, over=True)
            part = await self._redriven(page, MOST_READ - read)
            looked, done, read, after = looked + part.looked, done + part.done, read + part.read, part.last
        return Step(looked, done, after, over=False)

    async def _page(self, key: str, after: Position | None, until_ms: int) -> list[Position]:
        """The next ones. Many may share one millisecond."""
        first = after.created_ms if after else "-inf"
        offset = 0
        while True:
            flat = await self._store.link.execute(
                "ZRANGEBYSCORE", key, first, until_ms, "WITHSCORES", "LIMIT", offset, PAGE
            )
            pairs = zip(islice(flat, 0, None, 2), islice(flat, 1, None, 2), strict=True)
            found = [Position(int(float(score)), member.decode()) for member, score in pairs]
            later = [one for one in found if after is None or one > after]
            if later or len(found) < PAGE:
                return later
            offset += PAGE

    async def _redriven(self, page: Sequence[Position], most_read: int) -> "_Part":
        """Redrive a page, scenario by scenario, until too much was read."""
        tasks = await self._store.tasks([one.scenario_id for one in page])
        waiting: dict[str, list[TaskRecord]] = {}
        for task in tasks:
            if task:
                waiting.setdefault(task.scenario_id, []).append(task)
        looked = done = read = 0
        for task in tasks:
            if task and task.scenario_id in waiting:
                if read >= most_read:
                    break
                some, size = await self._of_scenario(waiting.pop(task.scenario_id))
                done, read = done + some, read + size
            looked += 1
        return _Part(looked, done, read, page[looked - 1])

    async def _of_scenario(self, tasks: Sequence[TaskRecord]) -> tuple[int, int]:
        """How many live again, and how many tasks were read for that."""
        wanted = [task.id for task in tasks]
        alone = not any(task.consumers or task.rules or task.group for task in tasks)
        redrive = self._revival.redrive_alone if alone else self._revival.redrive
        revived = await redrive(tasks[0].scenario_id, wanted)
        return len({*revived.ids} & {*wanted}), revived.read


@dataclass(frozen=True, slots=True)
class _Part:
    looked: int
    done: int
    read: int
    last: Position
