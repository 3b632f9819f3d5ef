"""What could not be read and was set aside: facts about it, not its content."""

from itertools import islice
from typing import Any

from workers_sdk.protocol.messages import fields_of

from .store import Store


async def set_aside(store: Store, limit: int) -> list[dict[str, Any]]:
    """Entries of all partitions, the latest first: `id`, `stream`, `entry`, `reason`, `at`. Raises: Unavailable, Refused."""
    found: list[tuple[int, int, dict[str, Any]]] = []
    commands = [("XREVRANGE", at.quarantine, "+", "-", "COUNT", limit) for at in store.partitions]
    for entries in await store.link.execute_many(commands):
        for entry_id, flat in entries:
            ms, _, seq = entry_id.decode().partition("-")
            facts = {name: value.decode(errors="replace") for name, value in fields_of(flat).items()}
            known = {name: facts.get(name, "") for name in ("stream", "entry", "reason", "at")}
            found.append((int(ms), int(seq), {"id": entry_id.decode(), **known}))
    found.sort(key=lambda one: one[:2], reverse=True)
    return [facts for _, _, facts in islice(found, limit)]
