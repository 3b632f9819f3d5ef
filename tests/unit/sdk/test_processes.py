"""Handlers in processes of their own: asked, killed one by one, heard."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.freeze import freeze
from tests.support.wait import wait_until
from workers_sdk import CancelToken, Context
from workers_sdk.context import Sink
from workers_sdk.outcome import Outcome
from workers_sdk.processes import Processes
from workers_sdk.protocol.messages import EventKind, loads
from workers_sdk.protocol.seams import SystemClock
from workers_sdk.protocol.spawn import decode_spawn

from . import child_handlers
from .fakes import entry


class Grace:
    """A clock whose sleeps end when the test says so."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.over = asyncio.Event()

    def monotonic(self) -> float:
        """See `Clock`."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        self.asked.set()
        await self.over.wait()


@contextlib.asynccontextmanager
async def pool(count: int = 2, grace: Grace | None = None) -> AsyncIterator[Processes]:
    """A pool, closed at the end."""
    processes = Processes(count, 5.0, grace or SystemClock())
    try:
        yield processes
    finally:
        await processes.close()


def context(folder: Path, name: str = "", progress: Sink = lambda _, __: None) -> Context:
    """A context with a place to say things."""
    given = entry(params={"folder": str(folder), "name": name})
    return Context(given, cancelled=CancelToken(), progress=progress)


def begin(processes: Processes, function: Callable[..., Any], ctx: Context) -> asyncio.Task[Outcome]:
    """Run a handler beside the test."""
    return asyncio.create_task(processes.call(function, {"ctx": ctx}, ctx))


async def said(path: Path) -> str:
    """Wait for a word of a handler."""
    found: list[str] = await wait_until(lambda: _read(path), what=f"a word of the handler: {path.name}")
    return found[0]


def _read(path: Path) -> list[str]:
    return [path.read_text()] if path.exists() else []


def result(outcome: Outcome) -> Any:
    """Result of a success."""
    assert outcome.kind is EventKind.SUCCESS, outcome.fields
    return loads(outcome.fields["result"])


def error(outcome: Outcome) -> Any:
    """Error of a failure."""
    return loads(outcome.fields["error"])


def is_gone(pid: int) -> bool:
    """Whether a process has ended, with all of its threads (one that nobody waited for counts as ended)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return True
    return state == "Z" and len(threads) == 1


async def test_a_process_is_used_again(tmp_path: Path) -> None:
    async with pool() as processes:
        first = result(await begin(processes, child_handlers.pid, context(tmp_path)))
        again = result(await begin(processes, child_handlers.pid, context(tmp_path)))
    assert first == again != os.getpid()
    assert is_gone(first)


async def test_a_handler_is_asked_to_stop_and_its_process_goes_on_with_the_next(tmp_path: Path) -> None:
    async with pool() as processes:
        ctx = context(tmp_path)
        running = begin(processes, child_handlers.patient, ctx)
        pid = await said(tmp_path / "begun")
        ctx.cancelled.set("run_timeout")
        assert result(await running) == int(pid)
        assert await said(tmp_path / "told") == "run_timeout"
        assert result(await begin(processes, child_handlers.late, context(tmp_path))) == int(pid)


async def test_a_handler_that_does_not_stop_is_killed_with_its_programs_and_no_other(tmp_path: Path) -> None:
    grace = Grace()
    async with pool(2, grace) as processes:
        other = begin(processes, child_handlers.patient, context(tmp_path, "other."))
        other_pid = await said(tmp_path / "other.begun")
        ctx = context(tmp_path)
        running = begin(processes, child_handlers.stubborn, ctx)
        pid, program = map(int, (await said(tmp_path / "begun")).split())
        ctx.cancelled.set()
        await grace.asked.wait()
        assert not is_gone(pid)
        grace.over.set()
        assert error(await running)["type"] == "Cancelled"
        assert is_gone(pid)
        await wait_until(lambda: is_gone(program), what="the end of the program")
        (tmp_path / "go").touch()
        assert result(await other) == int(other_pid)
        assert result(await begin(processes, child_handlers.pid, context(tmp_path))) == int(other_pid)


async def test_a_handler_that_waits_for_a_process_is_dropped_when_it_is_not_wanted(tmp_path: Path) -> None:
    async with pool(1) as processes:
        running = begin(processes, child_handlers.patient, context(tmp_path))
        await said(tmp_path / "begun")
        ctx = context(tmp_path, "waiting.")
        waiting = begin(processes, child_handlers.patient, ctx)
        await asyncio.sleep(0)
        ctx.cancelled.set()
        assert error(await waiting)["type"] == "Cancelled"
        (tmp_path / "go").touch()
        result(await running)
    assert not (tmp_path / "waiting.begun").exists()


async def test_a_handler_that_is_told_before_its_process_is_ready_hears_it(tmp_path: Path) -> None:
    async with pool(grace=Grace()) as processes:
        ctx = context(tmp_path)
        running = begin(processes, child_handlers.patient, ctx)
        await asyncio.sleep(0)
        ctx.cancelled.set("lease_lost")
        await running
        assert await said(tmp_path / "told") == "lease_lost"


async def test_a_caller_that_is_cancelled_takes_the_process_with_it(tmp_path: Path) -> None:
    async with pool() as processes:
        running = begin(processes, child_handlers.stubborn, context(tmp_path))
        pid, program = map(int, (await said(tmp_path / "begun")).split())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await wait_until(lambda: is_gone(pid) and is_gone(program), what="the end of both")
        result(await begin(processes, child_handlers.pid, context(tmp_path)))


async def test_a_process_that_died_while_it_was_idle_is_replaced(tmp_path: Path) -> None:
    async with pool(1) as processes:
        pid = result(await begin(processes, child_handlers.pid, context(tmp_path)))
        os.kill(pid, signal.SIGKILL)
        await wait_until(lambda: is_gone(pid), what="its end")
        assert result(await begin(processes, child_handlers.pid, context(tmp_path))) != pid


async def test_a_stop_of_all_processes_at_once_ends_no_handler(tmp_path: Path) -> None:
    """What systemd does, and Ctrl-C on a terminal: the worker drains, so what runs is to finish."""
    async with pool() as processes:
        running = begin(processes, child_handlers.patient, context(tmp_path))
        pid = int(await said(tmp_path / "begun"))
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
        (tmp_path / "go").touch()
        assert result(await running) == pid


async def test_progress_heartbeats_and_spawned_tasks_come_from_a_process(tmp_path: Path) -> None:
    heard: list[tuple[float | None, str]] = []
    async with pool() as processes:
        running = begin(
            processes, child_handlers.talk, context(tmp_path, progress=lambda *said: heard.append(said))
        )
        await wait_until(lambda: heard and heard[-1] == (99.9, "step 999"), what="the last progress")
        (tmp_path / "heard").touch()
        await wait_until(lambda: heard[-1] == (None, ""), what="a sign of life")
        (tmp_path / "seen").touch()
        outcome = await running
    assert len(heard) < 500
    assert [child.key for child in decode_spawn(outcome.fields["spawn"])] == ["Next_1"]


async def test_what_cannot_go_to_a_process_fails_and_says_why(tmp_path: Path) -> None:
    async with pool() as processes:
        outcome = await begin(processes, lambda ctx: 1, context(tmp_path))
    assert "lambda" in error(outcome)["message"]


async def test_a_process_that_does_not_even_listen_is_killed_when_its_grace_is_over(tmp_path: Path) -> None:
    """It was frozen while it was idle; what it is sent does not fit the pipe."""
    grace = Grace()
    async with pool(1, grace) as processes:
        pid = result(await begin(processes, child_handlers.pid, context(tmp_path)))
        await freeze(pid)
        ctx = context(tmp_path, "x" * 1_000_000)
        running = begin(processes, child_handlers.patient, ctx)
        await wait_until(lambda: any(call._talk.locked() for call in processes._calls), what="the sending")
        ctx.cancelled.set()
        grace.over.set()
        assert error(await running)["type"] == "Cancelled"
        assert is_gone(pid)


async def test_closing_kills_what_runs(tmp_path: Path) -> None:
    processes = Processes(1, 5.0, SystemClock())
    ctx = context(tmp_path)
    running = begin(processes, child_handlers.stubborn, ctx)
    pid, _ = map(int, (await said(tmp_path / "begun")).split())
    await processes.close()
    assert is_gone(pid)
    assert error(await running)["type"] == "worker_lost"
