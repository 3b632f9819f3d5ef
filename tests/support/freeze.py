"""A process that stands still."""

import os
import signal

from tests.support.wait import wait_until


async def freeze(pid: int) -> None:
    """Stop a child process, and wait until all its threads have stopped.

    The signal goes to one thread, which stops the others when it gets a processor; until then they go on.
    """
    os.kill(pid, signal.SIGSTOP)
    await wait_until(lambda: os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0], what="the process stands still")
