"""The templates in docs/examples/durable about what waits for what, run as they stand there."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.handover import new_scenario
from orchestrator.store.records import Cause, NewScenario, TaskRecord
from orchestrator.templates import Registry, generate
from orchestrator.templates.template import load_template
from tests.support.engines import Running, running_engine
from tests.support.wait import wait_until
from workers_sdk import Context, Fail, Worker
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status

EXAMPLES = Registry([Path(__file__).parents[3] / "docs" / "examples" / "durable"])


def example(name: str, **variables: Any) -> NewScenario:
    """A new scenario of a template that warns of nothing: an example by its name, or the text of one."""
    generated = generate(
        load_template(name) if "\n" in name else EXAMPLES.get(name),
        scenario_id=scenario_id_from(secrets.token_bytes(16)),
        variables=variables,
        now=datetime.now(UTC),
        strict=True,
    )
    return new_scenario(generated, [])


class Crew:
    """A worker of one service: tasks named in `fails` fail, `waits` until it is cancelled. `ran` has the names as they began."""

    def __init__(
        self, url: str, service: str, scenario: NewScenario, *, fails: Sequence[str] = (), waits: str = ""
    ) -> None:
        self.worker = Worker(service, redis_url=url)
        self.ran: list[str] = []
        self._fails = fails
        self._waits = waits
        for name in {task.name for task in scenario.tasks}:
            self.worker.task(name)(self._work)

    async def _work(self, ctx: Context) -> str:
        self.ran.append(ctx.name)
        if ctx.name in self._fails:
            raise Fail("told to", code="Told")
        if ctx.name == self._waits:
            await ctx.cancelled.wait()
        return ctx.name


async def ended(engine: Running, scenario: NewScenario) -> tuple[Status, dict[str, TaskRecord]]:
    """Wait for the end: status of the scenario, and its tasks by name."""
    record = await engine.finished(scenario.scenario_id)
    found = [task for task in await engine.store.tasks(scenario.task_ids) if task]
    return record.status, {task.name: task for task in found}


async def test_joins(redis_url: str) -> None:
    scenario = example("Joins")
    crew = Crew(redis_url, "web-service", scenario, fails=["AskFirstBank", "DrawChart"])
    async with running_engine(redis_url) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        status, found = await ended(engine, scenario)

    assert status is Status.SUCCESS
    assert found["AskFirstBank"].status is found["DrawChart"].status is Status.FAILED
    assert found["Publish"].status is Status.SUCCESS


async def test_compensation(redis_url: str) -> None:
    scenario = example("Trip")
    crew = Crew(redis_url, "booking-service", scenario, fails=["Pay"])
    async with running_engine(redis_url) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        status, found = await ended(engine, scenario)

    assert status is Status.FAILED
    assert crew.ran == ["BookFlight", "BookHotel", "Pay", "CancelHotel", "CancelFlight", "Tell"]
    assert found["Tell"].status is Status.SUCCESS


async def test_what_was_not_done_is_not_undone(redis_url: str) -> None:
    scenario = example("Trip")
    crew = Crew(redis_url, "booking-service", scenario, fails=["BookHotel"])
    async with running_engine(redis_url) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        status, found = await ended(engine, scenario)

    assert status is Status.FAILED
    assert crew.ran == ["BookFlight", "BookHotel", "CancelFlight", "Tell"]
    assert found["CancelHotel"].status is found["Pay"].status is Status.SKIPPED


async def test_nothing_is_undone_after_a_success(redis_url: str) -> None:
    scenario = example("Trip")
    crew = Crew(redis_url, "booking-service", scenario)
    async with running_engine(redis_url) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        status, found = await ended(engine, scenario)

    assert status is Status.SUCCESS
    assert crew.ran == ["BookFlight", "BookHotel", "Pay", "Tell"]
    assert found["CancelHotel"].status is found["CancelFlight"].status is Status.SKIPPED


async def test_a_cancelled_trip_is_undone(redis_url: str) -> None:
    scenario = example("Trip")
    crew = Crew(redis_url, "booking-service", scenario, waits="Pay")
    async with running_engine(redis_url) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        await wait_until(lambda: "Pay" in crew.ran, what="payment")
        await engine.store.cancel(scenario.scenario_id, Cause(by="ann"))
        status, _ = await ended(engine, scenario)

    assert status is Status.CANCELLED
    assert crew.ran == ["BookFlight", "BookHotel", "Pay", "CancelHotel", "CancelFlight", "Tell"]


async def test_services(redis_url: str) -> None:
    scenario = example("Services", USER="eve")
    review, draft = scenario.tasks[0], scenario.tasks[-1]
    assert draft.policy is not None and (draft.policy.max_attempts, draft.policy.max_crashes) == (5, 2)
    flow = {"key": "user-eve", "max": 3, "rate": {"count": 60, "per_ms": 60_000, "burst": 10}}
    assert draft.rules == {"timeouts": {"queue_ms": 3_600_000, "run_ms": 600_000}, "flow": flow}
    assert review.rules == {"timeouts": {"run_ms": 30_000}, "flow": {"priority": 0, **flow}}
    crew = Crew(redis_url, "model-service", scenario)
    async with running_engine(redis_url) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        status, _ = await ended(engine, scenario)

    assert status is Status.SUCCESS
    assert crew.ran == ["Draft"] * 4 + ["Review"]


async def test_delays(redis_url: str) -> None:
    scenario = example("Delays")
    crew = Crew(redis_url, "mail-service", scenario)
    async with running_engine(redis_url) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        status, found = await ended(engine, scenario)

    assert status is Status.SUCCESS
    first, second = (
        datetime.fromisoformat(text) for text in (found["Invite"].finished_at, found["Remind"].started_at)
    )
    assert (second - first).total_seconds() >= 0.2


async def test_a_scenario_in_a_scenario(redis_url: str) -> None:
    scenario = example("Series", TITLES=["a", "b"])
    crew = Crew(redis_url, "film-service", scenario)
    titles: set[str] = set()

    @crew.worker.task("Shoot")
    async def shoot(ctx: Context) -> None:
        titles.add(ctx.params["title"])

    async with running_engine(redis_url, templates=EXAMPLES) as engine, crew.worker.running():
        await engine.store.submit(scenario)
        status, found = await ended(engine, scenario)

    assert status is Status.SUCCESS
    assert titles == {"a", "b"}
    assert found["Publish"].status is Status.SUCCESS
