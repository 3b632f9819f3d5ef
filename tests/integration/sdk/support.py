"""State that a worker needs, made without the server: tasks that are ready, and what became of them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.wait import wait_until
from workers_sdk import Worker
from workers_sdk.protocol.keys import GROUP_WORKERS, META, Partition, Partitions, scenario_id_from, short_uuid
from workers_sdk.protocol.link import Argument, Command, Link, RedisLink, Unavailable
from workers_sdk.protocol.messages import EventKind, TaskEvent, loads, split_reports, template_texts
from workers_sdk.seams import Seams

LEASE_MS: Final = 900
SERVICE: Final = "text-service"


@dataclass(frozen=True)
class Desk:
    """What a server would do for a worker, and a look at what it left behind."""

    link: Link
    url: str
    partitions: Partitions

    async def agree(self) -> None:
        """Record what all processes must agree on."""
        await self.link.execute("HSET", META, "partitions", self.partitions.count, "lease_ms", LEASE_MS)

    def worker(self, *services: str, connect: Any = RedisLink, **options: Any) -> Worker:
        """A worker on this Redis."""
        return Worker(*(services or (SERVICE,)), redis_url=self.url, seams=Seams(connect=connect), **options)

    async def put(self, name: str, *, service: str = SERVICE, token: str = "", **fields: Any) -> str:
        """A task that is ready: hash and entry. Returns its id."""
        scenario_id = scenario_id_from(secrets.token_bytes(10))
        task_id = short_uuid(scenario_id, name)
        await self.dispatch(
            task_id, scenario_id, name, service, token or f"1.{secrets.token_hex(4)}.1", fields
        )
        return task_id

    async def dispatch(
        self, task_id: str, scenario_id: str, name: str, service: str, token: str, fields: dict[str, Any]
    ) -> None:
        """Write the hash and add the entry."""
        at = self.at(task_id)
        attempt = token.partition(".")[0]
        both = {"id": task_id, "scenario_id": scenario_id, "name": name, **template_texts(fields)}
        state = {"service": service, "status": "pending", "queue": "0", "worker": "", "attempt": attempt}
        # The hash first: a worker reads the entry the moment it stands there.
        await self.link.execute("HSET", at.task(task_id), *flat_of({**both, **state, "token": token}))
        entry = {**both, "attempt": attempt, "token": token}
        await self.link.execute("XADD", at.queue(service), "*", *flat_of(entry))

    def at(self, any_id: str) -> Partition:
        """Partition of an id."""
        return self.partitions.of(any_id)

    async def task(self, task_id: str) -> dict[str, str]:
        """Hash of a task."""
        reply = await self.link.execute("HGETALL", self.at(task_id).task(task_id))
        return {reply[i].decode(): reply[i + 1].decode() for i in range(0, len(reply), 2)}

    async def events(self) -> list[TaskEvent]:
        """All reports, oldest first."""
        replies = [await self.link.execute("XRANGE", at.task_events, "-", "+") for at in self.partitions]
        reports = [flat for reply in replies for _, fields in reply for flat in split_reports(fields)]
        return [TaskEvent.decode(flat) for flat in reports]

    async def ends(self, count: int = 1) -> list[TaskEvent]:
        """Wait for so many reports of success or failure and return them."""

        async def enough() -> list[TaskEvent]:
            ends = [e for e in await self.events() if e.kind in (EventKind.SUCCESS, EventKind.FAILED)]
            return ends if len(ends) >= count else []

        found: list[TaskEvent] = await wait_until(enough, what=f"{count} finished attempts")
        assert len(found) == count
        return found

    async def end(self) -> TaskEvent:
        """Wait for the one report of success or failure."""
        return (await self.ends())[0]

    async def processing(self, task_id: str) -> dict[str, str]:
        """Wait until a worker has begun."""

        async def begun() -> dict[str, str]:
            task = await self.task(task_id)
            return task if task["status"] == "processing" else {}

        found: dict[str, str] = await wait_until(begun, what=f"start of {task_id}")
        return found

    async def cancel(self, task_id: str, *, token: str = "", cause: str = "") -> None:
        """End a task as the server does: its entry goes away, and its worker is told."""
        at = self.at(task_id)
        task = await self.task(task_id)
        stream = at.queue(task["service"])
        await self.link.execute("HSET", at.task(task_id), "status", "cancelled")
        for entry_id, flat in await self.link.execute("XRANGE", stream, "-", "+"):
            if task_id.encode() in flat:
                await self.link.execute("XACK", stream, GROUP_WORKERS, entry_id)
                await self.link.execute("XDEL", stream, entry_id)
        more = {"tokens": token, "causes": cause}
        told = {"tasks": task_id, **{name: text for name, text in more.items() if text}}
        await self.link.execute("XADD", at.cancellations, "*", *flat_of(told))

    async def left(self, service: str = SERVICE) -> tuple[int, int, int]:
        """Entries, pending ones and consumers of a queue, over all partitions."""
        streams = [at.queue(service) for at in self.partitions]
        lengths = [await self.link.execute("XLEN", stream) for stream in streams]
        pending = [await self.link.execute("XPENDING", stream, GROUP_WORKERS) for stream in streams]
        consumers = [
            await self.link.execute("XINFO", "CONSUMERS", stream, GROUP_WORKERS) for stream in streams
        ]
        return sum(lengths), sum(summary[0] for summary in pending), sum(map(len, consumers))


class Faulty:
    """Makes links on which answers get lost (the command is done, its caller cannot know), or nothing works at all.

    Args:
        lose: what stands in the command or script whose answer is lost, once, as soon as there is one worth losing.
    """

    def __init__(self, lose: str = "") -> None:
        self.lose = lose
        self.lost = 0
        self.down = False
        self.refused = 0

    def connect(self, url: str, **options: Any) -> Link:
        """See `RedisLink`."""
        return _FaultyLink(self, RedisLink(url, **options))

    def check(self, command: Command, answer: Any = b"") -> None:
        """Raise Unavailable when it is time to."""
        if self.down:
            self.refused += 1
            raise Unavailable("nobody there")
        # A server that was just emptied gets every script as EVAL with its text once.
        if self.lose and not self.lost and answer and self.lose in " ".join(map(str, command[:2])):
            self.lost += 1
            raise Unavailable("the answer was lost")


class _FaultyLink:
    def __init__(self, faults: Faulty, link: Link) -> None:
        self._faults = faults
        self._link = link

    async def execute(self, *command: Argument) -> Any:
        self._faults.check(command, None)
        answer = await self._link.execute(*command)
        self._faults.check(command, answer)
        return answer

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        return await self._link.execute_many(commands)

    async def unblock(self) -> None:
        await self._link.unblock()

    async def close(self) -> None:
        await self._link.close()


def flat_of(fields: dict[str, str]) -> list[str]:
    """Fields and values in a row."""
    return [text for pair in fields.items() for text in pair]


def error_of(event: TaskEvent) -> dict[str, str]:
    """Error of a failure."""
    assert event.kind is EventKind.FAILED
    error: dict[str, str] = loads(event.fields["error"])
    return error


def result_of(event: TaskEvent) -> Any:
    """Result of a success, None when it has none."""
    assert event.kind is EventKind.SUCCESS, event
    return loads(event.fields["result"]) if "result" in event.fields else None
