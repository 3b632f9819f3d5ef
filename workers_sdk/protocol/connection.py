"""One connection to Redis: requests in one write each, replies matched in order, lost as a whole.

It costs a quarter of redis-py for single commands and a tenth for batches (docs/decisions/0008).
"""

import asyncio
import socket
from collections import deque
from time import monotonic
from typing import Any, Final, cast

import hiredis

# Refusals of a healthy connection that pass by themselves, or that people put right at the server.
_PASSING: Final = (
    "LOADING", "OOM", "MISCONF", "READONLY", "NOREPLICAS", "MASTERDOWN", "BUSY ", "CLUSTERDOWN", "TRYAGAIN",
    "NOAUTH", "ERR max number of clients reached",
)  # fmt: skip
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
_NOTHING: Final = object()


class Unavailable(Exception):
    """Redis gave no usable answer; the command may or may not have been applied, so repeat only what is idempotent."""


class Unwelcome(Unavailable):
    """Redis does not let us in: a password, a user, or the number of a database is wrong. It does not pass by itself."""


class Refused(Exception):
    """Redis answered with an error. `code` is its first word, for example `NOGROUP` or `WRONGTYPE`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message.split(" ", 1)[0]


def error_of(text: str) -> Exception:
    """A refusal that passes by itself is an outage; any other error is a refusal."""
    return Unavailable(text) if text.startswith(_PASSING) else Refused(text)


class Connection(asyncio.Protocol):
    """A connected socket, from the moment it is given to an event loop until it is lost; then `lost` says why.

    Args:
        timeout_s: how long Redis may be silent while replies are owed, seconds.
    """

    def __init__(self, timeout_s: float) -> None:
        self.lost = ""
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._gone = self._loop.create_future()
        self._writable = asyncio.Event()
        self._writable.set()
        self._reader = hiredis.Reader(replyError=error_of, notEnoughData=_NOTHING)
        self._replies: list[Any] = []
        # Who waits, with the number of replies each is owed. One who was cancelled stays: its replies come all the same.
        self._waiting: deque[tuple[asyncio.Future[list[Any] | None], int]] = deque()
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def load(self) -> int:
        """How many requests wait for replies."""
        return len(self._waiting)

    async def call(self, request: bytes, count: int) -> list[Any]:
        """Send `count` packed commands in one write and return as many replies, errors among them as values.

        Raises:
            Unavailable: the connection was lost, before or after the commands reached Redis.
        """
        while not self._writable.is_set():
            await self._writable.wait()
        if self.lost or self._transport is None or self._transport.is_closing():
            raise Unavailable(self.lost or "the connection is being closed")
        if not self._waiting:
            self._heard = monotonic()
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._look)
        answer: asyncio.Future[list[Any] | None] = self._loop.create_future()
        self._waiting.append((answer, count))
        self._transport.write(request)
        replies = await answer
        if replies is None:
            raise Unavailable(self.lost)
        return replies

    def drop(self, why: str) -> None:
        """Give up the connection: whoever waits gets Unavailable."""
        if self.lost:
            return
        self.lost = why
        if self._transport:
            self._transport.abort()
        for answer, _ in self._waiting:
            if not answer.done():
                answer.set_result(None)
        self._waiting.clear()
        self._writable.set()

    async def close(self, why: str) -> None:
        """Drop the connection and wait until its socket is closed."""
        self.drop(why)
        if self._transport:
            await asyncio.wait([self._gone], timeout=self._timeout_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # that of uvloop is none by its class
        if self.lost:
            self._transport.abort()
        own = transport.get_extra_info("socket")
        if own.family != socket.AF_UNIX:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):
                    own.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self.lost:
            return
        self._heard = monotonic()
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._replies.append(reply)
                answer, count = self._waiting[0]
                if len(self._replies) == count:
                    self._waiting.popleft()
                    replies, self._replies = self._replies, []
                    if not answer.done():
                        answer.set_result(replies)
        except hiredis.ProtocolError as error:
            self.drop(f"that was not Redis: {error}")
        except IndexError:
            self.drop(f"Redis said what it was not asked: {self._replies[0]!r:.100}")

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self.drop("the connection was lost: closed by Redis")

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.drop(f"the connection was lost: {exc or 'closed'}")
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if not self.lost:
            self._writable.clear()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._writable.set()

    def _look(self) -> None:
        """Whether Redis has been silent for too long. One timer for all that wait: it looks again when the last word
        it heard will be too old."""
        self._timer = None
        if not self._waiting:
            return
        left_s = self._heard + self._timeout_s - monotonic()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self.drop(f"Redis did not answer within {self._timeout_s:g} s")
