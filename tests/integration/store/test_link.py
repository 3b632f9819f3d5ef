"""What the link must never do again."""

import asyncio
import traceback

import pytest

from tests.support.wait import wait_until
from workers_sdk.protocol.link import Link, RedisLink, Unavailable


async def _loop_through_outages(link: Link) -> None:
    """As all our loops do."""
    while True:
        try:
            await link.execute("PING")
        except Unavailable:
            continue


async def test_a_cancelled_loop_always_ends(redis_url: str) -> None:
    """redis-py swallowed one cancellation in twenty; the loop went on for ever, and the process did not end."""
    link = RedisLink(redis_url)
    for _ in range(300):
        looping = asyncio.create_task(_loop_through_outages(link))
        await link.execute("PING")
        looping.cancel()
        await wait_until(looping.done, what="the end of the loop", timeout_s=2)
        assert looping.cancelled()
    await link.close()


async def test_a_connection_that_was_cancelled_serves_the_right_reply_to_the_next(redis_url: str) -> None:
    link = RedisLink(redis_url, connections=1)
    for n in range(100):
        waiting = asyncio.create_task(link.execute("ECHO", f"old-{n}"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert await link.execute("ECHO", f"new-{n}") == f"new-{n}".encode()
    await link.close()


@pytest.mark.parametrize("url", ["redis://u:S3cret/Pw@host", "redis://u:S3cret@host:port", "S3cret"])
def test_an_address_that_cannot_be_read_is_not_shown(url: str) -> None:
    """A password with a slash was printed as "Port could not be cast to integer value as ..."."""
    with pytest.raises(ValueError, match="cannot be read") as raised:
        RedisLink(url)

    assert "S3cret" not in "".join(traceback.format_exception(raised.value)).replace(repr(url), "")
