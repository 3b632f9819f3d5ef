"""Large scenarios are made in processes of their own, so that nobody waits for them but their own request.

In the API's process they would hold the interpreter for a second, in a thread of it as well; and what runs too long
in a process can be ended.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from typing import Final

from orchestrator.config import Settings

from . import frames, renderer
from .problems import Problem
from .submission import Answer, Order

PROCESSES: Final = 2
WAITING: Final = 64
"""Most orders that wait for a process; beyond them a request is answered 503."""
ORDER_TIMEOUT_S: Final = 20.0
"""For all of one order. Far more than `Limits.max_seconds`: only what never looks at the clock is ended by it."""
STOP_TIMEOUT_S: Final = 2.0


class Renderers:
    """Processes that carry out orders, one each at a time; started when they are needed, then kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: list[_Renderer] = []
        self._seats = asyncio.Semaphore(PROCESSES)
        self._waiting = 0

    async def carry_out(self, order: Order) -> Answer:
        """See `submission.carry_out`. Repeated once when a process dies: the scenario's id is known, so it is made once.

        Raises:
            Problem: what went wrong, as the client is told; too many orders wait; the order took too long.
        """
        if self._waiting >= WAITING:
            raise Problem("busy", "Too many large scenarios wait to be made.", headers={"Retry-After": "1"})
        self._waiting += 1
        try:
            async with self._seats:
                try:
                    return await self._one(order)
                except (asyncio.IncompleteReadError, ConnectionError):
                    return await self._one(order)
        finally:
            self._waiting -= 1

    async def warm(self) -> None:
        """Start a process, so that the first order finds one."""
        async with self._seats:
            self._idle.append(await self._taken())

    async def close(self) -> None:
        """End all processes. Orders under way are lost."""
        await asyncio.gather(*(one.stop() for one in self._idle))
        self._idle.clear()

    async def _one(self, order: Order) -> Answer:
        renderer = await self._taken()
        try:
            async with asyncio.timeout(ORDER_TIMEOUT_S):
                answer = await renderer.carry_out(order)
        except Problem:
            self._idle.append(renderer)
            raise
        except TimeoutError as error:
            await renderer.kill()
            detail = f"The scenario was not ready after {ORDER_TIMEOUT_S:g} s."
            raise Problem("invalid_template", detail) from error
        except BaseException:
            await renderer.kill()
            raise
        self._idle.append(renderer)
        return answer

    async def _taken(self) -> "_Renderer":
        while self._idle:
            if (renderer := self._idle.pop()).is_alive:
                return renderer
        return await _Renderer.start(self._settings)


class _Renderer:
    """One process."""

    def __init__(self, process: Process) -> None:
        assert process.stdin and process.stdout
        self._process, self._orders, self._answers = process, process.stdin, process.stdout

    @classmethod
    async def start(cls, settings: Settings) -> "_Renderer":
        # A session of its own: Ctrl-C in the terminal is for the API, which ends its renderers after its requests.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", renderer.__name__, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        self = cls(process)
        self._orders.write(frames.packed(settings.model_dump(mode="json")))
        return self

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def carry_out(self, order: Order) -> Answer:
        self._orders.write(renderer.order_frame(order))
        await self._orders.drain()
        return renderer.answer_of(*await frames.receive(self._answers))

    async def stop(self) -> None:
        self._orders.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
