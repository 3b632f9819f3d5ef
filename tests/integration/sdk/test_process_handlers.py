"""Handlers in processes, run by a worker: cancelled, lost, drained, left behind by a dead worker."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from workers_sdk import Artifacts
from workers_sdk.protocol.messages import loads
from workers_sdk.protocol.spawn import decode_spawn

from . import process_handlers
from .support import Desk, result_of
from .test_process import MODULE, ended, running


def is_gone(pid: str) -> bool:
    """Whether a process has ended (one that nobody waited for counts as ended)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except OSError:
        return True


async def pid_of(desk: Desk, task_id: str) -> str:
    """Wait until a handler has said who it is."""

    async def said() -> str:
        return (await desk.task(task_id)).get("message", "")

    found: str = await wait_until(said, what="the first progress")
    return found


async def test_a_cancelled_handler_in_a_process_is_asked_and_says_nothing_more(
    desk: Desk, tmp_path: Path
) -> None:
    worker = desk.worker()
    worker.task("Patient", run="process")(process_handlers.patient)
    worker.task("Where", run="process")(process_handlers.where)
    task_id = await desk.put("Patient", params={"folder": str(tmp_path)})
    async with worker.running():
        pid = await pid_of(desk, task_id)
        await desk.cancel(task_id, cause="run_timeout")
        await wait_until((tmp_path / "told").exists, what="the handler to be told")
        await desk.put("Where")
        event = await desk.end()
    assert (tmp_path / "told").read_text() == "run_timeout"
    assert result_of(event)["pid"] == int(pid)


@pytest.mark.parametrize("how", ["cancelled", "lost"])
async def test_a_handler_that_does_not_stop_is_killed_and_its_seat_is_free(desk: Desk, how: str) -> None:
    worker = desk.worker(concurrency=1, kill_after_s=0.1)
    worker.task("Stubborn", run="process")(process_handlers.stubborn)
    worker.task("Where", run="process")(process_handlers.where)
    task_id = await desk.put("Stubborn")
    async with worker.running():
        pid = await pid_of(desk, task_id)
        if how == "cancelled":
            await desk.cancel(task_id)
        else:
            await desk.link.execute("HSET", desk.at(task_id).task(task_id), "token", "2.other.1")
        await wait_until(lambda: is_gone(pid), what="the end of the process")
        after = await desk.put("Where")
        event = await desk.end()
    assert event.task_id == after
    assert result_of(event)["pid"] != int(pid)


async def test_a_drain_kills_what_does_not_stop_and_hands_its_task_back(desk: Desk) -> None:
    worker = desk.worker(drain_s=0, kill_after_s=0.1)
    worker.task("Stubborn", run="process")(process_handlers.stubborn)
    task_id = await desk.put("Stubborn")
    async with worker.running():
        pid = await pid_of(desk, task_id)
    assert is_gone(pid)
    task = await desk.task(task_id)
    assert (task["status"], task["attempt"]) == ("pending", "2")
    assert await desk.left() == (1, 0, 0)


async def test_a_handler_in_a_process_spawns_and_returns_much(desk: Desk, tmp_path: Path) -> None:
    worker = desk.worker(artifacts=str(tmp_path))
    worker.task("Spawn", run="process")(process_handlers.spawn)
    await desk.put("Spawn")
    async with worker.running():
        event = await desk.end()
    assert [child.name for child in decode_spawn(event.fields["spawn"])] == ["CreateText", "CreateVoice"]
    stored = await Artifacts(str(tmp_path), "").get_async(event.fields["result_ref"])
    assert loads(stored) == "x" * 100_000


async def test_a_worker_that_is_killed_leaves_no_process_behind(desk: Desk) -> None:
    task_id = await desk.put("Stubborn", service="image-service")
    with running(f"{MODULE}:processes", desk) as process:
        pid = await pid_of(desk, task_id)
        process.kill()
        await ended(process)
        await wait_until(lambda: is_gone(pid), what="the end of the handler's process")


async def test_a_signal_to_all_processes_leaves_a_handler_to_its_worker(desk: Desk, tmp_path: Path) -> None:
    """What a supervisor sends to a whole group; a handler's process ends when its worker says so."""
    task_id = await desk.put("Patient", service="image-service", params={"folder": str(tmp_path)})
    with running(f"{MODULE}:processes", desk) as process:
        pid = await pid_of(desk, task_id)
        os.kill(int(pid), signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    assert (tmp_path / "told").read_text() == "stopping"
    assert (await desk.task(task_id))["status"] == "pending"
