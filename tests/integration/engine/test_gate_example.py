"""The template docs/examples/durable/gate.yml, run as it stands there."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.handover import new_scenario
from orchestrator.store.gate_records import Gate, Vote
from orchestrator.store.gates import GateStore, Voted
from orchestrator.templates import Registry, generate
from tests.support.engines import running_engine
from tests.support.wait import wait_until
from workers_sdk import Context, Worker
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.messages import Status

EXAMPLES = Registry([Path(__file__).parents[3] / "docs" / "examples" / "durable"])


async def test_two_people_approve_what_the_second_of_them_changed(redis_url: str) -> None:
    generated = generate(
        EXAMPLES.get("Gate"),
        scenario_id=scenario_id_from(secrets.token_bytes(16)),
        variables={},
        now=datetime.now(UTC),
    )
    gate_id = generated.tasks[1].id
    worker = Worker("text-service", redis_url=redis_url)
    worker.task("Write")(lambda: {"text": "Cats.", "words": 1})
    published: list[str] = []

    @worker.task("Publish")
    async def publish(ctx: Context) -> None:
        published.append(ctx.params["text"])

    async with running_engine(redis_url) as engine, worker.running():
        await engine.store.submit(new_scenario(generated, []))
        gates = GateStore(engine.store)

        async def opened() -> Gate | None:
            return await gates.gate(gate_id)

        gate: Gate = await wait_until(opened, what="the gate to open")
        for vote in (
            Vote("alice", "approve"),
            Vote("bob", "approve", value="Dogs.", groups=["editors"]),
            Vote("alice", "approve"),
        ):
            assert isinstance(await gates.vote(gate_id, vote), Voted)
        record = await engine.finished(generated.scenario_id)

    assert (gate.facts.message, gate.value) == ("It is published under our name. 1 words.", "Cats.")
    assert record.status is Status.SUCCESS
    assert published == ["Dogs."]


REWRITE = """
name: Rewrite
tasks:
  - name: Approve
    gate: {draft: "Cats.", on_reject: continue}
  - name: Publish
    service: text-service
    needs: [Approve]
    when: "result('Approve').decision == 'approve'"
    params: {text: "{{ result('Approve').value }}"}
  - name: Rewrite
    service: text-service
    needs: [Approve]
    when: "result('Approve').decision == 'reject'"
    prompt: "{{ result('Approve').comment }}"
"""


async def test_a_condition_looks_at_a_rejection_that_is_to_go_on(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "Rewrite.yml").write_text(REWRITE)
    generated = generate(
        Registry([tmp_path]).get("Rewrite"),
        scenario_id=scenario_id_from(secrets.token_bytes(16)),
        variables={},
        now=datetime.now(UTC),
    )
    asked: list[str] = []
    worker = Worker("text-service", redis_url=redis_url)
    worker.task("Publish")(lambda: None)

    @worker.task("Rewrite")
    async def rewrite(ctx: Context) -> None:
        asked.append(ctx.prompt)

    async with running_engine(redis_url) as engine, worker.running():
        await engine.store.submit(new_scenario(generated, []))
        gates = GateStore(engine.store)
        gate_id = generated.tasks[0].id

        async def opened() -> Gate | None:
            return await gates.gate(gate_id)

        await wait_until(opened, what="the gate to open")
        await gates.vote(gate_id, Vote("ann", "reject", "shorter, please"))
        record = await engine.finished(generated.scenario_id)

    assert asked == ["shorter, please"]
    assert (record.counts[Status.SUCCESS], record.counts[Status.SKIPPED]) == (2, 1)
