"""The worker: what a service is made of. Registers handlers, and runs them until it is stopped."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from .agreed import agreed
from .handlers import Handlers, Run, handler_of
from .options import Options
from .process import run_workers
from .seams import Seams
from .session import Session

F = TypeVar("F", bound=Callable[..., Any])


class Worker:
    """Does the tasks of one or more services.

    Args:
        services: `Worker("voice-service", "audio-service")`.
        concurrency: most handlers at once, of all services together.
        redis_url: `redis://`, `rediss://` or `unix://`; None: `REDIS_URL`, or Redis on this machine.
        name: begins the name that shows in a task's `worker`; None: host and process id.
        drain_s: how long a stop waits for running handlers, seconds; then they are cancelled and their tasks handed
            to other workers.
        kill_after_s: how long a handler with `run="process"` that was told to stop may go on, seconds; then it is killed,
            with the programs that it started.
        artifacts: root of the artifact store; None: `SCENARIST_ARTIFACTS`, or `./.scenarist/artifacts`.
        seams: for tests and simulations.

    Raises:
        ValueError: no service, or a value that makes no sense.
    """

    def __init__(
        self,
        *services: str,
        concurrency: int = 8,
        redis_url: str | None = None,
        name: str | None = None,
        drain_s: float = 30.0,
        kill_after_s: float = 5.0,
        artifacts: str | None = None,
        seams: Seams | None = None,
    ) -> None:
        name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.options = Options(
            services, concurrency, redis_url, name, drain_s, kill_after_s, artifacts, seams or Seams()
        )
        self.handlers = Handlers()

    def task(self, name: str, *, run: Run | None = None) -> Callable[[F], F]:
        """Register the decorated function for the tasks of a name.

        An `async def` runs on the event loop, a `def` in a thread, or with `run="process"` in a process of its own
        (for computing; it must be importable by its name). Parameters: one annotated with `Context` gets the context,
        one annotated with a pydantic model gets the task's `params`, validated.

        What it returns is the result: None, anything JSON can say (more than 64 KiB of it goes into the artifact store by
        itself), a pydantic model, an `Artifact`, or a `Done`. What it raises fails the task.

        Raises:
            TypeError: a parameter is neither, or `run` does not fit. ValueError: the name is taken.
        """

        def register(function: F) -> F:
            self.handlers.add(handler_of(name, function, run))
            return function

        return register

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then drain; a second signal does not wait for handlers, a third for nothing."""
        run_workers([self])

    async def serve(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> int:
        """Work until `stop` is set, then drain; `hurry` ends the waiting for handlers.

        Returns:
            How many handlers could not be stopped and still run.

        Raises:
            ExceptionGroup: a bug of the SDK. The process should end: other workers carry on.
            ValueError: what the server recorded in Redis makes no sense.
        """
        link = self.options.connect()
        try:
            common = await agreed(link, self.options.seams, stop)
            if common is None:
                return 0
            session = Session(
                self.options, self.handlers, common, link, stop=stop, hurry=hurry or asyncio.Event()
            )
            return await session.run()
        finally:
            await link.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work beside the body of the block, drain at its end. For tests and for embedding; raises as `serve`."""
        stop = asyncio.Event()
        serving = asyncio.create_task(self.serve(stop))
        try:
            yield
        finally:
            stop.set()
            await serving
