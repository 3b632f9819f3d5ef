"""Where handlers run: coroutines on the event loop, functions in threads or in processes of their own."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from .handlers import Handler
from .outcome import Outcome, failed, succeeded


class ProcessDied(Exception):
    """The process that ran a handler is dead: killed, out of memory, or a crash in native code."""


class Pools:
    """Runs handlers.

    Args:
        concurrency: most threads; processes are bounded by the number of CPUs as well.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessPoolExecutor | None = None
        self._calls: set[Future[Outcome]] = set()

    @property
    def busy(self) -> int:
        """Calls in threads and processes that have not ended, also those nobody waits for any more."""
        return len(self._calls)

    async def call(self, handler: Handler, arguments: dict[str, Any]) -> Outcome:
        """Run a handler to its end; whatever it raises is an outcome.

        Cancelling stops a coroutine. A function in a thread or process goes on, and only the waiting ends.

        Raises:
            ProcessDied: the process of a `run="process"` handler died.
        """
        if handler.run == "loop":
            return await perform_async(handler.function, arguments)
        executor = self._thread_pool() if handler.run == "thread" else self._process_pool()
        try:
            return await asyncio.wrap_future(self._submit(executor, handler, arguments))
        except BrokenProcessPool as error:
            self._replace(executor)
            raise ProcessDied(str(error)) from error
        except Exception as error:  # the call never reached the handler: its arguments cannot be pickled
            return failed(error)

    def close(self) -> None:
        """Take no more calls. Those under way go on."""
        for pool in (self._threads, self._processes):
            if pool:
                pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, executor: Executor, handler: Handler, arguments: dict[str, Any]) -> Future[Outcome]:
        future = executor.submit(perform, handler.function, arguments)
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        return future

    def _thread_pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="handler")
        return self._threads

    def _process_pool(self) -> ProcessPoolExecutor:
        if self._processes is None:
            self._processes = ProcessPoolExecutor(
                min(self._concurrency, os.cpu_count() or 1),
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_live_with_parent,
            )
        return self._processes

    def _replace(self, broken: Executor) -> None:
        if self._processes is broken:
            self._processes = None


def perform(function: Callable[..., Any], arguments: dict[str, Any]) -> Outcome:
    """Call a function and make an outcome of whatever comes of it; here, because only an outcome is sure to pickle."""
    try:
        return succeeded(function(**arguments))
    except BaseException as error:  # whatever a handler raises ends its task, never the worker
        return failed(error)


async def perform_async(function: Callable[..., Any], arguments: dict[str, Any]) -> Outcome:
    """`perform` for a coroutine function. Raises CancelledError only when the caller was cancelled."""
    try:
        return succeeded(await function(**arguments))
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return failed(error)  # something within the handler was cancelled, not the handler
    except BaseException as error:
        return failed(error)


def _live_with_parent() -> None:
    """In a child: Ctrl-C is the parent's business, and when the parent is gone, however it went, so are we."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
