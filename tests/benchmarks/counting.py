"""What clients asked of Redis, told from `INFO commandstats`, where commands inside scripts count for themselves too."""

import re
from collections.abc import Mapping
from typing import Final

from orchestrator.store.store import SCRIPTS
from workers_sdk.protocol.scripts import LUA, Scripts

Stats = Mapping[str, tuple[int, int]]
"""Calls and microseconds by command, as `System.command_us` gives them."""

_SOURCES: Final = " ".join(script.source for script in Scripts(LUA, SCRIPTS).by_name.values())
INSIDE: Final = frozenset(name.lower() for name in re.findall(r"redis\.call\('(\w+)'", _SOURCES))
"""Commands that scripts call. Their time is part of that of the script; no client of ours sends them on a hot path but
`HMGET` for the references of a task, which handlers without a context do not ask for."""
OWN: Final = frozenset(("info", "config", "slowlog", "ping", "memory", "scan", "cluster", "copy"))
"""What only the measuring process sends."""


def between(before: Stats, after: Stats) -> dict[str, tuple[int, int]]:
    """What was spent."""
    zero = (0, 0)
    return {
        name: (calls - before.get(name, zero)[0], us - before.get(name, zero)[1])
        for name, (calls, us) in after.items()
        if calls > before.get(name, zero)[0]
    }


def by_clients(spent: Stats) -> dict[str, tuple[int, int]]:
    """Scripts and the commands that engines and workers send beside them."""
    return {name: found for name, found in spent.items() if name.partition("|")[0] not in INSIDE | OWN}


def by_scripts(spent: Stats) -> dict[str, tuple[int, int]]:
    """Commands of scripts; those of the measuring process that scripts call too (`ZCARD`) cannot be told apart here."""
    return {name: found for name, found in spent.items() if name.partition("|")[0] in INSIDE - OWN}


def sums(spent: Stats) -> tuple[int, int]:
    """Calls and microseconds of all."""
    return sum(calls for calls, _ in spent.values()), sum(us for _, us in spent.values())
