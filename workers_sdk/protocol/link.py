"""The one seam to Redis: commands in, raw replies out.

Everything that talks to Redis takes a `Link`. `RedisLink` is redis-py with every option that matters set by us;
a simulation or a test may stand in its place. Replies are raw RESP2 (bytes, int, list, None): nothing is decoded
for a whole batch, so one bad byte cannot poison its neighbours.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

Argument = str | bytes | int | float
Command = Sequence[Argument]

TIMEOUT_S: Final = 5.0
BLOCK_MARGIN_S: Final = 5.0
# Refusals of a healthy connection that pass by themselves: the server is loading, full, or no longer the primary.
_PASSING = ("OOM", "MISCONF", "READONLY", "NOREPLICAS", "MASTERDOWN", "BUSY ", "CLUSTERDOWN", "TRYAGAIN")
# redis-py turns these first words into classes and drops them from the text; an error keeps its word here.
_WORDS: Final = {
    redis_errors.NoScriptError: "NOSCRIPT",
    redis_errors.OutOfMemoryError: "OOM",
    redis_errors.ReadOnlyError: "READONLY",
    redis_errors.MasterDownError: "MASTERDOWN",
    redis_errors.ClusterDownError: "CLUSTERDOWN",
    redis_errors.TryAgainError: "TRYAGAIN",
    redis_errors.NoPermissionError: "NOPERM",
}


_ENCODED: Final = "with special characters of a password percent-encoded"


class Unavailable(Exception):
    """Redis gave no usable answer; the command may or may not have been applied, so repeat only what is idempotent."""


class Refused(Exception):
    """Redis answered with an error. `code` is its first word, for example `NOGROUP` or `WRONGTYPE`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message.split(" ", 1)[0]


class Link(Protocol):
    """What the loops of the server and of the SDK know of Redis."""

    async def execute(self, *command: Argument) -> Any:
        """Run one command and return its raw reply. Raises: Unavailable, Refused."""
        ...

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """Run independent commands in one round trip (no transaction). Raises: Unavailable, Refused (the first)."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class RedisLink:
    """A `Link` over redis-py.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        block_ms: longest `BLOCK` that will be asked; a link for blocking reads has its own connections, because
            a reader that waits keeps its connection busy.
        connections: how many commands may be under way at once; more wait for a free connection.
        name: shown by `CLIENT LIST`.

    redis-py repeats every command up to 10 times by default and so repeats writes: its retries are off here, and
    only idempotent scripts are repeated, by their callers.

    Raises:
        ValueError: `url` cannot be read; the message does not show it.
    """

    def __init__(
        self, url: str, *, block_ms: int = 0, connections: int = 16, name: str = "scenarist"
    ) -> None:
        timeout_s = block_ms / 1000 + BLOCK_MARGIN_S if block_ms else TIMEOUT_S
        # The class is chosen by URL (tcp, tls, unix), so options that only TCP knows are given to those alone.
        keepalive = {} if url.startswith("unix:") else {"socket_keepalive": True}
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=connections,
                timeout=TIMEOUT_S,
                protocol=2,
                decode_responses=False,
                socket_timeout=timeout_s,
                socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
                retry_on_timeout=False,
                retry_on_error=[],
                health_check_interval=0,
                client_name=name,
                **keepalive,
            )
        except (ValueError, TypeError):
            # The cause would show parts of the address, and so of the password.
            raise ValueError(
                "the address of Redis cannot be read: redis://user:password@host:6379/0, " + _ENCODED
            ) from None
        self._redis = Redis.from_pool(pool)
        # Raw replies: the callbacks of redis-py would decode and rebuild every batch.
        self._redis.response_callbacks.clear()

    async def execute(self, *command: Argument) -> Any:
        """See `Link.execute`."""
        with _translating():
            return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link.execute_many`."""
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        with _translating():
            # Left to itself redis-py would put words before the text of an error.
            replies = list(await pipeline.execute(raise_on_error=False))
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    async def close(self) -> None:
        """See `Link.close`."""
        await self._redis.aclose(close_connection_pool=True)


@contextmanager
def _translating() -> Iterator[None]:
    """Give errors our names, and see that a cancellation is one.

    redis-py swallows about one `task.cancel()` in twenty, or turns it into a connection error; a loop that waits out
    outages would then never end.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except RedisError as error:
        _raise_if_cancelled(task, before)
        raise _translated(error) from error
    except OSError as error:
        _raise_if_cancelled(task, before)
        raise Unavailable(str(error)) from error
    _raise_if_cancelled(task, before)


def _raise_if_cancelled(task: asyncio.Task[Any] | None, before: int) -> None:
    if task and task.cancelling() > before:
        raise asyncio.CancelledError


def _translated(error: RedisError) -> Exception:
    """A lost or silent connection, and a refusal that passes by itself, are outages; any other answer is a refusal."""
    word = next((word for kind, word in _WORDS.items() if isinstance(error, kind)), "")
    text = f"{word} {error}".strip()
    answered = isinstance(error, ResponseError) and not isinstance(error, RedisConnectionError)
    return Refused(text) if answered and not text.startswith(_PASSING) else Unavailable(text)
