"""The workers of a whole system by hand: plain ones, some as the SDK does it, some by HTTP; they die, and report twice or late."""

from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.plain_worker import PlainWorker
from tests.support.whole_machines import event_of
from tests.support.whole_replica import FaultyStore, age
from tests.support.whole_state import State
from tests.support.whole_templates import SERVICES
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, TaskEntry, TaskEvent, dumps, loads

ERRORS: Final = ('{"type":"Boom"}', '{"type":"Boom","retry":false}', '{"type":"Slow","retry_after_ms":4000}')


@dataclass
class Held:
    """An entry that a worker has, or had."""

    entry: TaskEntry
    consumer: str


@dataclass(kw_only=True)
class Workers:
    """See the module; its steps take a number, which chooses among what there is."""

    link: RedisLink
    running: list[Held] = field(default_factory=list)
    former: list[Held] = field(default_factory=list)
    delivered: set[tuple[str, str]] = field(default_factory=set)
    edited: dict[str, int] = field(default_factory=dict)
    """Of tasks whose params somebody changed, what they say then."""
    api: FaultyStore = field(init=False)
    seen: State = field(init=False)
    parts: list[State] = field(init=False)

    def _at(self, any_id: str) -> Partition:
        return self.api.partitions.of(any_id)

    async def _take(self, n: int) -> None:
        service, consumer = SERVICES[n % 2], f"w{n // 2 % 2}"
        workers = [PlainWorker(self.link, consumer, service, at) for at in self.api.partitions]
        for entry in [entry for worker in workers for entry in await worker.take(1 + n // 4)]:
            one = (entry.task_id, entry.token)
            assert one not in self.delivered, f"handed out twice: {one}"
            self.delivered.add(one)
            self._check_taken(entry)
            self.running.append(Held(entry, consumer))

    def _check_taken(self, entry: TaskEntry) -> None:
        """Of what is paused or cancelled nothing begins, once that was carried through."""
        part = self.parts[self._at(entry.task_id).index]
        scenario, timers, flow = part.scenarios[entry.scenario_id], part.timers, part.flow
        whole = entry.scenario_id
        assert "paused" not in scenario or f"pause:{whole}" in timers, (
            f"a task of a paused scenario begins: {entry}"
        )
        ended = "cancel" in scenario and f"cancel:{whole}" not in timers
        assert not ended or "finally" in self.seen.rules[entry.task_id], f"a cancelled task begins: {entry}"
        paused = {"*", f"{entry.service}:paused"} & flow.keys()
        assert not paused or f"fill:{entry.service}" in timers, f"a task of a paused service begins: {entry}"
        self._check_told(entry)

    def _check_told(self, entry: TaskEntry) -> None:
        """It is to be done with what its template and its last edit say."""
        if "told" in entry.fields:
            assert entry.fields["told"] == event_of(self.seen, entry.task_id), entry
        params = entry.fields.get("params", {})
        assert params.get("k") == self.edited.get(entry.task_id), entry
        if "of" in params:
            taken = loads(self.seen.tasks[params["of"]]["result"])
            assert params["a"] == taken["n"], (entry, taken)

    async def _work(self, n: int) -> None:
        """Workers take all that is ready, and do most of it."""
        for number in range(2):
            await self._take(400 + number)
        for number in range(n, n + len(self.running)):
            word = ("succeed", "succeed", "finish", "succeed", "fail", "spawn", "succeed", "renew")[
                number % 8
            ]
            await getattr(self, f"_{word}")(number // 8)

    def _held(self, n: int) -> Held | None:
        if not self.running:
            return None
        held = self.running.pop(n % len(self.running))
        self.former.append(held)
        return held

    async def _report(self, held: Held | None, kind: EventKind, **fields: str) -> None:
        if held:
            at = self._at(held.entry.task_id)
            await PlainWorker(self.link, held.consumer, held.entry.service, at).report(
                held.entry, kind, **fields
            )

    async def _start(self, n: int) -> None:
        if self.running:
            held = self.running[n % len(self.running)]
            await self._report(
                held, EventKind.PROGRESS if n & 1 else EventKind.PROCESSING, worker=held.consumer
            )

    async def _claim(self, n: int) -> None:
        if self.running:
            await self._script("claim", self.running[n % len(self.running)])

    async def _renew(self, n: int) -> None:
        if self.running:
            await self._script("renew", self.running[n % len(self.running)])

    async def _give_back(self, n: int) -> None:
        if held := self._held(n):
            await self._script("give_back", held, nonce=self.api.nonce())

    async def _script(self, name: str, held: Held, **more: str) -> None:
        entry = held.entry
        at = self._at(entry.task_id)
        values = {
            "home": at.task_events,
            "prefix": at.prefix,
            "group": "workers",
            "worker": held.consumer,
        }
        await self.api.call(name, values | more, [entry.service, entry.entry_id, entry.task_id, entry.token])

    async def _succeed(self, n: int) -> None:
        if held := self._held(n):
            await self._report(held, EventKind.SUCCESS, result=result(held.entry.token, n))

    async def _fail(self, n: int) -> None:
        await self._report(self._held(n // 3), EventKind.FAILED, error=ERRORS[n % 3])

    async def _finish(self, n: int) -> None:
        """As the SDK does: the entry goes in the same step."""
        if held := self._held(n // 2):
            entry = held.entry
            kind = (
                ["status", "failed", "error", ERRORS[n % 3]]
                if n & 1
                else ["status", "success", "result", result(entry.token, n)]
            )
            report = ["task_id", entry.task_id, *kind[:2], "token", entry.token, "acked", "1", *kind[2:]]
            at = self._at(entry.task_id)
            values = {"events": at.task_events, "prefix": at.prefix, "group": "workers", "items": 1}
            await self.api.call("finish", values, [entry.service, entry.entry_id, len(report), *report])

    async def _spawn(self, n: int) -> None:
        held = self._held(n)
        if held is None:
            return
        children: list[dict[str, Any]] = [
            {"key": f"c{k}", "service": SERVICES[(n + k) % 2], "name": f"C{k}", "needs": [f"c{k - 1}"] if n & 4 and k else [], "fields": {}}
            for k in range(1 + n % 3)
        ]  # fmt: skip
        is_child = held.entry.name.startswith("C")  # or there would be no end
        more = {} if is_child else {"spawn": dumps(children).decode()}
        await self._report(held, EventKind.SUCCESS, result=result(held.entry.token, n), **more)

    async def _lose(self, n: int) -> None:
        """A worker dies, or only looks dead."""
        if held := self._held(n):
            await self._age(held)

    async def _age(self, held: Held) -> None:
        entry = held.entry
        queue = self._at(entry.task_id).queue(entry.service)
        await age(self.link, queue, "workers", held.consumer, entry.entry_id)

    async def _late(self, n: int) -> None:
        """Somebody reports who did before, or was taken for dead."""
        if self.former:
            held = self.former[n // 4 % len(self.former)]
            kind = EventKind.SUCCESS if n & 1 else EventKind.FAILED
            fields = {"result": result(held.entry.token, n)} if n & 1 else {"error": ERRORS[0]}
            if n & 2:
                await self.api.report(TaskEvent(held.entry.task_id, kind, held.entry.token, fields))
            else:
                await self._report(held, kind, **fields)

    async def _http(self, n: int) -> None:
        """A worker takes a task by HTTP, or goes on with one, or ends it."""
        out = [one for one in self.seen.tasks if self.seen.is_handed_out(one)]
        if out:
            task_id = out[n // 4 % len(out)]
            kind = (EventKind.PROCESSING, EventKind.PROCESSING, EventKind.SUCCESS, EventKind.FAILED)[n % 4]
            token = self.seen.tasks[task_id]["token"]
            more = {"result": result(token, n)} if kind is EventKind.SUCCESS else {}
            fields = {"error": ERRORS[n // 4 % 3]} if kind is EventKind.FAILED else more
            await self.api.report(TaskEvent(task_id, kind, "", fields))


def result(token: str, n: int) -> str:
    """What an attempt gives: tells which one it was, and has something to go over."""
    return dumps({"by": token, "n": n % 4, "parts": list(range(n % 4))}).decode()
