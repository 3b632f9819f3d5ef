"""Child processes that never outlive their parent."""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_F_SETSIG: Final = 10
# Loaded here, because a forked child may only do the simplest things before it becomes another program.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def start_child(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
    hurry: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program that gets SIGTERM when this process dies, however it dies (on Linux).

    The child has a session of its own, so Ctrl-C in the terminal reaches only the parent, which then stops its
    children in the right order.

    Args:
        log: file that takes its output; emptied first.
        env: whole environment, by default ours.
        keep: file descriptors that stay open in the child.
        hurry: SIGINT as well, since our processes wait no longer for handlers and Redis after a second signal.

    Raises:
        RuntimeError: not called from the main thread (the kernel sends the signal when the *thread* that forked
            ends). OSError: the program or the log cannot be opened.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("children must be started from the main thread")
    log.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    with log.open("wb") as output:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                pass_fds=[*keep, reading] if hurry else keep,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid(), reading if hurry else None),
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
    weakref.finalize(child, os.close, writing)
    return child


def stop_child(process: subprocess.Popen[bytes], *, grace_s: float = 10.0) -> int:
    """Ask a child to end by SIGTERM, wait `grace_s` seconds, then kill it. Returns its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def die_with_parent() -> None:
    """Be killed when the parent dies (on Linux), whatever this process is doing."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def tail(log: Path, lines: int = 15) -> str:
    """Last lines of a log file; empty when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _die_with(parent: int, lifeline: int | None) -> Callable[[], None]:
    """What a new child does first. `lifeline`: read end of a pipe that only the parent can write to."""

    def in_child() -> None:
        if _libc is None:
            return
        if lifeline is not None:
            # The kernel sends the signal when the other end closes, and nobody ever writes.
            fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGINT)
            fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return in_child
