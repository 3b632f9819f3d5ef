"""How a worker stops."""

import asyncio
import threading

from tests.support.wait import wait_until
from workers_sdk import Context
from workers_sdk.protocol.messages import EventKind

from .support import Desk, Faulty, result_of


async def test_a_stop_lets_running_handlers_finish_and_leaves_the_group(desk: Desk) -> None:
    worker = desk.worker()
    go_on = asyncio.Event()

    @worker.task("CreateText")
    async def create_text(ctx: Context) -> str:
        await go_on.wait()
        return "finished"

    task_id = await desk.put("CreateText")
    stop = asyncio.Event()
    serving = asyncio.create_task(worker.serve(stop))
    await desk.processing(task_id)
    stop.set()
    late = await desk.put("CreateText")
    go_on.set()
    assert await serving == 0
    assert result_of(await desk.end()) == "finished"
    assert (await desk.task(late))["status"] == "pending"
    assert await desk.left() == (1, 0, 0)


async def test_a_handler_that_takes_too_long_is_cancelled_and_its_task_goes_to_another_worker(
    desk: Desk,
) -> None:
    slow, quick = desk.worker(drain_s=0), desk.worker()

    @slow.task("CreateText")
    async def wait(ctx: Context) -> None:
        await asyncio.Event().wait()

    @quick.task("CreateText")
    async def create_text(ctx: Context) -> int:
        return ctx.attempt

    task_id = await desk.put("CreateText")
    async with slow.running():
        await desk.processing(task_id)
    handed_back = await desk.task(task_id)
    assert (handed_back["status"], handed_back["attempt"], handed_back["worker"]) == ("pending", "2", "")
    assert await desk.left() == (1, 0, 0)
    async with quick.running():
        assert result_of(await desk.end()) == 2


async def test_a_hurry_ends_the_waiting(desk: Desk) -> None:
    worker = desk.worker(drain_s=1_000)

    @worker.task("CreateText")
    async def wait(ctx: Context) -> None:
        await asyncio.Event().wait()

    task_id = await desk.put("CreateText")
    stop, hurry = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(worker.serve(stop, hurry))
    await desk.processing(task_id)
    stop.set()
    hurry.set()
    assert await serving == 0
    assert (await desk.task(task_id))["status"] == "pending"


async def test_a_thread_that_does_not_end_is_left_behind_and_its_late_result_is_dropped(desk: Desk) -> None:
    worker = desk.worker(drain_s=0)
    go_on, ended = threading.Event(), threading.Event()

    @worker.task("CreateText")
    def create_text(ctx: Context) -> str:
        go_on.wait(20)
        ended.set()
        return "late"

    task_id = await desk.put("CreateText")
    stop = asyncio.Event()
    serving = asyncio.create_task(worker.serve(stop))
    await desk.processing(task_id)
    stop.set()
    assert await serving == 1
    assert (await desk.task(task_id))["attempt"] == "2"
    go_on.set()
    await wait_until(ended.is_set, what="the end of the thread")
    assert await desk.events() == []


async def test_what_there_is_no_seat_for_goes_to_another_worker_at_once(desk: Desk) -> None:
    services = ("alpha-service", "beta-service")
    full, other = desk.worker(*services, concurrency=1), desk.worker(*services)
    go_on = asyncio.Event()

    @full.task("Step")
    async def wait(ctx: Context) -> str:
        await go_on.wait()
        return "full"

    @other.task("Step")
    async def step(ctx: Context) -> str:
        return "other"

    ids = [await desk.put("Step", service=service) for service in services]
    async with full.running():
        await wait_until(lambda: _one_of(desk, ids), what="a start")
        async with other.running():
            assert result_of(await desk.end()) == "other"
            go_on.set()
            ends = await desk.ends(2)
    assert {result_of(event) for event in ends} == {"full", "other"}
    assert {event.token[:2] for event in ends} == {"1."}


async def _one_of(desk: Desk, ids: list[str]) -> bool:
    return "processing" in [(await desk.task(task_id))["status"] for task_id in ids]


async def test_never_more_handlers_run_than_allowed(desk: Desk) -> None:
    worker = desk.worker("alpha-service", "beta-service", concurrency=3)
    running: set[str] = set()
    most = 0

    def note(ctx: Context) -> None:
        nonlocal most
        running.add(ctx.task_id)
        most = max(most, len(running))

    @worker.task("Thread")
    def thread(ctx: Context) -> None:
        note(ctx)
        threading.Event().wait(0.005)
        running.discard(ctx.task_id)

    @worker.task("Loop")
    async def loop(ctx: Context) -> None:
        note(ctx)
        await asyncio.sleep(0.005)
        running.discard(ctx.task_id)

    for number in range(60):
        await desk.put(
            ("Thread", "Loop")[number % 2], service=("alpha-service", "beta-service")[number // 2 % 2]
        )
    async with worker.running():
        ends = await desk.ends(60)
    assert {event.kind for event in ends} == {EventKind.SUCCESS}
    assert most == 3


async def test_a_worker_waits_for_the_server_and_can_be_stopped_meanwhile(desk: Desk) -> None:
    await desk.link.execute("FLUSHALL")
    worker = desk.worker()
    worker.task("CreateText")(lambda: "done")
    stopped = asyncio.Event()
    stopped.set()
    assert await worker.serve(stopped) == 0
    await desk.put("CreateText")
    async with worker.running():
        await desk.agree()
        assert result_of(await desk.end()) == "done"


async def test_a_stop_without_redis_ends(desk: Desk) -> None:
    faults = Faulty()
    worker = desk.worker(connect=faults.connect, drain_s=0)

    @worker.task("CreateText")
    async def create_text(ctx: Context) -> None:
        await asyncio.Event().wait()

    task_id = await desk.put("CreateText")
    async with worker.running():
        await desk.processing(task_id)
        faults.down = True
    assert (await desk.task(task_id))["status"] == "processing"
