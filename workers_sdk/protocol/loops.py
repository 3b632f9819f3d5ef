"""The event loop of our processes: that of uvloop when it is installed, whose reads and writes cost less."""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
with contextlib.suppress(ImportError):
    from uvloop import new_event_loop

T = TypeVar("T")


YOUNG: Final = 20_000
"""Objects made before the collector looks for cycles, in place of 700. A batch makes thousands and all go without it: at
700 it takes 6 % of a worker's time."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on that loop, for the main coroutine of a process."""
    gc.freeze()
    gc.set_threshold(YOUNG)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
