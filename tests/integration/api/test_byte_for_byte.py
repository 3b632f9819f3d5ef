"""What a user writes arrives at the worker byte for byte, and never becomes structure."""

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

FAKE_TASKS = (
    '"\ntasks:\n  - id: evil\n    service: admin-service\n    name: Evil\n    queue: 0\n    prompt: "x'
)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@pytest.mark.usefixtures("engine")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=texts)
@example(prompt="{{ 7*7 }}")
@example(prompt="{% for i in range(9) %}{{ i }}{% endfor %}")
@example(prompt="quotes \" and ' and `\n\tnew lines\r\n and \\n")
@example(prompt="!!python/object/apply:os.system [id]")
@example(prompt="&a [*a, *a]")
@example(prompt=FAKE_TASKS)
@example(prompt='{"id": "x", "queue": 0}')
@example(prompt="\ue000\ue001\ue002 0")
@example(prompt="null")
async def test_a_prompt_arrives_byte_for_byte(
    client: httpx.AsyncClient, link: RedisLink, prompt: str
) -> None:
    accepted = await client.post("/generate", json={"scenario": "Pair", "description": prompt})
    assert accepted.status_code == 201, accepted.text
    worker = PlainWorker(link, service="text-service")
    (entry,) = await wait_until(worker.take, what="the first task")
    stored = await link.execute("HGET", f"task:{entry.task_id}", "prompt")
    await worker.succeed(entry)

    assert accepted.json()["total"] == 2
    assert entry.fields["prompt"] == prompt
    assert stored == prompt.encode()
    assert await link.execute("SISMEMBER", "services", "admin-service") == 0
