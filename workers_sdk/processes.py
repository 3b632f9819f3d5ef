"""A small pool of processes, each of which can be ended alone. (`ProcessPoolExecutor` breaks as a whole when one is killed;
`pebble` does not ask first, and has no way for progress.)"""

import asyncio
import contextlib
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import structlog

from .child import ASK, CALL
from .context import Context
from .errors import Cancelled
from .outcome import Outcome, failed, lost
from .protocol.seams import Clock
from .seams import first_of
from .seat import ProcessDied, Seat


class Processes:
    """Runs handlers in processes that are made when they are needed, and used again.

    Args:
        count: most processes.
        kill_after_s: how long a handler that was asked to stop may take, seconds.
    """

    def __init__(self, count: int, kill_after_s: float, clock: Clock) -> None:
        self._kill_after_s = kill_after_s
        self._clock = clock
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="process")
        self._free: list[Seat] = []
        self._calls: set[_Call] = set()
        self._log = structlog.get_logger("workers_sdk")

    async def call(self, function: Callable[..., Any], arguments: dict[str, Any], ctx: Context) -> Outcome:
        """Run a handler to its end. When its token is set it is asked to stop, and killed when it does not; when the caller
        is cancelled it is killed. A process that dies is an outcome too.
        """
        try:
            call = _Call(pickle.dumps((function, arguments, ctx)), ctx)
        except Exception as error:  # not importable by its name, and whatever else pickling may raise
            return failed(error)
        self._calls.add(call)
        future = self._threads.submit(self._serve, call)
        try:
            return await self._follow(call, future)
        except OSError as error:  # it cannot be started
            return failed(error)
        except ProcessDied as error:
            return failed(Cancelled(ctx.cancelled.cause)) if ctx.cancelled.is_set() else lost(str(error))
        finally:
            self._calls.discard(call)
            if not future.done() and not future.cancel():
                call.kill()

    async def close(self) -> None:
        """Kill what still runs, and wait until all processes are gone."""
        for call in self._calls:
            call.kill()
        await asyncio.get_running_loop().run_in_executor(None, self._end)

    async def _follow(self, call: "_Call", future: Future[Outcome]) -> Outcome:
        cancelled, ended = call.ctx.cancelled, asyncio.wrap_future(future)
        ended.add_done_callback(_look_at)
        await first_of(asyncio.wait([ended]), cancelled.wait())
        if future.cancel():  # nothing was free for it yet
            return failed(Cancelled(cancelled.cause))
        if not ended.done():
            # Not waited for: a process that does not even start hears nothing, and is killed in time as any other.
            asyncio.get_running_loop().run_in_executor(None, call.ask, cancelled.cause)
            await first_of(asyncio.wait([ended]), self._clock.sleep(self._kill_after_s))
        if not ended.done():
            names = {"task_id": call.ctx.task_id, "scenario_id": call.ctx.scenario_id, "task": call.ctx.name}
            self._log.warning("handler_killed", **names, cause=cancelled.cause)
            call.kill()
        return await ended

    def _serve(self, call: "_Call") -> Outcome:
        """In a thread, as many at once as there may be processes."""
        seat = self._seat()
        outcome = call.run(seat)
        self._free.append(seat)
        return outcome

    def _seat(self) -> Seat:
        while self._free:
            seat = self._free.pop()
            if seat.is_alive():
                return seat
            seat.end()
        return Seat()

    def _end(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        while self._free:
            self._free.pop().end()


def _look_at(ended: asyncio.Future[Outcome]) -> None:
    """An error of a call that nobody waits for any more is no news."""
    if not ended.cancelled():
        ended.exception()


class _Call:
    """One handler on its way through a seat. Two locks: a message may have to wait for the process, a kill must not."""

    def __init__(self, work: bytes, ctx: Context) -> None:
        self.ctx = ctx
        self._work = work
        self._talk, self._life = threading.Lock(), threading.Lock()
        self._seat: Seat | None = None
        self._sent = self._ended = self._killed = False
        self._cause = ""

    def run(self, seat: Seat) -> Outcome:
        """Blocks. Raises: ProcessDied: it is dead, or says what nobody can read, and is ended."""
        with self._life:
            self._seat = seat
            if self._killed:
                seat.kill()
        try:
            with self._talk:
                seat.send((CALL, self._work))
                self._sent = True
                if self._cause:
                    seat.send((ASK, self._cause))
            return self._outcome(seat)
        except Exception as error:
            self._end()
            how = seat.end()
            silent = isinstance(error, EOFError | OSError)
            raise ProcessDied(how if silent else f"it wrote nonsense ({type(error).__name__})") from error
        finally:
            self._end()

    def ask(self, cause: str) -> None:
        """Ask the handler to stop; blocks while its process starts. Never reaches another call of the same process."""
        with self._talk, contextlib.suppress(OSError):
            self._cause = cause
            if self._sent and not self._ended and self._seat:
                self._seat.send((ASK, cause))

    def kill(self) -> None:
        """Kill its process, if it did not end; else nothing."""
        with self._life:
            self._killed = True
            if self._seat and not self._ended:
                self._seat.kill()

    def _outcome(self, seat: Seat) -> Outcome:
        while not isinstance(message := seat.receive(), Outcome):
            percent, text = message
            if percent is None:
                self.ctx.heartbeat()
            else:
                self.ctx.progress(percent, text)
        return message

    def _end(self) -> None:
        with self._talk, self._life:
            self._ended = True
