"""How endpoints of webhooks do: since when they fail, what waits for them and what was dropped, over all partitions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .store import Store


@dataclass(frozen=True, slots=True)
class Standing:
    """How one endpoint does. Times in milliseconds, 0 for never.

    Attributes:
        failing_ms: since when no attempt succeeded; 0: the last one did, or there was none.
        waiting: deliveries that are not done.
        dropped, dropped_ms: messages that were never made into one, because too many waited; and when the last was.
    """

    failing_ms: int = 0
    waiting: int = 0
    dropped: int = 0
    dropped_ms: int = 0


async def standings(store: Store, endpoint_ids: Sequence[str]) -> dict[str, Standing]:
    """All of them by id. Raises: Unavailable, Refused."""
    places = list(store.partitions)
    commands: list[Any] = [("HGETALL", at.webhooks_failing) for at in places]
    commands += [("ZCARD", at.waiting_deliveries(one)) for one in endpoint_ids for at in places]
    found = await store.link.execute_many(commands)
    facts = [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in found[: len(places)]]
    lengths = found[len(places) :]
    return {
        one: _standing(one, facts, sum(lengths[i * len(places) : (i + 1) * len(places)]))
        for i, one in enumerate(endpoint_ids)
    }


def _standing(endpoint_id: str, facts: Sequence[dict[bytes, bytes]], waiting: int) -> Standing:
    """`facts`: of each partition, as webhook_record.lua and webhook_announce.lua write them."""
    dropped = [_pair(one[name]) for one in facts if (name := f"{endpoint_id}:dropped".encode()) in one]
    attempts = [_pair(one[name]) for one in facts if (name := endpoint_id.encode()) in one]
    return Standing(
        failing_ms=failing_since(attempts),
        waiting=waiting,
        dropped=sum(count for count, _ in dropped),
        dropped_ms=max((last for _, last in dropped), default=0),
    )


def failing_since(attempts: Iterable[tuple[int, int]]) -> int:
    """Since when an endpoint takes nothing, 0 when it took the last message.

    Args:
        attempts: per partition since when they fail there, 0 for not, and the time of the last.
    """
    known = list(attempts)
    taken_ms = max((last for since, last in known if not since), default=0)
    return min((max(since, taken_ms) for since, last in known if since and last > taken_ms), default=0)


def _pair(value: bytes) -> tuple[int, int]:
    first, _, second = value.partition(b" ")
    return int(first), int(second or first)
