"""What the last check of everything found: one small key, for monitors."""

import json
from typing import Any

from workers_sdk.protocol.keys import LAST_CHECK
from workers_sdk.protocol.link import Refused
from workers_sdk.protocol.messages import dumps

from .fsck_records import Report
from .store import Store

Json = Any


async def note_check(store: Store, report: Report, by: str, *, repair: bool) -> None:
    """Keep it. Raises: Unavailable, Refused.

    Args:
        by: who made it: a person or a machine.
    """
    facts = {
        "by": by[:200],
        "repair": repair,
        **{
            name: getattr(report, name)
            for name in ("scenarios", "tasks", "keys", "undecided", "changing", "left")
        },
        "drift": dict(report.drift),
        "repaired": dict(+report.repaired),
    }
    await store.call("note_check", {"last": LAST_CHECK, "facts": dumps(facts)})


async def last_check(store: Store) -> dict[str, Json] | None:
    """The last one; None when there was none, or something else stands there. Raises: Unavailable."""
    try:
        found = json.loads(await store.link.execute("GET", LAST_CHECK) or b"null")
    except (ValueError, Refused):
        return None
    return found if isinstance(found, dict) else None
