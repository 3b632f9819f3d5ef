"""The template docs/examples/durable/state_machine.yml, run as it stands there."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.handover import new_scenario
from orchestrator.store.machine_records import Event, Refusal
from orchestrator.store.machines import MachineStore
from orchestrator.templates import Registry, generate
from tests.support.engines import running_engine
from tests.support.wait import wait_until
from workers_sdk import Context, Worker
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status

EXAMPLES = Registry([Path(__file__).parents[3] / "docs" / "examples" / "durable"])


async def test_an_order_is_sent_twice_and_comes_back(redis_url: str) -> None:
    scenario = new_scenario(
        generate(
            EXAMPLES.get("StateMachine"),
            scenario_id=scenario_id_from(secrets.token_bytes(16)),
            variables={"ITEM": "atlas"},
            now=datetime.now(UTC),
        ),
        [],
    )
    done: list[str] = []
    worker = Worker("shop-service", redis_url=redis_url)

    @worker.task("Pack")
    async def pack(ctx: Context) -> dict[str, str]:
        done.append(f"pack {ctx.prompt}")
        return {"parcel": f"P{len(done)}"}

    @worker.task("Ship")
    async def ship(ctx: Context) -> None:
        done.append(f"ship {ctx.fields['parcel']}")

    @worker.task("Refund")
    async def refund(ctx: Context) -> None:
        done.append(f"refund: {ctx.prompt}")

    async with (
        running_engine(redis_url, partitions=4) as engine,
        running_engine(redis_url, partitions=4),
        worker.running(),
    ):
        store, machines = engine.store, MachineStore(engine.store)
        await store.submit(scenario)

        async def stands(state: str) -> bool:
            record = await store.scenario(scenario.scenario_id)
            return record is not None and record.state == state

        async def send(event: str, **more: object) -> Refusal | None:
            record = await store.scenario(scenario.scenario_id)
            assert record is not None
            return (await machines.send(record, Event(event, **more))).refusal  # type: ignore[arg-type]

        await wait_until(lambda: stands("new"), what="the start")
        assert await send("return") is Refusal.NOT_ALLOWED
        assert await send("pay", by="ann", id="payment-1") is None
        assert await send("pay", by="ann", id="payment-1") is None
        await wait_until(lambda: stands("shipped"), what="the first parcel")
        assert await send("resend") is None
        await wait_until(lambda: stands("shipped"), what="the second parcel")
        assert await send("return", data={"reason": "wrong colour"}) is None
        record = await engine.finished(scenario.scenario_id)
        way = [one["to"] for one in await machines.history(scenario.scenario_id)]

    assert (record.status, record.state) == (Status.FAILED, "cancelled")
    assert done == ["pack atlas", "ship P1", "pack atlas", "ship P3", "refund: wrong colour"]
    assert way == ["new", "paid", "shipped", "paid", "shipped", "refund", "cancelled"]
