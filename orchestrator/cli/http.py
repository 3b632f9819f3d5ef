"""Serves the API by uvicorn: limits, the order of start and stop, signals."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.config import Settings

# Below the 1024 open files that a process usually may have. More connections are answered 503.
MAX_CONNECTIONS: Final = 800
# What the API itself allows of address and headers fits in, so that its own answer tells what was too long.
MAX_HEAD_BYTES: Final = 49_152
HEAD_TIMEOUT_S: Final = 10.0
KEEP_ALIVE_S: Final = 15
# Less than the ten seconds that containers usually get.
STOP_TIMEOUT_S: Final = 5


class Protocol(H11Protocol):
    """Closes a connection on which no complete request head arrives in time; uvicorn itself would wait for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count."""
        super().connection_made(transport)
        self.loop.call_later(HEAD_TIMEOUT_S, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """Ends by SIGTERM or SIGINT as one that did its work; uvicorn would raise the signal again after the stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
        """Stop in order at the first signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def run_server(app: FastAPI, settings: Settings) -> bool:
    """Serve `app` until SIGTERM or SIGINT. False when it could not listen. Raises what the start of the app raises."""
    options: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Protocol,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        **options,
    )
    server = Server(config)

    async def serve() -> None:
        # Entered here and not by uvicorn, which would turn its errors into a traceback in the log.
        async with app.router.lifespan_context(app):
            await server.serve()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())
    return server.started
