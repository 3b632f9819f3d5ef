"""Dead letters: tasks that failed for good, by what went wrong. Look at them, edit them, redrive or dismiss them.

A dead letter is the failed task itself; only lists of their ids are kept beside it. It leaves them when it is redriven,
dismissed, or removed with its scenario.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from workers_sdk.protocol.keys import Partition, is_service
from workers_sdk.protocol.messages import template_texts

from .edits import Edits
from .listing import Position, newest_of
from .reading import task_record
from .records import TaskRecord
from .revival import Revival
from .store import Store

MOST_KINDS: Final = 1_000
"""Kinds of a partition that are looked at, the latest first."""
PAGE: Final = 500
EDIT_TRIES: Final = 5

_FINGERPRINT: Final = re.compile(r"(.+):([0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Kind:
    """Dead letters of one service with one kind of error. Times are ms since the epoch; `sample` is the latest."""

    fingerprint: str
    count: int
    first_ms: int
    last_ms: int
    sample: TaskRecord


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Dead letters, the latest first. `next_cursor` is None on the last page."""

    items: list[TaskRecord]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Handled:
    """`done`: dead letters that were redriven or dismissed; `left`: those that the call was about and that are still there;
    the engine goes on with them when `carried_on`."""

    done: int
    left: int
    carried_on: bool = False


def is_fingerprint(text: str) -> bool:
    """Whether it has the form `<service>:<16 hex digits>`."""
    found = _FINGERPRINT.fullmatch(text)
    return found is not None and is_service(found[1])


class DeadLetters:
    """See the module. Fingerprints must satisfy `is_fingerprint`. All methods raise Unavailable and Refused."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revival = Revival(store)

    async def kinds(self, limit: int) -> tuple[list[Kind], int]:
        """What went wrong, the latest first; and how many dead letters there are in all."""
        link, found = self._store.link, dict[str, list[Partition]]()
        total = 0
        for at in self._store.partitions:
            total += int(await link.execute("ZCARD", at.dead_letters))
            names = await link.execute("ZREVRANGE", at.dead_letter_kinds, 0, MOST_KINDS - 1)
            for name in names:
                found.setdefault(name.decode(), []).append(at)
        kinds = [kind for name, places in found.items() if (kind := await self._kind(name, places))]
        return sorted(kinds, key=lambda kind: -kind.last_ms)[:limit], total

    async def _kind(self, name: str, places: Sequence[Partition]) -> Kind | None:
        keys = [at.dead_letters_of(name) for at in places]
        link = self._store.link
        counts = await link.execute_many([("ZCARD", key) for key in keys])
        firsts = await link.execute_many([("ZRANGE", key, 0, 0, "WITHSCORES") for key in keys])
        lasts = await link.execute_many([("ZREVRANGE", key, 0, 0, "WITHSCORES") for key in keys])
        ends = [(int(float(last[1])), last[0].decode()) for last in lasts if last]
        if not ends:
            return None  # redriven a moment ago
        last_ms, newest = max(ends)
        sample = await self._store.task(newest)
        first_ms = min(int(float(first[1])) for first in firsts if first)
        return Kind(name, sum(counts), first_ms, last_ms, sample) if sample else None

    async def letters(self, fingerprint: str | None, *, cursor: str | None, limit: int) -> LetterPage:
        """Dead letters of a kind, or of all kinds. Raises: BadCursor."""
        after = Position.parse(cursor) if cursor else None
        positions: list[Position] = []
        for at in self._store.partitions:
            key = _key(at, fingerprint)
            positions += [p async for p in newest_of(self._store.link, key, after, limit + 1)]
        shown = sorted(positions, reverse=True)[:limit]
        tasks = await self._store.tasks([position.scenario_id for position in shown])
        more = len(positions) > limit
        return LetterPage([task for task in tasks if task], str(shown[-1]) if more else None)

    async def edit(self, task_id: str, edits: Edits) -> str:
        """Change template fields of a dead letter: a word of `edit.lua`.

        Raises:
            ValueError: a name is no name of a field. TypeError: a value is not JSON.
        """
        key = self._store.partitions.of(task_id).task(task_id)
        word = "CHANGED"
        for _ in range(EDIT_TRIES):
            flat = await self._store.link.execute("HGETALL", key)
            task = task_record(flat)
            if task is None:
                return "UNKNOWN"
            values = edits.of(task.fields)
            texts = template_texts({**task.fields, **values})
            found = dict(zip(flat[::2], flat[1::2], strict=True))
            known = found.get(b"json_fields", b"").decode()
            texts.setdefault("json_fields", "")
            names = [*values, "json_fields"] if texts["json_fields"] != known else list(values)
            rest = [part for name in names for part in (name, texts[name])]
            keys = {"task": key, "known": known, "params": found.get(b"params", b"")}
            word = (await self._store.call("edit", keys, rest)).decode()
            if word != "CHANGED":
                break
        return str(word)

    async def redrive_one(self, task_id: str) -> str:
        """Hand out a dead letter again, with all that ended because of it: OK, NOT_DEAD, UNKNOWN or a word of `Revived`."""
        task = await self._store.task(task_id)
        if task is None:
            return "UNKNOWN"
        if not task.fingerprint:
            return "NOT_DEAD"
        revived = await self._revival.redrive(task.scenario_id, [task_id])
        return "NOT_DEAD" if revived.word == "OK" and task_id not in revived.ids else revived.word

    async def redrive(self, fingerprint: str | None, *, most: int) -> Handled:
        """Redrive a kind, or all: about `most` now, the engine goes on with the rest. Those that die anew meanwhile stay."""
        done, left, carried_on = 0, 0, False
        for at in self._store.partitions:
            latest = await self._store.link.execute("ZREVRANGE", _key(at, fingerprint), 0, 0, "WITHSCORES")
            until_ms = int(float(latest[1])) if latest else 0
            handled = await self.redrive_until(at, fingerprint, until_ms, most=most - done)
            done, left = done + handled.done, left + handled.left
            carried_on |= handled.carried_on
            if handled.carried_on:
                await self._remind(at, f"redrive:{until_ms}:{fingerprint or ''}", keep=True)
        return Handled(done, left, carried_on)

    async def redrive_until(
        self, at: Partition, fingerprint: str | None, until_ms: int, *, most: int
    ) -> Handled:
        """Redrive those of a partition that died until then, the oldest first."""
        key = _key(at, fingerprint)

        async def page(offset: int) -> list[bytes]:
            found = await self._store.link.execute(
                "ZRANGEBYSCORE", key, "-inf", until_ms, "LIMIT", offset, PAGE
            )
            return list(found)

        done, exhausted = await _until(most, page, self._redrive_some)
        left = await self._store.link.execute("ZCOUNT", key, "-inf", until_ms)
        return Handled(done, left, left > 0 and not exhausted)

    async def _redrive_some(self, task_ids: list[str]) -> int:
        by_scenario: dict[str, list[TaskRecord]] = {}
        for task in await self._store.tasks(task_ids):
            if task:
                by_scenario.setdefault(task.scenario_id, []).append(task)
        done = 0
        for scenario_id, tasks in by_scenario.items():
            wanted = [task.id for task in tasks]
            alone = not any(task.consumers or task.rules or task.group for task in tasks)
            redrive = self._revival.redrive_alone if alone else self._revival.redrive
            done += len({*(await redrive(scenario_id, wanted)).ids} & {*wanted})
        return done

    async def carry_on(self, at: Partition, subject: str, *, most: int) -> bool:
        """Go on with a redrive whose timer is `redrive:<subject>`: whether it is over."""
        ms, _, fingerprint = subject.partition(":")
        handled = Handled(0, 0)
        if ms.isdigit() and (not fingerprint or is_fingerprint(fingerprint)):
            handled = await self.redrive_until(at, fingerprint or None, int(ms), most=most)
        if not handled.carried_on:
            await self._remind(at, f"redrive:{subject}", keep=False)
        return not handled.carried_on

    async def dismiss(self, fingerprint: str | None, *, most: int) -> Handled:
        """Take the dead letters of a kind, or all, off the list, about `most` of them. They stay failed."""
        done = left = 0
        for at in self._store.partitions:
            key = _key(at, fingerprint)

            async def page(offset: int, key: str = key) -> list[bytes]:
                return list(await self._store.link.execute("ZRANGE", key, offset, offset + PAGE - 1))

            async def dismiss(task_ids: list[str], at: Partition = at) -> int:
                return await self._dismiss(at, task_ids)

            done += (await _until(most - done, page, dismiss))[0]
            left += int(await self._store.link.execute("ZCARD", key))
        return Handled(done, left)

    async def dismiss_one(self, task_id: str) -> bool:
        """Take one off the list: whether it was on it."""
        return await self._dismiss(self._store.partitions.of(task_id), [task_id]) > 0

    async def _dismiss(self, at: Partition, task_ids: Iterable[str]) -> int:
        values = {"letters": at.dead_letters, "prefix": at.prefix}
        return int(await self._store.call("dismiss", values, list(task_ids)))

    async def _remind(self, at: Partition, timer: str, *, keep: bool) -> None:
        values = {"timers": at.timers, "timer": timer, "delay_ms": 0, "keep": int(keep)}
        await self._store.call("remind", values)


def _key(at: Partition, fingerprint: str | None) -> str:
    return at.dead_letters_of(fingerprint) if fingerprint else at.dead_letters


async def _until(
    most: int,
    page: Callable[[int], Awaitable[list[bytes]]],
    handle: Callable[[list[str]], Awaitable[int]],
) -> tuple[int, bool]:
    """Handle pages of a list that shrinks by what is handled: how many were, and whether there are no more."""
    done = passed = 0
    while done < most:
        ids = [one.decode() for one in await page(passed)]
        if not ids:
            return done, True
        handled = await handle(ids)
        done += handled
        passed += len(ids) - handled
    return done, False
