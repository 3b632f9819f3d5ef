"""Serves the API by uvicorn: limits of connections, the order of start and stop, signals."""

import asyncio
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.config import Settings
from workers_sdk.protocol.loops import YOUNG

# Below the 1024 open files that a process usually may have. What comes in above is answered 503.
MAX_CONNECTIONS: Final = 800
# What the API allows of address and headers fits in, so that its own answer says what was too long.
MAX_HEAD_BYTES: Final = 49_152
HEAD_TIMEOUT_S: Final = 10.0
KEEP_ALIVE_S: Final = 15
# Less than the ten seconds that a container usually gets.
STOP_TIMEOUT_S: Final = 5


class Protocol(H11Protocol):
    """Closes a connection on which a request's head is not complete in time; uvicorn would wait for ever."""

    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is due."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Part of a head: the rest is due, counted from the first part. A whole head: nothing is."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_head()
        else:
            self._expect_nothing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._overdue is None:
            self._overdue = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None


class Server(uvicorn.Server):
    """Ends by SIGTERM or SIGINT as one that did its work; uvicorn would raise the signal again after the stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in order at the first signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def run_server(app: FastAPI, settings: Settings) -> bool:
    """Serve `app` until SIGTERM or SIGINT. False when it could not start. Raises what the start of the app raises."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Protocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    server = Server(config)

    async def serve() -> None:
        # Entered here and not by uvicorn, which makes a traceback in the log of an error at the start.
        async with app.router.lifespan_context(app):
            # What is there from the start stays: looking for garbage in it would stop everything for 60 ms now and then.
            gc.collect()
            gc.freeze()
            gc.set_threshold(YOUNG)
            await server.serve()

    async def until_stopped() -> bool:
        loop = asyncio.get_running_loop()
        serving = loop.create_task(serve())
        # The start may wait long for Redis. From then on it is the server that hears the signals.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)
        await asyncio.wait([serving])
        if not serving.cancelled():
            serving.result()
        return server.started or serving.cancelled()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        return runner.run(until_stopped())
