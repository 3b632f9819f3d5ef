"""One process for handlers, seen from the worker: talked to, and killed with everything that it started."""

import contextlib
import multiprocessing
import os
import signal
from typing import Any, Final

from . import child

_SPAWN: Final = multiprocessing.get_context("spawn")


class ProcessDied(Exception):
    """The process that ran a handler is dead: killed, out of memory, or a crash in native code."""


class Seat:
    """Starts its process at once. Of one caller at a time, but for `kill`.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=child.main, args=(theirs,), name="handler")
        try:
            self._process.start()
        finally:
            theirs.close()  # while it is open here, nobody would notice that the process is gone

    def is_alive(self) -> bool:
        """Whether it can be used."""
        return self._process.is_alive()

    def send(self, message: tuple[str, Any]) -> None:
        """Blocks until there is room. Raises: OSError: it is dead."""
        self._pipe.send(message)

    def receive(self) -> Any:
        """Blocks until there is a message. Raises: EOFError, OSError: it is dead. Others: that is no message."""
        return self._pipe.recv()

    def kill(self) -> None:
        """Kill it, and the programs that its handler started; those also when it is dead itself."""
        if self._has_its_id():
            self._kill_group()
            self._process.kill()

    def end(self) -> str:
        """Kill it and wait until it is gone; says how it ended."""
        self.kill()
        self._process.join()
        self._pipe.close()
        code = self._process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _has_its_id(self) -> bool:
        """Its id is its own until somebody has asked for the exit code; to ask so that it stays is not possible everywhere."""
        if not hasattr(os, "waitid"):
            return self._process.exitcode is None
        try:
            os.waitid(os.P_PID, self._process.ident or 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _kill_group(self) -> None:
        with contextlib.suppress(
            ProcessLookupError, PermissionError
        ):  # it has none yet, or all of it has ended
            os.killpg(self._process.ident or 0, signal.SIGKILL)
