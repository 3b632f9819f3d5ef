"""Notices edits of the source, by modification times: no watcher to install, a few hundred files to look at."""

import importlib.util
from pathlib import Path
from typing import Final

PACKAGES: Final = ("orchestrator", "workers_sdk", "scenarios")
SUFFIXES: Final = (".py", ".lua", ".yml", ".yaml")


class Changes:
    """Remembers how the source looked."""

    def __init__(self) -> None:
        self._known = _times()

    def look(self) -> str:
        """Name of a file that changed, came or went since the last look; empty when none did."""
        now = _times()
        changed = dict(now.items() ^ self._known.items())
        self._known = now
        return min(changed, default="")


def _times() -> dict[str, int]:
    times: dict[str, int] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in Path(folder).rglob("*"):
                if path.suffix in SUFFIXES and path.exists():
                    times[str(path)] = path.stat().st_mtime_ns
    return times
