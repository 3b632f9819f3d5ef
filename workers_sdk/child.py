"""The other end of `processes.py`: what runs in a process of its own, one handler after another."""

import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Final

import structlog

from . import logs
from .cancel import CancelToken
from .outcome import Outcome, failed
from .perform import perform

INTERVAL_S: Final = 0.1
"""Shortest time between two progress messages."""

CALL: Final = "call"
ASK: Final = "ask"


def main(pipe: Connection) -> None:
    """Work until the other end of `pipe` is closed, or its process is gone, however it went.

    What comes: `(CALL, pickled function, arguments and context)`, `(ASK, cause)`: the handler is to stop. What goes:
    `(percent or None, message)` of progress, and an `Outcome` per call.
    """
    os.setpgid(
        0, 0
    )  # so that what handlers start can be killed with them, and Ctrl-C is the parent's business
    # Nothing that a handler starts may hold the pipe: the parent would not see that we died, or hear somebody else.
    os.set_inheritable(pipe.fileno(), False)
    os.register_at_fork(after_in_child=pipe.close)
    signal.signal(signal.SIGINT, _pass)
    signal.signal(signal.SIGTERM, _pass)
    line = _Line(pipe)
    for thread in (line.listen, line.tell):
        threading.Thread(target=thread, daemon=True).start()
    while True:
        line.end(_perform(line, *line.calls.get()))


class _Line:
    """The talk with the parent. Listening and telling have threads of their own, so a handler that computes hears and is
    heard."""

    def __init__(self, pipe: Connection) -> None:
        self.calls: queue.SimpleQueue[tuple[bytes, CancelToken]] = queue.SimpleQueue()
        self._pipe = pipe
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._newest: tuple[float | None, str] | None = None
        self._current: CancelToken | None = None

    def listen(self) -> None:
        """Until the parent is gone; then we are, with all that the handler started."""
        cancelled = CancelToken()
        with contextlib.suppress(EOFError, OSError):
            while True:
                kind, content = self._pipe.recv()
                if kind == ASK:
                    cancelled.set(content)
                else:
                    cancelled = CancelToken()
                    self.calls.put((content, cancelled))
        os.killpg(0, signal.SIGKILL)

    def tell(self) -> None:
        """Send the newest progress now and then."""
        with contextlib.suppress(OSError):
            while True:
                self._some.wait()
                self._some.clear()
                with self._lock:
                    newest, self._newest = self._newest, None
                    if newest:
                        self._pipe.send(newest)
                time.sleep(INTERVAL_S)

    def begin(self, call: CancelToken) -> None:
        """From now on progress is that of this call."""
        self._current = call

    def note(self, call: CancelToken, percent: float | None, message: str) -> None:
        """Take progress of a call, from any thread."""
        with self._lock:
            if call is self._current and (percent is not None or not self._newest):
                self._newest = (percent, message)
        self._some.set()

    def end(self, outcome: Outcome) -> None:
        """The call under way ended; in one step, so that no progress comes after it. A process that cannot be heard ends."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # there may be none, or nobody may read it
                stream.flush()
        try:
            with self._lock:
                self._current = self._newest = None
                self._pipe.send(outcome)
        except Exception:
            # The parent is gone, the handler closed what was not its own, memory is full, or this is a fork.
            os._exit(1)


def _perform(line: _Line, work: bytes, cancelled: CancelToken) -> Outcome:
    try:
        function, arguments, ctx = pickle.loads(work)
    except BaseException as error:  # modules of users are imported here
        return failed(error)
    if not structlog.is_configured():
        logs.configure()
    line.begin(cancelled)
    ctx.connect(cancelled, lambda percent, message: line.note(cancelled, percent, message))
    return perform(function, arguments, ctx)


def _pass(_number: int, _frame: object) -> None:
    """A stop of all processes of a service at once must not end a handler that the parent lets finish. Not `SIG_IGN`, which
    programs that the handler starts would inherit."""
