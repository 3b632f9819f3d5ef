"""What cannot be renewed takes no lease away from the rest."""

import asyncio
from itertools import count
from typing import Any

from tests.support.wait import wait_until
from workers_sdk import Context
from workers_sdk.protocol.keys import GROUP_WORKERS, Partitions, scenario_id_from, short_uuid
from workers_sdk.protocol.link import RedisLink, Unavailable

from .support import Desk, Faulty


class OneDown(Faulty):
    """A cluster of which the server of the first partition, `{p0}:`, can be made to do no script."""

    def check(self, command: Any, answer: Any = b"") -> None:
        """See `Faulty`."""
        if self.down and "EVAL" in str(command[0]) and any("{p0}:" in str(part) for part in command):
            self.refused += "success" in command
            raise Unavailable("nobody there")


async def idle_ms(desk: Desk, stream: str) -> int:
    """How long the one pending entry was not renewed."""
    [(_, _, idle, _)] = await desk.link.execute("XPENDING", stream, GROUP_WORKERS, "-", "+", 10)
    return int(idle)


async def renewed(desk: Desk, stream: str) -> None:
    """Wait until the one pending entry is renewed."""
    before = await idle_ms(desk, stream)

    async def is_younger() -> bool:
        nonlocal before
        last, before = before, await idle_ms(desk, stream)
        return before < last

    await wait_until(is_younger, what=f"a renewal in {stream}")


async def put_at(desk: Desk, index: int, key: str = "one") -> str:
    """A ready task in a partition."""
    ids = (scenario_id_from(number.to_bytes(10, "big")) for number in count())
    scenario_id = next(one for one in ids if desk.at(one).index == index)
    task_id = short_uuid(scenario_id, key)
    await desk.dispatch(task_id, scenario_id, "Wait", "text-service", "1.n.1", {})
    return task_id


async def test_a_queue_that_is_none_any_more_stops_no_other_lease(desk: Desk) -> None:
    worker, go_on = desk.worker("broken", "whole"), asyncio.Event()

    @worker.task("Wait")
    async def wait(ctx: Context) -> None:
        await go_on.wait()

    ids = [await desk.put("Wait", service="broken"), await desk.put("Wait", service="whole")]
    async with worker.running():
        for task_id in ids:
            await desk.processing(task_id)
        await desk.link.execute("SET", "queue:broken", "no stream")
        for _ in range(3):
            await renewed(desk, "queue:whole")
        await desk.link.execute("DEL", "queue:broken")
        go_on.set()


async def test_a_server_of_a_cluster_that_is_gone_stops_no_lease_on_the_others(
    link: RedisLink, redis_url: str
) -> None:
    desk, faults, go_on = Desk(link, redis_url, Partitions(2)), OneDown(), asyncio.Event()
    await desk.agree()
    worker = desk.worker(connect=faults.connect)

    @worker.task("Wait")
    async def wait(ctx: Context) -> None:
        await go_on.wait()

    async with worker.running():
        for at in desk.partitions:  # that of the first is the first to be renewed
            await desk.processing(await put_at(desk, at.index))
        faults.down = True
        for _ in range(3):
            await renewed(desk, desk.partitions[1].queue("text-service"))
        faults.down = False
        go_on.set()
        await desk.ends(2)


async def test_a_server_of_a_cluster_that_is_gone_stops_no_report_to_the_others(
    link: RedisLink, redis_url: str
) -> None:
    desk, faults = Desk(link, redis_url, Partitions(2)), OneDown()
    await desk.agree()
    worker, go_on = desk.worker(connect=faults.connect), [asyncio.Event(), asyncio.Event()]

    @worker.task("Wait")
    async def wait(ctx: Context) -> None:
        await go_on[desk.at(ctx.task_id).index].wait()

    async with worker.running():
        ids = [await put_at(desk, at.index) for at in desk.partitions]
        for task_id in ids:
            await desk.processing(task_id)
        faults.down = True
        go_on[0].set()
        await wait_until(lambda: faults.refused, what="a report to the first partition")
        go_on[1].set()
        assert (await desk.end()).task_id == ids[1]
        faults.down = False
        await desk.ends(2)


async def test_a_server_of_a_cluster_that_is_gone_stops_no_claim_on_the_others(
    link: RedisLink, redis_url: str
) -> None:
    desk, faults, go_on = Desk(link, redis_url, Partitions(2)), OneDown(), asyncio.Event()
    await desk.agree()
    worker, begun = desk.worker(connect=faults.connect), set[str]()

    @worker.task("Wait")
    async def wait(ctx: Context) -> None:
        begun.add(ctx.task_id)
        await go_on.wait()

    async with worker.running():
        await desk.processing(await put_at(desk, 1))
        faults.down = True
        first = await put_at(desk, 0)
        await wait_until(lambda: first in begun, what="the handler of the first partition")
        await desk.processing(await put_at(desk, 1, "another"))
        faults.down = False
        await desk.processing(first)
        go_on.set()
        await desk.ends(3)
