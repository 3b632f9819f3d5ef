"""Work that scripts do a chunk a call: as much of it as an answer should wait for. The engine goes on with the rest."""

from collections.abc import Awaitable, Callable
from typing import Final

MOST: Final = 80
"""Of a scenario 5,000 tasks, with the usual chunk."""


async def carried_on(word: str, again: Callable[[], Awaitable[str]], most: int = MOST) -> str:
    """The word of the last call; MORE when there is more to do than that.

    Args:
        word: of the first call.
    """
    for _ in range(most):
        if word != "MORE":
            break
        word = await again()
    return word
