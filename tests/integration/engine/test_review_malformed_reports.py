"""Final reports that cannot be taken: their worker thinks that it is done, so the attempt ends by them all the same."""

import pytest

from tests.support.bench import Bench
from tests.support.engines import Running
from tests.support.graphs import chain, graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import GROUP_WORKERS
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

TOO_LARGE = '"' + "x" * 70_000 + '"'


@pytest.mark.parametrize("acked", [True, False])
@pytest.mark.parametrize(
    ("result", "reason"), [(TOO_LARGE, "larger than"), ('{"x":{broken}', "not JSON"), (b"\xff", "utf-8")]
)
async def test_a_success_that_cannot_be_read_fails_its_task_and_says_why(
    engine: Running, worker: PlainWorker, link: RedisLink, acked: bool, result: str | bytes, reason: str
) -> None:
    scenario = graph(chain(1))
    await engine.store.submit(scenario)
    (entry,) = await wait_until(worker.take, what="the entry")
    if acked:  # as the SDK does, in one step
        queue = worker.at.queue(worker.service)
        await link.execute("XACK", queue, GROUP_WORKERS, entry.entry_id)
        await link.execute("XDEL", queue, entry.entry_id)
    report = ["task_id", entry.task_id, "status", "success", "token", entry.token, "acked", str(int(acked))]
    await link.execute("XADD", "task-events", "*", *report, "result", result)

    record = await engine.finished(scenario.scenario_id)

    (task,) = await engine.store.tasks(record.task_ids)
    assert task is not None and task.status is Status.FAILED
    assert task.error["type"] == "malformed_report"
    assert reason in task.error["message"]
    assert await link.execute("XLEN", worker.at.queue(worker.service)) == 0
    await wait_until(lambda: link.execute("XLEN", "quarantine"), what="the facts about the report")
    assert await link.execute("XLEN", "task-events") == 0


async def test_a_malformed_report_of_progress_or_of_an_older_attempt_ends_nothing(
    engine: Running, worker: PlainWorker, link: RedisLink
) -> None:
    scenario = graph(chain(1))
    await engine.store.submit(scenario)
    (entry,) = await wait_until(worker.take, what="the entry")
    for status, token in (("progress", entry.token), ("success", "0.old"), ("success", "")):
        report = ["task_id", entry.task_id, "status", status, "token", token]
        await link.execute("XADD", "task-events", "*", *report, "progress", "nan")
    await worker.succeed(entry)

    record = await engine.finished(scenario.scenario_id)

    assert record.status is Status.SUCCESS

    async def are_aside() -> bool:
        return int(await link.execute("XLEN", "quarantine")) == 3

    await wait_until(are_aside, what="the facts about three reports")


async def test_the_first_final_report_counts_though_one_that_cannot_be_read_comes_right_after_it(
    link: RedisLink,
) -> None:
    bench = await Bench(link, graph(chain(1))).open()
    [entry] = (await bench.takes()).values()
    await bench.worker.succeed(entry)
    report = ["task_id", entry.task_id, "status", "success", "token", entry.token, "result", TOO_LARGE]
    await link.execute("XADD", "task-events", "*", *report)

    await bench.settle()

    assert (await bench.task(entry.name)).status is Status.SUCCESS
    assert await link.execute("XLEN", "quarantine") == 1
