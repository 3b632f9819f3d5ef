"""Order, counters and ends of scenarios."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.store.store import Policy
from tests.support.dump import dump
from tests.support.engines import Running, running_engine
from tests.support.graphs import chain, diamond, graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry


async def work_off(
    engine: Running, worker: PlainWorker, scenario_id: str, *, fail: frozenset[str] = frozenset()
) -> list[str]:
    """Do the tasks as they become ready, failing some by name; returns the names in the order they were handed out."""
    seen: list[str] = []

    async def step() -> bool:
        for entry in await worker.take():
            name = str(entry.fields["prompt"])
            seen.append(name)
            await worker.report(entry, EventKind.FAILED if name in fail else EventKind.SUCCESS)
        record = await engine.store.scenario(scenario_id)
        return record is not None and record.status.is_final

    await wait_until(step, what="the scenario to end")
    return seen


async def test_a_task_is_handed_out_only_after_all_it_waits_for_succeeded(
    engine: Running, worker: PlainWorker
) -> None:
    scenario = graph(diamond(5))
    await engine.store.submit(scenario)

    (first,) = await wait_until(worker.take, what="the first task")
    assert await worker.take() == []
    await worker.succeed(first)
    middle: list[TaskEntry] = []

    async def five() -> bool:
        middle.extend(await worker.take())
        return len(middle) == 5

    await wait_until(five, what="the five tasks in the middle")
    for entry in middle[:4]:
        await worker.succeed(entry)
    await wait_until(lambda: _queue_is(engine, scenario.task_ids[-1], 1), what="four of five counted")
    assert await worker.take() == []

    await worker.succeed(middle[4])
    (last,) = await wait_until(worker.take, what="the last task")
    await worker.succeed(last)
    record = await engine.finished(scenario.scenario_id)

    assert record.status is Status.SUCCESS
    assert {status: n for status, n in record.counts.items() if n} == {Status.SUCCESS: 7}


async def _queue_is(engine: Running, task_id: str, queue: int) -> bool:
    task = await engine.store.task(task_id)
    return task is not None and task.queue == queue


async def test_a_failed_task_skips_what_depends_on_it_and_the_rest_goes_on(
    engine: Running, worker: PlainWorker
) -> None:
    needs = {"a": [], "b": ["a"], "c": ["b"], "d": [], "e": ["d"], "f": ["c", "e"]}
    scenario = graph(needs)
    await engine.store.submit(scenario)

    seen = await work_off(engine, worker, scenario.scenario_id, fail=frozenset({"a"}))
    record = await engine.finished(scenario.scenario_id)
    tasks = await engine.store.tasks(record.task_ids)

    assert sorted(seen) == ["a", "d", "e"]
    assert record.status is Status.FAILED
    assert record.error["type"] == "task_failed"
    assert record.error["task_id"] == record.task_ids[0]
    assert [task.status.value for task in tasks if task] == [
        "failed",
        "skipped",
        "skipped",
        "success",
        "success",
        "skipped",
    ]
    assert [task.error["type"] for task in tasks if task and task.status is Status.SKIPPED] == [
        "upstream_failed"
    ] * 3


async def test_more_dependents_than_one_script_may_touch_are_released_in_chunks(redis_url: str) -> None:
    from_first = {
        "first": [],
        **{f"m{i}": ["first"] for i in range(47)},
        "last": [f"m{i}" for i in range(47)],
    }
    scenario = graph(from_first)
    async with running_engine(redis_url, _chunked(5)) as engine:
        worker = PlainWorker(engine.store.link)
        await engine.store.submit(scenario)

        seen = await work_off(engine, worker, scenario.scenario_id)

    assert sorted(seen) == sorted(from_first)


async def test_a_wide_failure_skips_in_chunks(redis_url: str) -> None:
    needs = {
        "first": [],
        **{f"m{i}": ["first"] for i in range(23)},
        **{f"n{i}": [f"m{i}"] for i in range(23)},
    }
    scenario = graph(needs)
    async with running_engine(redis_url, _chunked(4)) as engine:
        worker = PlainWorker(engine.store.link)
        await engine.store.submit(scenario)
        await work_off(engine, worker, scenario.scenario_id, fail=frozenset({"first"}))
        record = await engine.finished(scenario.scenario_id)

    assert (record.counts[Status.FAILED], record.counts[Status.SKIPPED]) == (1, 46)


def _chunked(chunk: int) -> Policy:
    return Policy(chunk=chunk)


async def test_streams_are_empty_when_a_scenario_has_ended(
    engine: Running, worker: PlainWorker, link: RedisLink
) -> None:
    scenario = graph(diamond(3))
    await engine.store.submit(scenario)
    await work_off(engine, worker, scenario.scenario_id)

    async def streams_are_empty() -> bool:
        state = await dump(link)
        streams = [value for value in state.values() if isinstance(value, dict) and "entries" in value]
        return len(streams) == 3 and all(
            not s["entries"] and not any(g["pending"] for g in s["groups"].values()) for s in streams
        )

    await wait_until(streams_are_empty, what="three empty streams without pending entries")


async def test_documented_hashes_read_as_the_seed_shows(
    engine: Running, worker: PlainWorker, link: RedisLink
) -> None:
    scenario = graph(chain(2))
    await engine.store.submit(scenario)
    await wait_until(worker.take, what="the first task")

    flat = await link.execute("HGETALL", f"task:{scenario.task_ids[0]}")
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    ids = await link.execute("HGET", f"scenario:{scenario.scenario_id}", "task_ids")

    assert ids.decode() == f'["{scenario.task_ids[0]}","{scenario.task_ids[1]}"]'
    assert fields[b"status"] == b"pending"
    assert fields[b"queue"] == b"0"
    assert fields[b"consumers"].decode() == f'["{scenario.task_ids[1]}"]'
    assert fields[b"result_ref"] == b""
    assert {
        b"id",
        b"scenario_id",
        b"service",
        b"name",
        b"created_at",
        b"updated_at",
        b"prompt",
    } <= fields.keys()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_graph_runs_in_order_under_repeated_reports(
    engine: Running, worker: PlainWorker, data: st.DataObject
) -> None:
    """Every report is sent twice; each task is still handed out once, after all that it waits for."""
    size = data.draw(st.integers(1, 8))
    needs = {
        str(i): data.draw(st.lists(st.sampled_from([str(k) for k in range(i)]), unique=True)) if i else []
        for i in range(size)
    }
    scenario = graph(needs)
    await engine.store.submit(scenario)
    seen: list[str] = []

    async def step() -> bool:
        for entry in await worker.take():
            name = str(entry.fields["prompt"])
            assert set(needs[name]) <= set(seen)
            seen.append(name)
            await worker.succeed(entry)
            await worker.succeed(entry)
        record = await engine.store.scenario(scenario.scenario_id)
        return record is not None and record.status is Status.SUCCESS

    await wait_until(step, what="success of the scenario")

    assert sorted(seen) == sorted(needs)


@pytest.mark.parametrize("partitions", [4])
async def test_scenarios_spread_over_partitions_all_finish(redis_url: str, partitions: int) -> None:
    async with running_engine(redis_url, partitions=partitions) as engine:
        workers = [PlainWorker(engine.store.link, at=at) for at in engine.store.partitions]
        scenarios = [graph(diamond(2)) for _ in range(20)]
        for scenario in scenarios:
            await engine.store.submit(scenario)
        used = {engine.store.partitions.of(s.scenario_id).index for s in scenarios}

        async def step() -> bool:
            for worker in workers:
                for entry in await worker.take():
                    await worker.succeed(entry)
            records = [await engine.store.scenario(s.scenario_id) for s in scenarios]
            return all(record and record.status is Status.SUCCESS for record in records)

        await wait_until(step, what="all scenarios to succeed")
        page = await engine.store.scenarios(limit=50)

    assert len(used) > 1
    assert {record.scenario_id for record in page.items} == {s.scenario_id for s in scenarios}
