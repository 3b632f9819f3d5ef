"""Workers as processes: signals, exit codes, what they need installed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.wait import wait_until

from .support import Desk, result_of

ROOT = Path(__file__).parents[3]
MODULE = "tests.integration.sdk.process_worker"


@contextlib.contextmanager
def running(target: str, desk: Desk, log: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process; `log` takes what it says."""
    environment = os.environ | {"REDIS_URL": desk.url, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "workers_sdk", target], cwd=ROOT, env=environment, stderr=log
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end and return the exit code."""
    await wait_until(lambda: process.poll() is not None, what="the end of the process", timeout_s=30)
    return process.wait()


async def test_sigterm_finishes_what_runs_and_ends_well(desk: Desk) -> None:
    task_id = await desk.put("Slow")
    with running(MODULE, desk) as process:
        await desk.processing(task_id)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    assert result_of(await desk.end()) == "finished"
    assert await desk.left() == (0, 0, 0)


async def test_a_second_signal_hands_back_what_runs(desk: Desk, tmp_path: Path) -> None:
    task_id = await desk.put("Endless")
    log = tmp_path / "log"
    with log.open("wb") as output, running(f"{MODULE}:worker", desk, output) as process:
        await desk.processing(task_id)
        process.send_signal(signal.SIGINT)
        await wait_until(lambda: "worker_draining" in log.read_text(), what="the drain")
        process.send_signal(signal.SIGINT)
        assert await ended(process) == 0
    assert (await desk.task(task_id))["status"] == "pending"
    assert await desk.left() == (1, 0, 0)


@pytest.mark.parametrize(
    ("name", "service", "worker"),
    [("Deaf", "voice-service", "stubborn"), ("Swallow", "slide-service", "swallowing")],
)
async def test_a_handler_that_does_not_stop_is_named_and_does_not_keep_the_process(
    desk: Desk, tmp_path: Path, name: str, service: str, worker: str
) -> None:
    """A thread that looks at nothing, and a coroutine that swallows its cancellation."""
    task_id = await desk.put(name, service=service)
    log = tmp_path / "log"
    with log.open("wb") as output, running(f"{MODULE}:{worker}", desk, output) as process:
        await desk.processing(task_id)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 1
    [told] = [line for line in lines_of(log) if line["event"] == "handler_does_not_stop"]
    assert (told["task"], told["task_id"]) == (name, task_id)
    assert (await desk.task(task_id))["status"] == "pending"


async def test_a_thread_that_a_handler_left_behind_does_not_keep_the_process(
    desk: Desk, tmp_path: Path
) -> None:
    task_id = await desk.put("Thread", service="thread-service")
    log = tmp_path / "log"
    with log.open("wb") as output, running(f"{MODULE}:leaving", desk, output) as process:
        await desk.processing(task_id)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 1
    assert "threads_do_not_stop" in [line["event"] for line in lines_of(log)]
    assert (await desk.task(task_id))["status"] == "pending"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_handler_that_blocks_the_loop_is_named_and_does_not_keep_the_process_from_its_signals(
    desk: Desk, tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At debug it is told in any case: a slow machine may have had its warning of this minute before.
    monkeypatch.setenv("SCENARIST_LOG_LEVEL", "debug")
    task_id = await desk.put("Block", service="block-service")
    log = tmp_path / "log"
    with log.open("wb") as output, running(f"{MODULE}:blocking", desk, output) as process:
        [told] = await wait_until(lambda: blocked_by(log, "Block"), what="the warning", timeout_s=60)

        def ended_by_signals() -> bool:
            """Signals that come together count as one, so there is always one more."""
            process.send_signal(number)
            return process.poll() is not None

        await wait_until(ended_by_signals, what="the end of the process", timeout_s=60)
        assert process.wait() == 128 + number
    assert told["task_id"] == task_id
    assert "process_worker.py" in told["where"].partition(" > ")[0]


def blocked_by(log: Path, task: str) -> list[dict[str, Any]]:
    """What is said of a task that keeps the loop for itself."""
    return [line for line in lines_of(log) if line["event"] == "loop_blocked" and line.get("task") == task]


def lines_of(log: Path) -> list[dict[str, Any]]:
    """What a worker process said."""
    return [json.loads(line) for line in log.read_text().splitlines() if line[:1] + line[-1:] == "{}"]


BUG = """
import asyncio
from workers_sdk.process import run_workers

class Swallowing:
    async def serve(self, stop, hurry=None):
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

class Broken:
    async def serve(self, stop, hurry=None):
        self.handler = asyncio.create_task(Swallowing().serve(stop))
        await asyncio.sleep(0)
        raise RuntimeError("a bug")

run_workers([Broken()])
"""


def test_a_bug_ends_the_process_whatever_its_handlers_do() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUG], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "worker_bug" in done.stderr
    assert "RuntimeError: a bug" in done.stderr


def test_a_redis_that_cannot_be_used_ends_the_process_whatever_handlers_of_other_workers_do() -> None:
    code = BUG.replace('RuntimeError("a bug")', 'ServerUnfit("too old")')
    code = f"from workers_sdk.protocol.server import ServerUnfit\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3
    assert "redis_cannot_be_used" in done.stderr


BESIDE = """
import threading
from workers_sdk.process import run_workers

thread = threading.Thread(target=run_workers, args=([],))
thread.start()
thread.join()
print("alive")
"""


def test_workers_that_are_run_beside_the_main_thread_are_refused_and_end_no_process() -> None:
    """Only the main thread may hear signals."""
    done = subprocess.run(
        [sys.executable, "-c", BESIDE], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")
    assert "ValueError: signal only works in main thread" in done.stderr


async def test_a_worker_that_is_killed_leaves_its_task_pending_for_the_sweep(desk: Desk) -> None:
    task_id = await desk.put("Endless")
    with running(f"{MODULE}:worker", desk) as process:
        await desk.processing(task_id)
        process.kill()
        await ended(process)
    assert await desk.left() == (1, 1, 1)


def test_a_module_without_a_worker_is_told_in_words() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers_sdk", "json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "json has no Worker" in done.stderr


def test_the_sdk_needs_nothing_of_the_server() -> None:
    blocked = (
        "fastapi uvicorn starlette jinja2 yaml pydantic_settings httpx cyclopts rich orchestrator scenarios"
    )
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked.split()!r}))\n"
        "import workers_sdk, workers_sdk.testing, workers_sdk.__main__, workers_sdk.logs\n"
        "workers_sdk.logs.configure(json=False); workers_sdk.logs.configure(json=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
