"""The ids of all tasks of a scenario as its hash has them: a list, and pieces of what was added to a long one. See the fragment
task_ids."""

from collections.abc import Mapping
from typing import Final

from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import loads

FIRST: Final = "task_ids"
PIECES: Final = "id_pieces"


async def task_ids_of(link: Link, at: Partition, scenario_id: str) -> list[str]:
    """In the order of the document; what was added comes after it. Empty: there is no such scenario. Raises: Unavailable,
    Refused."""
    key = at.scenario(scenario_id)
    first, pieces = await link.execute("HMGET", key, FIRST, PIECES)
    more = await link.execute("HMGET", key, *_fields_of(int(pieces))) if pieces else []
    return [one for text in (first, *more) if text for one in loads(text)]


def added_ids(fields: Mapping[str, str]) -> list[str]:
    """Of all fields of a scenario: the ids that stand in pieces, not in `task_ids`."""
    names = _fields_of(int(fields.get(PIECES) or 0))
    return [one for name in names for one in loads(fields.get(name) or "[]")]


def _fields_of(pieces: int) -> list[str]:
    return [f"{FIRST}:{piece}" for piece in range(1, pieces + 1)]
