"""Dead letters: what failed for good, by kinds; edited, redriven, dismissed, purged."""

from collections import Counter

import pytest

from orchestrator.store.dead_letters import DeadLetters, Handled, is_fingerprint
from orchestrator.store.edits import Edits
from orchestrator.store.records import NewScenario, RetryPolicy, TaskRecord
from orchestrator.store.store import Policy, Store
from tests.support.dump import dump
from tests.support.engines import Running, materialized, running_engine
from tests.support.graphs import chain, graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.link import Link, RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry, TaskEvent, dumps

ERRORS = (
    ("BadVoice", "no such voice 'anna {}' in /var/voices/{}.json"),
    ("Timeout", "no answer after {} s"),
    ("Timeout", "the connection to https://example.org/{} broke"),
)


def error_of(number: int) -> str:
    """One of three kinds; each message is another."""
    kind, message = ERRORS[number % 3]
    return dumps({"type": kind, "message": message.replace("{}", str(number))}).decode()


async def fail(link: Link, events: str, entries: list[TaskEntry]) -> None:
    """Report the failure of each, by the number in its name."""
    reports = [
        TaskEvent(entry.task_id, EventKind.FAILED, entry.token, {"error": error_of(int(entry.name[1:]))})
        for entry in entries
    ]
    await link.execute_many([("XADD", events, "*", *report.encode()) for report in reports])


async def all_failed(engine: Running, scenario: NewScenario) -> None:
    """Work the scenario off; every task fails."""
    worker = PlainWorker(engine.store.link)

    async def step() -> bool:
        await fail(engine.store.link, worker.at.task_events, await worker.take(500))
        record = await engine.store.scenario(scenario.scenario_id)
        return record is not None and record.status.is_final

    await wait_until(step, what="the scenario to end", timeout_s=120)


async def test_ten_thousand_failures_of_three_kinds_are_three_fingerprints(redis_url: str) -> None:
    count = 10_000
    names = [f"t{number}" for number in range(count)]
    scenario = graph({**{name: [] for name in names}, "end": names})
    async with running_engine(redis_url, Policy(lease_ms=600_000)) as engine:
        letters = DeadLetters(engine.store)
        await engine.store.submit(scenario)
        await all_failed(engine, scenario)

        kinds, total = await letters.kinds(10)
        assert total == count
        assert sorted(kind.count for kind in kinds) == [3_333, 3_333, 3_334]
        assert len({kind.fingerprint for kind in kinds}) == 3
        assert all(is_fingerprint(kind.fingerprint) for kind in kinds)
        (voices,) = [kind for kind in kinds if kind.sample.error["type"] == "BadVoice"]

        handled = await letters.redrive(voices.fingerprint, most=1_000)
        assert handled.done >= 1_000
        assert (handled.done + handled.left, handled.carried_on) == (voices.count, True)
        await wait_until(lambda: _left(letters, voices.fingerprint, 0), what="the engine to redrive the rest")

        assert (await letters.kinds(10))[1] == count - voices.count
        record = await engine.store.scenario(scenario.scenario_id)
        assert record and record.counts[Status.FAILED] == count - voices.count
        assert record.counts[Status.PENDING] == voices.count
        assert record.counts[Status.SKIPPED] == 1  # the others that it needs are still dead
        worker = PlainWorker(engine.store.link)
        entries = await worker.take(count)
        assert Counter(int(entry.name[1:]) % 3 for entry in entries) == {0: voices.count}
        assert {entry.attempt for entry in entries} == {2}
        assert not await engine.store.link.execute("ZCOUNT", "timers", "-inf", "+inf")


async def _left(letters: DeadLetters, fingerprint: str, count: int) -> bool:
    page = await letters.letters(fingerprint, cursor=None, limit=1)
    return len(page.items) == count


async def test_what_dies_again_while_a_redrive_is_carried_on_stays_dead(redis_url: str) -> None:
    scenario = graph({f"t{number}": [] for number in range(0, 1_200, 3)})
    async with running_engine(redis_url, Policy(lease_ms=600_000)) as engine:
        letters = DeadLetters(engine.store)
        await engine.store.submit(scenario)
        await all_failed(engine, scenario)
        (kind,), _ = await letters.kinds(10)

        await letters.redrive(None, most=1)
        await all_failed(engine, scenario)
        (again,), total = await letters.kinds(10)

        assert (again.fingerprint, total) == (kind.fingerprint, 400)
        assert again.first_ms > kind.last_ms
        tasks = await engine.store.tasks(scenario.task_ids)
        assert {task.attempt for task in tasks if task} == {2}


async def test_only_the_last_attempt_makes_a_dead_letter(engine: Running, worker: PlainWorker) -> None:
    plain = graph({"t0": []})
    plain.tasks[0] = _with_policy(plain, RetryPolicy(max_attempts=2, delay_ms=0))
    await engine.store.submit(plain)
    letters = DeadLetters(engine.store)
    entries = await wait_until(worker.take, what="the first attempt")
    await fail(engine.store.link, "task-events", entries)
    entries = await wait_until(worker.take, what="the second attempt")
    assert (await letters.kinds(10)) == ([], 0)

    await fail(engine.store.link, "task-events", entries)
    await engine.finished(plain.scenario_id)
    ((kind,), total) = await letters.kinds(10)
    assert (kind.count, total, kind.sample.attempt) == (1, 1, 2)
    assert kind.fingerprint.startswith("test-service:")


def _with_policy(scenario: NewScenario, policy: RetryPolicy):  # type: ignore[no-untyped-def]
    (task,) = scenario.tasks
    return type(task)(task.id, task.service, task.name, task.queue, task.consumers, task.fields, policy)


async def failed_task(engine: Running, worker: PlainWorker) -> TaskRecord:
    """A dead letter, first of a chain of two."""
    scenario = graph(chain(2))
    await engine.store.submit(scenario)
    await fail(engine.store.link, "task-events", await wait_until(worker.take, what="the task"))
    await engine.finished(scenario.scenario_id)
    task = await engine.store.task(scenario.task_ids[0])
    assert task
    return task


async def test_a_dead_letter_is_edited_and_the_next_attempt_gets_it(
    engine: Running, worker: PlainWorker
) -> None:
    task = await failed_task(engine, worker)
    letters = DeadLetters(engine.store)

    first = Edits(params={"voice": "ben", "speed": 2, "pitch": 1}, fields={"slide_ids": ["a"]})
    assert await letters.edit(task.id, first) == "OK"
    assert await letters.edit(task.id, Edits(params={"speed": 3, "pitch": None})) == "OK"
    assert await letters.edit(task.id, Edits(prompt="[1]")) == "OK"
    assert await letters.redrive_one(task.id) == "OK"

    (entry,) = await wait_until(worker.take, what="the next attempt")
    assert entry.attempt == 2
    assert entry.fields == {"prompt": "[1]", "params": {"voice": "ben", "speed": 3}, "slide_ids": ["a"]}


@pytest.mark.parametrize("at", ["fields", "params"])
async def test_who_edits_what_another_has_just_edited_reads_it_again(
    engine: Running, worker: PlainWorker, link: RedisLink, at: str
) -> None:
    """The list of the fields that are JSON is one field for all; so are the params."""
    task = await failed_task(engine, worker)
    calls: list[str] = []

    def edits(name: str, number: int) -> Edits:
        return Edits(params={name: [number]}) if at == "params" else Edits(fields={name: [number]})

    other = DeadLetters(Store(link, engine.store.partitions))

    class Late(Store):
        async def call(self, name, values, rest=()):  # type: ignore[no-untyped-def]
            calls.append(name)
            if len(calls) == 1:
                assert await other.edit(task.id, edits("first", 1)) == "OK"
            return await super().call(name, values, rest)

    late = DeadLetters(Late(link, engine.store.partitions))
    assert await late.edit(task.id, edits("second", 2)) == "OK"
    edited = await engine.store.task(task.id)
    assert edited and calls == ["edit", "edit"]
    found = edited.fields["params"] if at == "params" else edited.fields
    assert (found["first"], found["second"]) == ([1], [2])


@pytest.mark.parametrize("name", ["status", "token", "on_ready", "json_fields", "no word", "name"])
async def test_fields_of_the_engine_are_not_edited(engine: Running, worker: PlainWorker, name: str) -> None:
    task = await failed_task(engine, worker)
    with pytest.raises(ValueError, match="not usable"):
        await DeadLetters(engine.store).edit(task.id, Edits(fields={name: "x"}))


async def test_what_is_no_dead_letter_is_not_edited(engine: Running, worker: PlainWorker) -> None:
    task = await failed_task(engine, worker)
    letters = DeadLetters(engine.store)
    assert await letters.edit(task.consumers[0], Edits(prompt="x")) == "NOT_DEAD"
    assert await letters.edit("0" * 16, Edits(prompt="x")) == "UNKNOWN"
    await letters.redrive_one(task.id)
    assert await letters.edit(task.id, Edits(prompt="x")) == "NOT_DEAD"


async def test_dismissed_ones_leave_the_list_and_stay_failed(engine: Running, worker: PlainWorker) -> None:
    first, second = await failed_task(engine, worker), await failed_task(engine, worker)
    letters = DeadLetters(engine.store)

    assert await letters.dismiss_one(first.id)
    assert not await letters.dismiss_one(first.id)
    assert await letters.redrive_one(first.id) == "NOT_DEAD"
    assert await letters.dismiss(second.fingerprint, most=100) == Handled(1, 0)
    assert await letters.kinds(10) == ([], 0)

    task = await engine.store.task(first.id)
    assert task and (task.status, task.error["type"]) == (Status.FAILED, "BadVoice")
    assert [key for key in await dump(engine.store.link) if b"dead" in key] == []


async def test_what_is_purged_leaves_the_lists(link: RedisLink) -> None:
    store = await Store.open(link, policy=Policy(chunk=2), unsafe_volatile=True)
    scenario = graph({f"t{number}": [] for number in range(5)})
    await materialized(store, scenario)
    for number, task_id in enumerate(scenario.task_ids):
        await store.report(TaskEvent(task_id, EventKind.FAILED, fields={"error": error_of(number)}))
    assert len((await DeadLetters(store).kinds(10))[0]) == 3

    await link.execute("ZADD", "timers", 1, f"purge:{scenario.scenario_id}")
    await store.begin_purge(store.partitions[0], scenario.scenario_id)
    while await store.purge(store.partitions[0], scenario.scenario_id) == "MORE":
        pass

    assert await DeadLetters(store).kinds(10) == ([], 0)
    assert [key for key in await dump(link) if b"dead" in key] == []


async def test_pages_of_dead_letters_are_whole_over_partitions(redis_url: str) -> None:
    async with running_engine(redis_url, partitions=4) as engine:
        scenarios = [graph({"t0": []}) for _ in range(12)]
        for scenario in scenarios:
            await engine.store.submit(scenario)
        workers = [PlainWorker(engine.store.link, at=at) for at in engine.store.partitions]

        async def step() -> bool:
            for worker in workers:
                await fail(engine.store.link, worker.at.task_events, await worker.take())
            records = [await engine.store.scenario(s.scenario_id) for s in scenarios]
            return all(record and record.status.is_final for record in records)

        await wait_until(step, what="all to fail")
        letters = DeadLetters(engine.store)
        ((kind,), total) = await letters.kinds(10)
        assert (kind.count, total) == (12, 12)

        seen: list[str] = []
        cursor = None
        while True:
            page = await letters.letters(kind.fingerprint, cursor=cursor, limit=5)
            seen += [task.id for task in page.items]
            if not (cursor := page.next_cursor):
                break
        assert sorted(seen) == sorted(s.task_ids[0] for s in scenarios)
        assert await letters.redrive(kind.fingerprint, most=100) == Handled(12, 0)
        assert await letters.kinds(10) == ([], 0)
