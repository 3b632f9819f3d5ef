"""Where handlers run: coroutines on the event loop, functions in threads or in processes of their own."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .context import Context
from .handlers import Handler
from .outcome import Outcome
from .perform import perform, perform_async
from .processes import Processes
from .protocol.seams import Clock


class Pools:
    """Runs handlers.

    Args:
        concurrency: most threads, and most processes.
        kill_after_s: how long a handler in a process may go on after it was asked to stop.
    """

    def __init__(self, concurrency: int, kill_after_s: float, clock: Clock) -> None:
        self._concurrency = concurrency
        self._kill_after_s = kill_after_s
        self._clock = clock
        self._threads: ThreadPoolExecutor | None = None
        self._processes: Processes | None = None
        self._calls: dict[Future[Outcome], tuple[str, str]] = {}

    @property
    def busy(self) -> list[tuple[str, str]]:
        """Calls in threads that have not ended, also those nobody waits for any more: names and ids of the tasks, an empty id
        for a handler that is `bare`."""
        return list(self._calls.values())

    async def call(self, handler: Handler, arguments: dict[str, Any], ctx: Context | None) -> Outcome:
        """Run a handler to its end; whatever it raises is an outcome.

        Cancelling stops a coroutine and kills a process. A function in a thread goes on, and only the waiting ends.

        Args:
            ctx: None for a handler that is `bare`.
        """
        if handler.run == "loop":
            return await perform_async(handler.function, arguments, ctx)
        if handler.run == "thread" or ctx is None:
            return await asyncio.wrap_future(self._submit(handler, arguments, ctx))
        return await self._process_pool().call(handler.function, arguments, ctx)

    async def close(self) -> None:
        """Take no more calls. Processes end now; threads go on."""
        if self._threads:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._processes:
            await self._processes.close()

    def _submit(self, handler: Handler, arguments: dict[str, Any], ctx: Context | None) -> Future[Outcome]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="handler")
        future = self._threads.submit(perform, handler.function, arguments, ctx)
        self._calls[future] = (handler.name, ctx.task_id if ctx else "")
        future.add_done_callback(lambda ended: self._calls.pop(ended, None))
        return future

    def _process_pool(self) -> Processes:
        if self._processes is None:
            # Not fewer than seats: a task that waited here for a process would be taken from other workers, its time running.
            self._processes = Processes(self._concurrency, self._kill_after_s, self._clock)
        return self._processes
