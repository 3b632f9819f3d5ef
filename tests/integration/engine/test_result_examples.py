"""The templates in docs/examples/durable about results of other tasks, run as they stand there."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.store.records import TaskRecord
from tests.integration.engine.test_graph_examples import example
from tests.support.engines import running_engine
from workers_sdk import Context, Worker
from workers_sdk.protocol.messages import Status

Do = Callable[[Context], Any]


async def run(
    url: str, name: str, handlers: dict[str, Do], **variables: Any
) -> tuple[Status, list[TaskRecord]]:
    """Run an example with these handlers: status of the scenario, and all its tasks."""
    scenario = example(name, **variables)
    services = {task.service for task in scenario.tasks} - {"orchestrator"}
    worker = Worker(*services, redis_url=url)
    for task, do in handlers.items():
        worker.task(task)(_handler(do))
    async with running_engine(url) as engine, worker.running():
        await engine.store.submit(scenario)
        record = await engine.finished(scenario.scenario_id)
        tasks = await engine.store.tasks(record.task_ids)
    return record.status, [task for task in tasks if task]


def _handler(do: Do) -> Callable[[Context], Any]:
    async def handler(ctx: Context) -> Any:
        return do(ctx)

    return handler


def told(ctx: Context) -> dict[str, Any]:
    """All that a handler was given."""
    return {"prompt": ctx.prompt, "params": ctx.params, **ctx.fields}


async def test_results_stand_in_the_fields_when_a_handler_runs(redis_url: str) -> None:
    status, tasks = await run(
        redis_url,
        "Results",
        {
            "Write": lambda _: {"title": 'Cats {{ 7*7 }} "are"\nfine', "words": 120},
            "Illustrate": lambda ctx: {"url": f"https://x/{ctx.fields['index']}", "told": told(ctx)},
            "Publish": told,
        },
    )

    assert status is Status.SUCCESS
    write, first, second, publish = tasks
    assert first.result["told"] == {
        "prompt": 'A picture for: Cats {{ 7*7 }} "are"\nfine',
        "params": {"words": 120, "style": "plain"},
        "index": 1,
    }
    assert second.result["told"]["index"] == 2
    assert publish.result["pictures"] == ["https://x/1", "https://x/2"]
    assert publish.result["page"] == write.result


async def test_a_result_that_is_not_there_fails_the_task_that_wants_it(redis_url: str) -> None:
    status, tasks = await run(redis_url, "Results", {"Write": lambda _: {"words": 1}})

    assert status is Status.FAILED
    assert [task.status for task in tasks] == [Status.SUCCESS, Status.FAILED, Status.FAILED, Status.SKIPPED]
    assert (tasks[1].error["type"], tasks[1].attempt) == ("no_result", 0)
    assert "title" in tasks[1].error["message"]


@pytest.mark.parametrize(
    ("checked", "done"),
    [
        ({"score": 0.9, "lang": "en"}, "Publish"),
        ({"score": 0.9, "lang": "fr"}, ""),
        ({"score": 0.1}, "Revise"),
        ({}, "Revise"),
    ],
)
async def test_a_condition_chooses_what_comes_next(
    redis_url: str, checked: dict[str, Any], done: str
) -> None:
    status, tasks = await run(
        redis_url, "When", {"Check": lambda _: checked, "Publish": told, "Revise": told}
    )

    assert status is Status.SUCCESS
    assert [task.name for task in tasks[1:] if task.status is Status.SUCCESS] == ([done] if done else [])
    assert {task.error["type"] for task in tasks[1:] if task.status is Status.SKIPPED} == {"condition_false"}


async def test_one_run_per_item_of_a_result(redis_url: str) -> None:
    parts = [{"text": "one"}, {"text": ""}, {"text": "three", "language": "de"}]
    status, tasks = await run(
        redis_url,
        "Foreach",
        {
            "Split": lambda _: {"parts": parts},
            "Translate": lambda ctx: f"{ctx.params['number']} {ctx.params['language']} {ctx.prompt}",
            "Join": lambda ctx: ctx.fields["parts"],
        },
    )

    assert status is Status.SUCCESS
    assert tasks[2].result == ["1 en one", None, "3 de three"]
    assert [task.status for task in tasks[3:]] == [Status.SUCCESS, Status.SKIPPED, Status.SUCCESS]


async def test_a_field_that_becomes_text_is_text_for_the_worker(redis_url: str) -> None:
    """The list of JSON fields stayed as it was, so the worker took the text for JSON."""
    template = "tasks:\n  - {name: A, service: s}\n  - {name: B, service: s, needs: [A], note: \"x {{ result('A') }}\"}\n"
    handlers: dict[str, Do] = {"A": lambda _: [1], "B": lambda ctx: ctx.fields["note"]}

    status, tasks = await run(redis_url, template, handlers)

    assert (status, tasks[1].result) == (Status.SUCCESS, "x [1]")
