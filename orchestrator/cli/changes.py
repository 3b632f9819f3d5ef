"""Notices edits of the source, by modification times: no watcher to install, a few hundred files to look at."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PACKAGES: Final = ("orchestrator", "workers_sdk", "scenarios")
YAML: Final = (".yml", ".yaml")
SUFFIXES: Final = (".py", ".lua", *YAML)


class Changes:
    """Remembers how the source looked.

    Args:
        folders: of templates, watched besides our packages; one that is not there yet may come.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = folders
        self._known = self._times()

    def look(self) -> str:
        """Name of a file that changed, came or went since the last look; empty when none did."""
        now = self._times()
        changed = dict(now.items() ^ self._known.items())
        self._known = now
        return min(changed, default="")

    def _times(self) -> dict[str, int]:
        ours = (path for folder in _sources() for path in folder.rglob("*") if path.suffix in SUFFIXES)
        theirs = (path for folder in self._folders for path in folder.glob("*") if path.suffix in YAML)
        return dict(_time_of(path) for path in (*ours, *theirs))


def _sources() -> list[Path]:
    specs = [importlib.util.find_spec(package) for package in PACKAGES]
    return [Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()]


def _time_of(path: Path) -> tuple[str, int]:
    try:
        return str(path), path.stat().st_mtime_ns
    except FileNotFoundError:  # an editor is just about to replace it
        return str(path), 0
