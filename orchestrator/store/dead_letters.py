"""Dead letters: tasks that failed for good, by what went wrong. Look at them, edit them, redrive or dismiss them.

A dead letter is the failed task itself; only lists of their ids are kept beside it. It leaves them when it is redriven,
dismissed, or removed with its scenario.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from workers_sdk.protocol.keys import Partition, is_service
from workers_sdk.protocol.link import Command
from workers_sdk.protocol.messages import Status, template_texts

from .edits import Edits
from .listing import BadCursor, Position, newest_of
from .reading import task_record
from .records import TaskRecord
from .redrive import Redrive
from .revival import Revival
from .store import Store

MOST_KINDS: Final = 1_000
"""Kinds of a partition that are looked at, the latest first."""
PAGE: Final = 500
STEP_MS: Final = 100
"""Between two steps of a large redrive, so that other timers have their turn."""
EDIT_TRIES: Final = 5

_Sum = tuple[int, str, int, int]
"""When the latest letter of a kind came, its id, when the first came, and how many there are."""
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
        self._redrive = Redrive(store)

    async def kinds(self, limit: int) -> tuple[list[Kind], int]:
        """What went wrong, the latest first; and how many dead letters there are in all."""
        commands: list[Command] = []
        for at in self._store.partitions:
            commands += [("ZCARD", at.dead_letters), ("ZREVRANGE", at.dead_letter_kinds, 0, MOST_KINDS - 1)]
        replies = await self._store.link.execute_many(commands)
        total = sum(replies[::2])
        found: dict[str, list[Partition]] = {}
        for at, kinds in zip(self._store.partitions, replies[1::2], strict=True):
            for name in kinds:
                found.setdefault(name.decode(), []).append(at)
        names, sums = list(found), dict[str, _Sum]()
        for first in range(0, len(names), PAGE):
            sums |= await self._sums({name: found[name] for name in names[first : first + PAGE]})
        latest = sorted(sums.items(), key=lambda one: one[1], reverse=True)[:limit]
        samples = await self._store.tasks([newest for _, (_, newest, _, _) in latest])
        return [
            Kind(name, count, first_ms, last_ms, task)
            for (name, (last_ms, _, first_ms, count)), task in zip(latest, samples, strict=True)
            if task  # else it was removed a moment ago
        ], total

    async def _sums(self, found: Mapping[str, Sequence[Partition]]) -> dict[str, _Sum]:
        """Kinds that still have letters, in one round trip."""
        keys = [(name, at.dead_letters_of(name)) for name, places in found.items() for at in places]
        commands: list[tuple[str | int, ...]] = []
        for _, key in keys:
            commands += [("ZCARD", key), ("ZRANGE", key, 0, 0, "WITHSCORES")]
            commands += [("ZREVRANGE", key, 0, 0, "WITHSCORES")]
        replies = await self._store.link.execute_many(commands)
        sums: dict[str, _Sum] = {}
        for (name, _), count, first, last in zip(
            keys, replies[::3], replies[1::3], replies[2::3], strict=True
        ):
            if first and last:
                one = int(float(last[1])), last[0].decode(), int(float(first[1])), int(count)
                other = sums.get(name, one)
                of_all = one[3] + other[3] if name in sums else one[3]
                sums[name] = (*max(one, other)[:2], min(one[2], other[2]), of_all)
        return sums

    async def letters(self, fingerprint: str | None, *, cursor: str | None, limit: int) -> LetterPage:
        """Dead letters of a kind, or of all kinds. Raises: BadCursor."""
        after = Position.parse(cursor) if cursor else None
        keys = [_key(at, fingerprint) for at in self._store.partitions]
        positions = await newest_of(self._store.link, keys, after, limit + 1)
        shown = positions[:limit]
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
        """Hand out a dead letter again, with all that ended because of it: OK, NOT_DEAD, UNKNOWN or a word of `Revived`. So
        does a gate that failed, and a scenario within: it opens, or starts, anew."""
        task = await self._store.task(task_id)
        if task is None:
            return "UNKNOWN"
        if not task.fingerprint and not _is_of_the_engine(task):
            return "NOT_DEAD"
        revived = await self._revival.redrive(task.scenario_id, [task_id])
        return "NOT_DEAD" if revived.word == "OK" and task_id not in revived.ids else revived.word

    async def redrive(self, fingerprint: str | None, *, most: int) -> Handled:
        """Redrive a kind, or all: about `most` are looked at now, the engine goes on with the rest. Those that die anew
        meanwhile stay."""
        looked, done, left, carried_on = 0, 0, 0, False
        for at in self._store.partitions:
            key = _key(at, fingerprint)
            latest = await self._store.link.execute("ZREVRANGE", key, 0, 0, "WITHSCORES")
            until_ms = int(float(latest[1])) if latest else 0
            step = await self._redrive.step(key, None, until_ms, most=most - looked)
            looked, done = looked + step.looked, done + step.done
            rest = int(await self._store.link.execute("ZCOUNT", key, "-inf", until_ms))
            left += rest
            if rest and not step.over:
                carried_on = True
                await self._remind(at, _timer(until_ms, fingerprint, step.after), keep=True)
        return Handled(done, left, carried_on)

    async def carry_on(self, at: Partition, subject: str, *, most: int) -> bool:
        """Go on with a redrive whose timer is `redrive:<subject>`, for a step of about `most` letters: whether it is over.
        The next step has a timer of its own, which says where to go on."""
        over = True
        if begun := _begun(subject):
            until_ms, fingerprint, after = begun
            step = await self._redrive.step(_key(at, fingerprint), after, until_ms, most=most)
            over = step.over
            if not over:
                timer = _timer(until_ms, fingerprint, step.after)
                await self._remind(at, timer, keep=True, delay_ms=STEP_MS)
        await self._remind(at, f"redrive:{subject}", keep=False)
        return over

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

    async def _remind(self, at: Partition, timer: str, *, keep: bool, delay_ms: int = 0) -> None:
        values = {"timers": at.timers, "timer": timer, "delay_ms": delay_ms, "keep": int(keep)}
        await self._store.call("remind", values)


def _key(at: Partition, fingerprint: str | None) -> str:
    return at.dead_letters_of(fingerprint) if fingerprint else at.dead_letters


def _is_of_the_engine(task: TaskRecord) -> bool:
    """Whether it failed by itself, though no worker did it; one with children failed because of them."""
    is_one = "gate" in task.on_ready or "scenario" in task.on_ready
    return task.status is Status.FAILED and is_one and task.group is None


def _timer(until_ms: int, fingerprint: str | None, after: Position | None) -> str:
    return f"redrive:{until_ms}:{fingerprint or ''}" + (f" {after}" if after else "")


def _begun(subject: str) -> tuple[int, str | None, Position | None] | None:
    """What `_timer` said; None for what is no redrive."""
    head, _, place = subject.partition(" ")
    ms, _, fingerprint = head.partition(":")
    if not ms.isdigit() or (fingerprint and not is_fingerprint(fingerprint)):
        return None
    try:
        return int(ms), fingerprint or None, Position.parse(place) if place else None
    except BadCursor:
        return None


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
