"""After their purge, scenarios that used everything there is leave nothing but the fixed list of permanent keys, and those empty."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from orchestrator.artifacts import Artifacts
from orchestrator.egress import Egress
from orchestrator.engine import Engine, Launcher, Seams, Sending
from orchestrator.handover import new_scenario
from orchestrator.signing import new_secret
from orchestrator.store.batches import Batches, scenario_id_of
from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.edits import Edits
from orchestrator.store.endpoints import Endpoint, Endpoints, Secret
from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Pause
from orchestrator.store.gate_records import Vote
from orchestrator.store.gates import GateStore
from orchestrator.store.machine_records import Event
from orchestrator.store.machines import MachineStore
from orchestrator.store.records import Cause, Idempotency, Line, NewScenario, Owner
from orchestrator.store.rerun import Rerun
from orchestrator.store.store import Policy, Store
from orchestrator.templates import Registry, generate
from tests.support.plain_worker import PlainWorker
from tests.support.receiver import receiving
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import META, Partitions, scenario_id_from
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEvent

EVERYTHING = """\
name: Everything
tasks:
  - {name: Start, service: text-service, timeouts: {queue: 1h, run: 1h, total: 2h}}
  - {name: Later, service: text-service, needs: [Start], delay: 10ms}
  - name: Each
    service: text-service
    needs: [Start]
    foreach: {{ result('Start').parts }}
  - {name: Flaky, service: limited-service, needs: [Start], concurrency: {key: k, max: 1}, retry: {max_attempts: 2, delay: 1ms}}
  - {name: Broken, service: limited-service, needs: [Start], rate: {count: 1000, per: 1s, burst: 9}, optional: true}
  - {name: Maybe, service: text-service, needs: [Start], when: "result('Start').parts == 'none'", optional: true}
  - {name: Approve, needs: [Start], gate: {title: Fine?, deadline: 1d, default: {decision: reject}}}
  - {name: Inner, scenario: Inner, needs: [Start]}
  - {name: End, service: text-service, needs: [Later, Each, Flaky, Broken, Approve, Inner], join: {at_least: 1}}
  - {name: Undo, service: text-service, compensates: Start}
  - {name: Tell, service: http-service, finally: true}
"""
MACHINE = """\
name: Machine
states:
  new:
    on: {go: busy}
    after: {7d: closed}
  busy:
    tasks:
      - {name: Pack, service: text-service}
    then: closed
  closed: {end: success}
"""
INNER = "name: Inner\ntasks:\n  - {name: Only, service: text-service}\n"
SPAWN = '[{"key":"x","service":"text-service","name":"Spawned","needs":[],"fields":{}}]'
SERVICES = ("text-service", "limited-service")
PERMANENT = re.compile(
    rf"^(scenarios|task-events|timers|services|cancellations|gates|webhooks|webhooks-failing|outbox|flow|queue:[a-z-]+|{META})$"
)
EMPTY = re.compile(r"^(scenarios|task-events|timers|gates|outbox|queue:.*)$")
SENDING = Sending(egress=Egress(allow_http=True, allow_private=True), timeout_s=2.0)
KEY = Idempotency("key", "digest")


class House:
    """A whole system whose workers are played here."""

    def __init__(self, url: str, folder: Path) -> None:
        (folder / "Everything.yml").write_text(EVERYTHING)
        (folder / "Inner.yml").write_text(INNER)
        (folder / "Machine.yml").write_text(MACHINE)
        self.registry = Registry([folder])
        self.link, self.reading = RedisLink(url), RedisLink(url, block_ms=1_000)
        self.store = Store(self.link, Partitions(1), Policy(lease_ms=300, chunk=5))
        self.artifacts = Artifacts("memory://", store=MemoryStore())
        self.workers = [PlainWorker(self.link, service=service) for service in SERVICES]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """With an engine, until the block ends."""
        await self.store.agree(sets_lease=True)
        launcher, seams, stop = Launcher(self.store, self.registry), Seams(self.reading), asyncio.Event()
        engine = Engine(self.store, seams, launcher=launcher, sending=SENDING, artifacts=self.artifacts)
        running = asyncio.create_task(engine.run(stop))
        try:
            yield
        finally:
            stop.set()
            await running
            await self.reading.close()
            await self.link.close()

    def new(self, scenario_id: str, name: str = "Everything") -> NewScenario:
        made = generate(self.registry.get(name), scenario_id=scenario_id, variables={}, now=datetime.now(UTC))
        return new_scenario(made, [], Owner("acme", 1, "ann"))

    async def add(self, batch_id: str, number: int) -> str:
        """A line of a batch."""
        scenario_id = scenario_id_of(batch_id, number)
        await self.store.submit(self.new(scenario_id), line=Line(batch_id, number, "digest"))
        return scenario_id

    async def work(self) -> None:
        """What is ready: everything Broken fails, and what is Flaky the first time."""
        for worker in self.workers:
            for entry in await worker.take():
                if entry.name == "Broken" or (entry.name == "Flaky" and entry.attempt == 1):
                    await worker.report(entry, EventKind.FAILED, error='{"type":"Boom","message":"7"}')
                else:
                    path = f"{entry.scenario_id}/{entry.task_id}/1/a.txt"
                    await obstore.put_async(self.artifacts._store, path, b"x")
                    spawn = {"spawn": SPAWN} if entry.name == "Later" else {}
                    await worker.succeed(
                        entry, result='{"parts":[1,2,3]}', result_ref=f"memory://{path}", **spawn
                    )
        for task in await self._by_http():
            await self.store.report(TaskEvent(task, EventKind.PROCESSING))
            await self.store.report(TaskEvent(task, EventKind.SUCCESS))

    async def _by_http(self) -> list[str]:
        entries = await self.link.execute("XRANGE", "queue:http-service", "-", "+")
        return [fields[fields.index(b"id") + 1].decode() for _, fields in entries]

    async def task(self, scenario_id: str, name: str) -> str:
        record = await self.store.scenario(scenario_id)
        assert record
        return next(task.id for task in await self.store.tasks(record.task_ids) if task and task.name == name)

    async def is_open(self, scenario_id: str) -> bool:
        """Whether its gate is; works on until then."""
        await self.work()
        record = await self.store.scenario(scenario_id)
        tasks = await self.store.tasks(record.task_ids) if record else []
        gate = next((task for task in tasks if task and task.name == "Approve"), None)
        return gate is not None and await GateStore(self.store).gate(gate.id) is not None

    async def goes(self, scenario_id: str) -> bool:
        """Whether a scenario with states takes an event."""
        record = await self.store.scenario(scenario_id)
        return (
            record is not None
            and not (await MachineStore(self.store).send(record, Event("go", id="1"))).refusal
        )

    async def is_over(self, *ids: str) -> bool:
        """Whether all of these have ended; works on until then."""
        await self.work()
        records = [await self.store.scenario(one) for one in ids]
        return all(record and record.status.is_final for record in records)

    async def are_gone(self) -> bool:
        """Let the retention of all be over; whether nothing of them is left."""
        for member in await self.link.execute("ZRANGE", "timers", 0, -1):
            if member.startswith(b"purge:"):
                await self.link.execute("ZADD", "timers", "XX", 1, member)
        left = await self.link.execute("KEYS", "scenario:*")
        return not left and not await self.link.execute("ZCARD", "timers")


async def story(house: House, url: str) -> None:
    """Everything that can become of a scenario."""
    batch_id, batches, gates = scenario_id_from(b"batch"), Batches(house.store), GateStore(house.store)
    endpoint = Endpoint(scenario_id_from(b"endpoint"), url, [Secret(new_secret())])
    await Endpoints(house.store).add(endpoint)
    done, dropped, paused = [await house.add(batch_id, number) for number in (1, 2, 3)]
    await batches.close(batch_id, 3)
    keyed = scenario_id_from(b"keyed")
    await house.store.submit(house.new(keyed), KEY)
    for one in (done, dropped, paused, keyed):
        await wait_until(partial(house.is_open, one), what="an open gate")

    await gates.vote(await house.task(done, "Approve"), Vote("bob", "approve", ""))
    await gates.vote(await house.task(keyed, "Approve"), Vote("bob", "reject", ""))
    await wait_until(lambda: house.is_over(done, keyed), what="two ends")
    assert await Flow(house.store).pause_scenario(paused, Pause("wait", "ann")) in ("MORE", "DONE")
    for one in (dropped, paused):
        assert await house.store.cancel(one, Cause("enough")) in ("MORE", "DONE")
    await wait_until(lambda: house.is_over(dropped, paused), what="two cancellations")

    machine = scenario_id_from(b"machine")
    await house.store.submit(house.new(machine, "Machine"))
    await wait_until(partial(house.goes, machine), what="the machine to go on")
    await wait_until(partial(house.is_over, machine), what="its end")
    letters = DeadLetters(house.store)
    assert await letters.redrive_one(await house.task(done, "Broken")) == "OK"
    await wait_until(lambda: house.is_over(done), what="the end after a redrive")
    record = await house.store.scenario(done)
    assert record and record.status is Status.SUCCESS
    new = await Rerun(house.store).of(
        record, "End", scenario_id_from(secrets.token_bytes(16)), Edits(prompt="again")
    )
    await house.store.submit(new)
    await wait_until(lambda: house.is_over(new.scenario_id), what="the end of a rerun")
    assert (await batches.get(batch_id)) is not None
    spawned = await house.store.task(await house.task(done, "Spawned"))
    assert spawned and spawned.rules["flow"] == {"tenant": "acme", "priority": 1}
    for kind in ("audit", "attempts", "dead-letters", "history", "machine"):
        assert await house.link.execute("KEYS", f"{kind}:*"), kind


async def test_after_the_purge_nothing_is_left(redis_url: str, link: RedisLink, tmp_path: Path) -> None:
    house = House(redis_url, tmp_path)
    async with receiving() as receiver, house.at_work():
        await story(house, receiver.url)
        await wait_until(lambda: len(receiver.requests) >= 7, what="the webhooks")
        await wait_until(house.are_gone, what="the purge", timeout_s=60)

    names = [name.decode() for name in await link.execute("KEYS", "*")]
    ttls = await link.execute_many([("PTTL", name) for name in names])
    lasting = [name for name, ttl in zip(names, ttls, strict=True) if ttl == -1]
    assert [name for name in lasting if not PERMANENT.match(name)] == []
    full = [name for name in lasting if EMPTY.match(name) and await _size(link, name)]
    assert full == []
    expiring = {re.sub(r":.*", "", name) for name in set(names) - set(lasting)}
    assert expiring <= {"idempotency", "delivery", "deliveries", "rate", "window"}
    assert obstore.list(house.artifacts._store).collect() == []


async def _size(link: RedisLink, name: str) -> int:
    kind = (await link.execute("TYPE", name)).decode()
    return int(await link.execute({"stream": "XLEN", "zset": "ZCARD", "hash": "HLEN"}[kind], name))


@pytest.mark.parametrize("kind", ["text", "number"])
def test_the_list_of_permanent_keys_has_no_scenario_in_it(kind: str) -> None:
    assert not PERMANENT.match(f"scenario:{scenario_id_from(kind.encode())}")
