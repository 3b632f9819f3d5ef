"""Reads the logs as an operator would."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from .system import NOT_THERE

Json = Any

EXPLAINED: Final = {
    "not_reported": "",  # told to end while there was no server
    "not_handed_back": "",
    "schedule_refused": "memory",
}
"""Errors that the faults explain: event -> what its error says."""


def read(folder: Path) -> tuple[list[str], Counter[str]]:
    """(lines that must not be there, how often each kind of line was said)."""
    bad: list[str] = []
    kinds: Counter[str] = Counter()
    for log in sorted(folder.glob("*.log")):
        for text in log.read_text(errors="replace").splitlines():
            line = _decoded(text)
            kinds[f"{log.name.split('.')[0].split('-')[0]} {line['level']} {line['event']}"] += 1
            if not _is_fine(line):
                bad.append(f"{log.name}: {text}")
    return bad, kinds


def _decoded(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return {"level": "info" if text.startswith(NOT_THERE) else "text", "event": text.split(":")[0]}


def _is_fine(line: Json) -> bool:
    if line["level"] in ("debug", "info", "warning") and "exception" not in line:
        return True
    why = EXPLAINED.get(line["event"])
    return why is not None and why in line.get("error", "")
