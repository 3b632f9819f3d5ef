"""Worker and engine together: long computing, cancel, signs of life, tasks that a handler makes."""

import threading
import time
from dataclasses import replace
from datetime import datetime

from orchestrator.store.records import Cause, TaskRecord
from orchestrator.store.store import Policy
from tests.support.engines import QUICK, Running, running_engine
from tests.support.graphs import graph
from tests.support.wait import wait_until
from workers_sdk import Context, Worker
from workers_sdk.protocol.messages import Status
from workers_sdk.protocol.spawn import spawned_id

from . import process_handlers

LONG = Policy(lease_ms=600_000)
"""Nobody renews a lease within a test, so whoever is told has heard it from the stream."""


async def task(engine: Running, task_id: str) -> TaskRecord:
    """A task that exists."""
    found = await engine.store.task(task_id)
    assert found
    return found


async def test_computing_in_a_thread_for_longer_than_its_lease_is_one_attempt(redis_url: str) -> None:
    scenario = graph({"compute": [], "beside": []})
    worker = Worker("test-service", redis_url=redis_url)

    @worker.task("compute")
    def compute(ctx: Context) -> int:
        end, rounds = time.monotonic() + 4 * QUICK.lease_ms / 1000, 0
        while time.monotonic() < end:
            rounds += 1
        return ctx.attempt

    worker.task("beside")(compute)
    async with running_engine(redis_url, QUICK) as engine, worker.running():
        await engine.store.submit(scenario)
        record = await engine.finished(scenario.scenario_id)
        done = [await task(engine, task_id) for task_id in scenario.task_ids]
    assert record.status is Status.SUCCESS
    assert [(one.attempt, one.result) for one in done] == [(1, 1), (1, 1)]


async def test_a_handler_that_always_kills_its_process_fails_long_before_its_lease_ends(
    redis_url: str,
) -> None:
    scenario = graph({"poison": [], "beside": []})
    worker = Worker("test-service", redis_url=redis_url, concurrency=1)
    worker.task("poison", run="process")(process_handlers.die)
    worker.task("beside", run="process")(process_handlers.where)
    async with running_engine(redis_url, LONG) as engine, worker.running():
        await engine.store.submit(scenario)

        async def ended() -> bool:
            record = await engine.store.scenario(scenario.scenario_id)
            return record is not None and record.status.is_final

        await wait_until(ended, what="the end of both, after four processes", timeout_s=120)
        poison, beside = [await task(engine, task_id) for task_id in scenario.task_ids]
        attempts = await engine.store.attempts(poison.id)
    assert (poison.status, beside.status) == (Status.FAILED, Status.SUCCESS)
    assert poison.error == {"type": "worker_lost", "message": "its process died: SIGKILL", "lost": True}
    assert [one.attempt for one in attempts] == [1, 2, 3]


async def test_computing_in_a_thread_hears_that_it_is_cancelled(redis_url: str) -> None:
    scenario = graph({"compute": []})
    worker = Worker("test-service", redis_url=redis_url)
    begun, told = threading.Event(), threading.Event()

    @worker.task("compute")
    def compute(ctx: Context) -> None:
        begun.set()
        while not ctx.cancelled.is_set():
            pass
        told.set()

    async with running_engine(redis_url, LONG) as engine, worker.running():
        await engine.store.submit(scenario)
        await wait_until(begun.is_set, what="the begin")
        while await engine.store.cancel(scenario.scenario_id, Cause("not needed", by="ann")) == "MORE":
            pass
        await wait_until(told.is_set, what="the handler to be told")
        assert (await task(engine, scenario.task_ids[0])).status is Status.CANCELLED


async def test_tasks_that_a_handler_makes_are_done_before_what_depends_on_it(redis_url: str) -> None:
    scenario = graph({"plan": [], "after": ["plan"]})
    worker = Worker("test-service", redis_url=redis_url)
    order: list[str] = []

    @worker.task("plan")
    async def plan(ctx: Context) -> str:
        order.append("plan")
        drafts = [ctx.spawn("draft", prompt=prompt) for prompt in ("a", "b")]
        ctx.spawn("join", draft_ids=drafts)
        return "planned"

    @worker.task("draft")
    def draft(ctx: Context) -> str:
        order.append("draft")
        return ctx.prompt.upper()

    @worker.task("join")
    async def join(ctx: Context) -> str:
        order.append("join")
        return "".join(result.value for result in ctx.results("draft_ids"))

    @worker.task("after")
    async def after() -> None:
        order.append("after")

    plan_id = scenario.task_ids[0]
    async with running_engine(redis_url) as engine, worker.running():
        await engine.store.submit(scenario)
        record = await engine.finished(scenario.scenario_id)
        planned, joined = await task(engine, plan_id), await task(engine, spawned_id(plan_id, "join_1"))
    assert record.status is Status.SUCCESS
    assert order == ["plan", "draft", "draft", "join", "after"]
    assert (planned.result, joined.result) == ("planned", "AB")


async def test_a_task_that_gives_signs_of_life_outlives_its_heartbeat_timeout(redis_url: str) -> None:
    plain = graph({"work": []})
    rules = {"timeouts": {"heartbeat_ms": 1_500}}
    scenario = replace(plain, tasks=[replace(plain.tasks[0], rules=rules)])
    worker = Worker("test-service", redis_url=redis_url)
    go_on = threading.Event()

    @worker.task("work")
    def work(ctx: Context) -> int:
        while not go_on.wait(0.05):
            ctx.heartbeat()
        return ctx.attempt

    async with running_engine(redis_url) as engine, worker.running():

        async def outlived() -> bool:
            found = await engine.store.task(scenario.task_ids[0])
            if not found or not found.started_at:
                return False
            lived = datetime.fromisoformat(found.updated_at) - datetime.fromisoformat(found.started_at)
            return lived.total_seconds() > 4.5

        await engine.store.submit(scenario)
        await wait_until(outlived, what="three times the timeout")
        go_on.set()
        assert (await engine.finished(scenario.scenario_id)).status is Status.SUCCESS
        assert (await task(engine, scenario.task_ids[0])).result == 1


async def test_a_task_without_a_sign_of_life_is_stopped_and_hears_why(redis_url: str) -> None:
    plain = graph({"work": []})
    rules = {"timeouts": {"heartbeat_ms": 300}}
    scenario = replace(plain, tasks=[replace(plain.tasks[0], rules=rules)])
    worker = Worker("test-service", redis_url=redis_url)
    told = threading.Event()

    @worker.task("work")
    def work(ctx: Context) -> None:
        while not ctx.cancelled.is_set():
            threading.Event().wait(0.01)
        told.set()

    async with running_engine(redis_url, LONG) as engine, worker.running():
        await engine.store.submit(scenario)
        assert (await engine.finished(scenario.scenario_id)).status is Status.FAILED
        await wait_until(told.is_set, what="the handler to be told")
        error = (await task(engine, scenario.task_ids[0])).error
    assert error
    assert error["type"] == "heartbeat_timeout"
