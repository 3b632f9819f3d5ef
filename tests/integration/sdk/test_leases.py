"""What a worker holds stays its own while it lives, and is let go when it is told so."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.support.wait import wait_until
from workers_sdk import Context
from workers_sdk.protocol.keys import GROUP_WORKERS
from workers_sdk.protocol.link import RedisLink

from .support import LEASE_MS, SERVICE, Desk, result_of


async def _expired(url: str, stream: str) -> list[bytes]:
    """Entries whose lease ended while somebody looked, for three leases: what a sweep would take away."""
    link = RedisLink(url)
    found: list[bytes] = []
    deadline = asyncio.get_running_loop().time() + 3 * LEASE_MS / 1000
    while asyncio.get_running_loop().time() < deadline:
        found += await link.execute("XPENDING", stream, GROUP_WORKERS, "IDLE", LEASE_MS, "-", "+", 10)
        await asyncio.sleep(0.02)
    await link.close()
    return found


async def test_a_handler_that_blocks_the_event_loop_keeps_its_lease(desk: Desk) -> None:
    worker = desk.worker()

    @worker.task("Block")
    async def block(ctx: Context) -> int:
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(asyncio.run, _expired(desk.url, desk.at(ctx.task_id).queue(SERVICE)))
            return len(watching.result())  # nothing else runs on the loop meanwhile

    await desk.put("Block")
    async with worker.running():
        event = await desk.end()
    assert result_of(event) == 0
    assert event.token.startswith("1.")


async def test_a_thread_that_computes_keeps_its_lease(desk: Desk) -> None:
    worker = desk.worker()
    enough = threading.Event()

    @worker.task("Compute")
    def compute(ctx: Context) -> int:
        number = 0
        while not enough.is_set():
            number += 1
        return number

    task_id = await desk.put("Compute")
    async with worker.running():
        await desk.processing(task_id)
        expired = await _expired(desk.url, desk.at(task_id).queue(SERVICE))
        enough.set()
        await desk.end()
    assert not expired


async def test_a_task_that_is_cancelled_cancels_its_async_handler_and_reports_nothing(desk: Desk) -> None:
    worker = desk.worker()
    cancelled = asyncio.Event()

    @worker.task("Wait")
    async def wait(ctx: Context) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert ctx.cancelled.is_set()
            cancelled.set()
        return "too late"

    task_id = await desk.put("Wait")
    async with worker.running():
        await desk.processing(task_id)
        await desk.link.execute("HSET", desk.at(task_id).task(task_id), "status", "cancelled")
        await asyncio.wait_for(cancelled.wait(), 20)
    assert await desk.events() == []


async def test_a_thread_is_told_that_its_lease_is_lost_and_keeps_its_seat_until_it_ends(desk: Desk) -> None:
    worker = desk.worker(concurrency=1)
    told, go_on = threading.Event(), threading.Event()

    @worker.task("Stubborn")
    def stubborn(ctx: Context) -> str:
        while not ctx.cancelled.is_set():
            go_on.wait(0.01)
        told.set()
        go_on.wait(20)
        ctx.cancelled.raise_if_set()
        return "never"

    worker.task("Next")(lambda: "done")
    task_id = await desk.put("Stubborn")
    async with worker.running():
        await desk.processing(task_id)
        await desk.link.execute("HSET", desk.at(task_id).task(task_id), "token", "2.other.1")
        await wait_until(told.is_set, what="the thread to be told")
        waiting = await desk.put("Next")
        assert (await desk.task(waiting))["status"] == "pending"
        go_on.set()
        event = await desk.end()
    assert event.task_id == waiting
