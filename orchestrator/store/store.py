"""The only door to Redis for API and engine: one method per script, and the reads.

Nothing here decides what a script decides. Methods that change state may be repeated: their scripts answer the
second time that there was nothing to do.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, GROUP_WORKERS, META, Partition, Partitions
from workers_sdk.protocol.link import Link, Refused, Unavailable
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent, dumps, loads
from workers_sdk.protocol.scripts import LUA, Scripts
from workers_sdk.protocol.seams import Randomness, SystemRandomness

from .arguments import hashed, report_arguments
from .listing import Wanted, list_scenarios
from .outcomes import Advanced, Due, IdempotencyConflict, Materialized, Outcome, Overloaded
from .policy import Policy as Policy
from .reading import scenario_record, task_record
from .records import (
    Attempt,
    Cause,
    Idempotency,
    Line,
    NewScenario,
    ScenarioPage,
    ScenarioRecord,
    Submitted,
    TaskRecord,
)
from .server import SCHEMA, ServerUnfit, check_server, not_permitted, server_info, when_there
from .submission import submission, submitted

SCRIPTS: Final = Path(__file__).parent / "lua"
QUARANTINE_LENGTH: Final = 1_000
SUBMIT_TRIES: Final = 3
DUE_CHUNK: Final = 500
HOLD_MS: Final = 60_000
"""For the removal of artifacts, until it is tried again."""
NEEDED_MS: Final = 3_600_000
"""Until it is looked at again whether a scenario is still needed by another one."""


def _nobody(_at: Partition, _timers: Sequence[bytes]) -> None: ...


class Store:
    """See the module. Make one with `Store.open`; the constructor checks nothing."""

    def __init__(
        self,
        link: Link,
        partitions: Partitions,
        policy: Policy | None = None,
        *,
        scripts: Scripts | None = None,
        randomness: Randomness | None = None,
    ) -> None:
        self.link = link
        self.partitions = partitions
        self.policy = policy or Policy()
        self._scripts = scripts or Scripts(LUA, SCRIPTS)
        self._randomness = randomness or SystemRandomness()
        self.on_touched: Callable[[Partition, Sequence[bytes]], None] = _nobody
        """Told of timers of flow that a script made due; whoever is not told finds them among the timers."""

    @classmethod
    async def open(
        cls,
        link: Link,
        *,
        partitions: int = 1,
        policy: Policy | None = None,
        unsafe_volatile: bool = False,
        sets_lease: bool = False,
        wait_s: float = 0.0,
    ) -> "Store":
        """Check the server, agree with the other processes on the settings, and give a store.

        Args:
            sets_lease: record the policy's lease as the one that workers renew by (an orchestrator does, an API not).
            wait_s: how long to wait for a server that does not answer.

        Raises:
            ServerUnfit: the server may lose or refuse work, or was set up with another number of partitions.
            Unavailable: see `Link.execute`.
        """
        store = cls(link, Partitions(partitions), policy)

        async def begin() -> None:
            info = await server_info(link)
            check_server(info, unsafe_volatile=unsafe_volatile, partitions=partitions)
            await store.agree(sets_lease=sets_lease)
            # Whether it may run scripts over the keys, and the server takes writes: keep the leases of nothing.
            at = store.partitions[0]
            who = {"prefix": at.prefix, "group": GROUP_WORKERS, "worker": ""}
            await store.call("renew", {"home": at.task_events, **who})

        try:
            await when_there(begin, wait_s)
        except Refused as error:
            raise not_permitted(error) from error
        return store

    async def agree(self, *, sets_lease: bool) -> None:
        """Record what all processes must agree on, or compare with what is recorded (it may have been flushed).

        Raises:
            ServerUnfit: this Redis was set up otherwise.
        """
        lease, count = str(self.policy.lease_ms) if sets_lease else "", self.partitions.count
        answer = await self.call(
            "agree", {"meta": META, "schema": SCHEMA, "partitions": count, "lease_ms": lease}
        )
        if answer[0] == b"MISMATCH":
            raise ServerUnfit(
                f"this Redis was set up with {answer[2].decode()} partitions and key format {answer[1].decode()}, "
                f"not {count} and {SCHEMA}: use the same settings everywhere, or another Redis"
            )

    # --- transitions -------------------------------------------------------------------------------------------------

    async def submit(
        self,
        scenario: NewScenario,
        idempotency: Idempotency | None = None,
        *,
        line: Line | None = None,
        admit: bool = False,
    ) -> Submitted:
        """Accept a scenario. Repeats itself on a lost reply: the second time is answered as a replay of the first.

        Args:
            line: its place in a batch; not together with `idempotency`.
            admit: refuse it while there are too many unfinished ones, see `Policy`.

        Raises:
            IdempotencyConflict: the key, or the line, came with another body.
            ScenarioTooLarge: all tasks together are over `MAX_SCENARIO_BYTES`.
            Overloaded, TenantFull: there are too many, or Redis is full; nothing was done.
            BatchCancelled, OriginGone, TaskEnded: nothing was done.
            Unavailable, Refused: see `Link.execute`; after Unavailable the scenario may exist.
        """
        values, fields = submission(scenario, self.partitions, self.policy, idempotency, line, admit=admit)
        return submitted(await self._submit(values, fields), scenario, line)

    async def _submit(self, values: dict[str, Any], fields: list[str | bytes]) -> list[bytes]:
        tries_left = SUBMIT_TRIES
        while True:
            tries_left -= 1
            try:
                return await self.call("submit", values, fields)  # type: ignore[no-any-return]
            except Unavailable as error:
                if str(error).startswith("OOM"):  # refused as a whole, before it began
                    raise Overloaded("Redis has no memory left for more") from error
                if not tries_left:
                    raise

    async def materialize(
        self, at: Partition, scenario_id: str, entry_id: str, chunk: bytes, offset: int
    ) -> Materialized:
        """Create a chunk of tasks, as it was encoded, that starts at `offset`."""
        answer = await self.call(
            "materialize",
            {
                "scenarios": at.scenarios,
                "scenario": at.scenario(scenario_id),
                "services": at.services,
                "events": at.task_events,
                "timers": at.timers,
                "prefix": at.prefix,
                "group": GROUP_ORCHESTRATOR,
                "scenario_id": scenario_id,
                "entry_id": entry_id,
                "offset": offset,
                "nonce": self.nonce(),
                "tasks": chunk,
                "retention": self.policy.retention,
            },
        )
        word = answer[0].decode()
        if word in ("OK", "AT"):
            self.on_touched(at, answer[3:])
            return Materialized(int(answer[1]), int(answer[2]))
        return Materialized(offset, 0, word)

    async def reject(self, at: Partition, scenario_id: str, entry_id: str, kind: str, message: str) -> None:
        """End a scenario that cannot be materialized."""
        values = {
            "scenarios": at.scenarios,
            "scenario": at.scenario(scenario_id),
            "timers": at.timers,
            "prefix": at.prefix,
        }
        more = {"group": GROUP_ORCHESTRATOR, "scenario_id": scenario_id, "entry_id": entry_id}
        cause = dumps({"type": kind, "message": message})
        await self.call("reject", {**values, **more, "cause": cause, "retention": self.policy.retention})

    async def advance(
        self,
        at: Partition,
        events: Sequence[TaskEvent],
        entries: Sequence[str] = (),
        *,
        by_http: bool = False,
    ) -> Advanced:
        """Apply reports, at most 500, and remove the entries of `task-events` that brought them."""
        outcomes, finished, touched = await self.call(
            "advance",
            {
                "events": at.task_events,
                "timers": at.timers,
                "cancellations": at.cancellations,
                "prefix": at.prefix,
                "group": GROUP_ORCHESTRATOR,
                "workers": GROUP_WORKERS,
                "nonce": self.nonce(),
                "budget": max(self.policy.chunk, len(events)),
                "retention": self.policy.retention,
                "lease_ms": self.policy.http_lease_ms,
                "chance": int(self._randomness.uniform(0, 999_999)),
                "entries": " ".join(entries),
            },
            report_arguments(events, by_http=by_http, max_lost=self.policy.max_lost),
        )
        self.on_touched(at, touched)
        ended = [
            (scenario_id, status) for scenario_id, status in (one.decode().split(" ") for one in finished)
        ]
        return Advanced([Outcome(word.decode()) for word in outcomes], ended)

    async def report(self, event: TaskEvent) -> Outcome:
        """Apply one report that came by HTTP, at once. Raises: Malformed, Unavailable, Refused."""
        event.check()
        advanced = await self.advance(self.partitions.of(event.task_id), [event], by_http=True)
        return advanced.outcomes[0]

    async def cancel(self, scenario_id: str, cause: Cause | None = None) -> str:
        """Cancel a chunk of a scenario's tasks: a word of `cancel.lua`; MORE: call again. Without a cause it goes on with
        what began."""
        at = self.partitions.of(scenario_id)
        values = {
            "scenario": at.scenario(scenario_id),
            "timers": at.timers,
            "cancellations": at.cancellations,
        }
        more = {"prefix": at.prefix, "workers": GROUP_WORKERS, "scenario_id": scenario_id}
        limits = {"limit": self.policy.chunk, "retention": self.policy.retention}
        text = cause.text() if cause else ""
        return str((await self.call("cancel", {**values, **more, **limits, "cause": text})).decode())

    async def cancel_task(self, task_id: str, cause: Cause) -> Outcome:
        """Cancel a task and what depends on it, at once."""
        return await self.report(TaskEvent(task_id, EventKind.CANCELLED, fields={"error": cause.text()}))

    async def quarantine(self, at: Partition, stream: str, group: str, entry_id: str, reason: str) -> None:
        """Set an unreadable entry aside."""
        values = {"stream": stream, "quarantine": at.quarantine, "group": group, "entry_id": entry_id}
        await self.call("quarantine", {**values, "reason": reason[:500], "limit": QUARANTINE_LENGTH})

    async def sweep(self, at: Partition, service: str) -> list[tuple[str, str, str]]:
        """Hand out again what dead workers of a service left, one chunk: (word of `sweep.lua`, task id, scenario id) each."""
        answer = await self.call(
            "sweep",
            {
                "queue": at.queue(service),
                "events": at.task_events,
                "prefix": at.prefix,
                "workers": GROUP_WORKERS,
                "lease_ms": self.policy.lease_ms,
                "max_lost": self.policy.max_lost,
                "nonce": self.nonce(),
                "limit": self.policy.chunk,
            },
        )
        return [
            (word.decode(), task_id.decode(errors="replace"), scenario_id.decode(errors="replace"))
            for word, task_id, scenario_id in answer
        ]

    async def due(self, at: Partition, since: str = "-inf", passed: int = 0) -> Due:
        """What is due now, one chunk: without what is due for longer than `since`, and the first `passed` since just then."""
        values = {"timers": at.timers, "since": since, "passed": passed, "limit": DUE_CHUNK}
        members, next_ms, scores = await self.call("due", values)
        pairs = (member.decode(errors="replace").partition(":") for member in members)
        return Due([(kind, subject) for kind, _, subject in pairs], next_ms, [one.decode() for one in scores])

    async def expire(self, at: Partition, task_id: str) -> str:
        """End the lease of a task worked on over HTTP: a word of `expire.lua`."""
        values = {"timers": at.timers, "events": at.task_events, "prefix": at.prefix, "task_id": task_id}
        answer = await self.call(
            "expire", {**values, "max_lost": self.policy.max_lost, "nonce": self.nonce()}
        )
        return str(answer.decode())

    async def wake(self, at: Partition, task_id: str) -> str:
        """Hand out the next attempt of a task whose delay is over: a word of `wake.lua`."""
        values = {"timers": at.timers, "prefix": at.prefix, "task_id": task_id}
        return str((await self.call("wake", {**values, "nonce": self.nonce()})).decode())

    async def begin_purge(self, at: Partition, scenario_id: str) -> str:
        """Let nothing bring a scenario back whose retention ended: a word of `begin_purge.lua`."""
        values = {"timers": at.timers, "prefix": at.prefix, "scenario_id": scenario_id}
        return str(
            (await self.call("begin_purge", {**values, "hold_ms": HOLD_MS, "wait_ms": NEEDED_MS})).decode()
        )

    async def purge(self, at: Partition, scenario_id: str) -> str:
        """After that, remove a chunk of it: a word of `purge.lua`; MORE: call again."""
        values = {"timers": at.timers, "prefix": at.prefix, "scenario_id": scenario_id}
        return str((await self.call("purge", {**values, "limit": self.policy.chunk})).decode())

    def nonce(self) -> str:
        """Random text, never used before; makes tokens."""
        return self._randomness.nonce()

    async def leave(self, stream: str, group: str, consumer: str | bytes) -> None:
        """Remove a consumer that holds nothing."""
        await self.call("leave", {"stream": stream, "group": group, "consumer": consumer})

    # --- reads -------------------------------------------------------------------------------------------------------

    async def scenario(self, scenario_id: str) -> ScenarioRecord | None:
        """One scenario. The id must satisfy `is_id`."""
        return scenario_record(
            await self.link.execute("HGETALL", self.partitions.of(scenario_id).scenario(scenario_id))
        )

    async def replayed(self, scenario_id: str, idempotency: Idempotency) -> str | None:
        """Id of the scenario that a submission with this key made before; None when there was none.

        `scenario_id` is the new one, in the slot of the key. Raises: IdempotencyConflict, Unavailable, Refused.
        """
        known = await self.link.execute(
            "GET", self.partitions.of(scenario_id).idempotency(hashed(idempotency.key))
        )
        if known is None:
            return None
        digest, first = known.decode().split(" ")
        if digest != idempotency.body_digest:
            raise IdempotencyConflict(first)
        return str(first)

    async def tasks(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """Tasks in the order asked; None for those that do not exist (yet)."""
        if not task_ids:
            return []
        commands = [("HGETALL", self.partitions.of(task_id).task(task_id)) for task_id in task_ids]
        return [task_record(flat) for flat in await self.link.execute_many(commands)]

    async def task(self, task_id: str) -> TaskRecord | None:
        """One task. The id must satisfy `is_id`."""
        return (await self.tasks([task_id]))[0]

    async def attempts(self, task_id: str) -> list[Attempt]:
        """Attempts of a task that failed, the last 20, oldest first."""
        key = self.partitions.of(task_id).attempts(task_id)
        found = await self.link.execute("LRANGE", key, 0, -1)
        return [Attempt(**loads(one.decode(errors="replace"))) for one in found]  # a worker may have any name

    async def scenarios(
        self,
        *,
        status: Status | None = None,
        name: str | None = None,
        tenant: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> ScenarioPage:
        """Scenarios, newest first. Raises: BadCursor."""
        wanted = Wanted(status, name, tenant)
        return await list_scenarios(self.link, self.partitions, wanted, cursor=cursor, limit=limit)

    async def services(self, at: Partition) -> list[str]:
        """Services that ever got a task in a partition."""
        return [service for _, service in await self.queues([at])]

    async def queues(self, places: Iterable[Partition] | None = None) -> list[tuple[Partition, str]]:
        """Partitions (all, or these), each with every service that ever got a task there, in one round trip."""
        looked_at = list(self.partitions if places is None else places)
        found = await self.link.execute_many([("SMEMBERS", at.services) for at in looked_at])
        return [
            (at, service)
            for at, names in zip(looked_at, found, strict=True)
            for service in sorted(name.decode(errors="replace") for name in names)
        ]

    async def call(self, name: str, values: dict[str, Any], rest: Sequence[str | bytes | int] = ()) -> Any:
        """Run a script by its names; for the parts of the store. Raises: Unavailable, Refused."""
        return await self._scripts.call(self.link, name, values, rest)
