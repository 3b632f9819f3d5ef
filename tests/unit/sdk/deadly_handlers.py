"""Handlers that end the process they run in, each in a way of its own."""

import contextlib
import ctypes
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path

from workers_sdk import Context

from .child_handlers import ENDLESS


def leave(ctx: Context) -> None:
    """End the process as some libraries do."""
    os._exit(3)


def kill(ctx: Context) -> None:
    """Die as by the hand of the kernel that is out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def crash(ctx: Context) -> None:
    """Read where there is no memory."""
    ctypes.string_at(0)


def die_with_fork_left(ctx: Context) -> None:
    """Leave a fork behind, which has all that was open here."""
    if (child := os.fork()) == 0:
        threading.Event().wait(300)
        os._exit(0)
    _say(ctx, child)
    os._exit(4)


def die_with_program_left(ctx: Context) -> None:
    """Leave a program behind, which was started without closing anything."""
    program = subprocess.Popen([sys.executable, "-c", ENDLESS], close_fds=False)
    _say(ctx, program.pid)
    os._exit(5)


def return_twice(ctx: Context) -> int:
    """Come back as two processes."""
    return os.fork()


def write_nonsense(ctx: Context) -> None:
    """Write a message that nobody can read where the worker listens."""
    for number in _sockets():
        os.write(number, struct.pack("!i", 8) + b"nonsense")
    threading.Event().wait(300)


def send_nonsense(ctx: Context) -> None:
    """The same with one that is read and makes no sense."""
    for number in _sockets():
        os.write(number, struct.pack("!i", 5) + b"\x80\x04K\x07.")  # the number 7
    threading.Event().wait(300)


def close_all(ctx: Context) -> str:
    """Close everything, as what makes itself a daemon does."""
    os.closerange(3, 256)
    return "nobody will hear this"


def _sockets() -> list[int]:
    """Those that are open here: the pipe of the process is one."""
    found = []
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                found.append(number)
    return found


def _say(ctx: Context, pid: int) -> None:
    Path(ctx.params["folder"], "left").write_text(str(pid))
