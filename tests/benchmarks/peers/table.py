"""From a data file of `run.py` to Markdown tables.

python -m tests.benchmarks.peers.table results/<file>.json
"""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.peers.plan import PEERS

TITLES: Final = {
    "w1": "W1 flat: independent tasks",
    "w2": "W2 diamonds: many workflows of 23 tasks at once",
    "w2lat": "W2 latency: one diamond after another on an idle system",
    "w3": "W3 chain: one task after another",
    "w4": "W4 wide: 1 -> n -> 1",
}
OURS: Final = "scenarist"
CEILING: Final = "ceiling"
HEAD: Final = ("peer", "processes", "tasks", "tasks/s", "of the reference", "of the ceiling", "Scenarist is")
LATENCY_HEAD: Final = ("peer", "processes", "diamonds", "p50 ms", "p99 ms", "Scenarist is")
HOP_HEAD: Final = ("peer", "processes", "links", "ms per hop", "Scenarist is")


@dataclass(frozen=True)
class Result:
    """Medians of one peer on one workload with its better number of worker processes."""

    peer: str
    workload: str
    processes: int
    count: int
    tasks: int
    runs: int
    tasks_per_s: float
    ratio: float
    ms_per_task: float
    p50_ms: float | None
    p99_ms: float | None

    @property
    def cost(self) -> float:
        """What is compared, less is better: milliseconds where they are the point, else time in that of the reference."""
        if self.workload == "w2lat" and self.p50_ms is not None:
            return self.p50_ms
        return self.ms_per_task if self.workload == "w3" else 1 / self.ratio


def results(data: dict[str, Any]) -> list[Result]:
    """All that was measured, the fastest of each workload first."""
    runs: dict[tuple[str, str], dict[int, list[dict[str, Any]]]] = {}
    for row in data["rows"]:
        if "ratio" in row:
            of_peer = runs.setdefault((row["workload"], row["peer"]), {})
            of_peer.setdefault(row["processes"], []).append(row)
    # The first round tries several numbers of processes and the others go on with the better one.
    best = [
        max(map(_medians, of_peer.values()), key=lambda found: (found.runs, -found.cost))
        for of_peer in runs.values()
    ]
    order = list(TITLES)
    return sorted(best, key=lambda found: (order.index(found.workload), found.cost))


def _medians(rows: Sequence[dict[str, Any]]) -> Result:
    def median(key: str) -> float:
        return float(statistics.median(row[key] for row in rows))

    first = rows[0]
    timed = "p50_ms" in first
    return Result(
        peer=first["peer"],
        workload=first["workload"],
        processes=first["processes"],
        count=first["count"],
        tasks=first["tasks"],
        runs=len(rows),
        tasks_per_s=median("tasks_per_s"),
        ratio=median("ratio"),
        ms_per_task=1000 * median("seconds") / first["tasks"],
        p50_ms=median("p50_ms") if timed else None,
        p99_ms=median("p99_ms") if timed else None,
    )


def markdown(data: dict[str, Any]) -> str:
    """All tables: one per workload, then versions and settings, then what is missing and why."""
    found = results(data)
    ceiling = next((one.ratio for one in found if one.peer == CEILING), None)
    parts = [_about(data)]
    for workload, title in TITLES.items():
        rows = [one for one in found if one.workload == workload]
        if rows:
            parts.append(f"### {title}\n\n{_workload(workload, rows, ceiling)}")
    parts += [f"### Versions and settings\n\n{_settings(data)}", _missing(data)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(data: dict[str, Any]) -> str:
    references = [row["reference_per_s"] for row in data["rows"] if "ratio" in row]
    span = f", reference loop {min(references):,} to {max(references):,} items/s" if references else ""
    quick = " **Little work, for trying: not a measurement.**" if data["quick"] else ""
    return f"{data['started_at']}: {data['server']}, {data['machine']}{span}, medians of {data['rounds']} interleaved rounds.{quick}"


def _workload(workload: str, rows: Sequence[Result], ceiling: float | None) -> str:
    head = {"w2lat": LATENCY_HEAD, "w3": HOP_HEAD}.get(workload, HEAD)
    ours = next((one for one in rows if one.peer == OURS), None)
    lines = [(one.peer, one.processes, *_cells(one, ceiling), _times(one, ours)) for one in rows]
    return _table(head, lines)


def _cells(one: Result, ceiling: float | None) -> tuple[str, ...]:
    if one.workload == "w2lat":
        return f"{one.count}", _number(one.p50_ms), _number(one.p99_ms)
    if one.workload == "w3":
        return f"{one.count}", _number(one.ms_per_task)
    of_ceiling = f"{one.ratio / ceiling:.3f}" if ceiling else "-"
    return f"{one.tasks:,}", f"{one.tasks_per_s:,.0f}", f"{one.ratio:.3f}", of_ceiling


def _times(one: Result, ours: Result | None) -> str:
    """How many times faster Scenarist is."""
    if ours is None or one.peer.startswith(OURS) or one.peer == CEILING:
        return "-"
    times = one.cost / ours.cost
    return f"{times:.1f} x" if times < 10 else f"{times:.0f} x"


def _settings(data: dict[str, Any]) -> str:
    """Version and settings of each peer, the settings with the workloads that they were used for."""
    versions: dict[str, str] = {}
    settings: dict[str, dict[str, list[str]]] = {}
    measured = {(one.peer, one.workload, one.processes) for one in results(data)}
    for row in data["rows"]:
        if "ratio" in row and (row["peer"], row["workload"], row["processes"]) in measured:
            versions[row["peer"]] = row["version"]
            used = settings.setdefault(row["peer"], {}).setdefault(row["settings"], [])
            used += [row["workload"]] if row["workload"] not in used else []
    rows = [
        (
            peer,
            versions[peer],
            PEERS[peer].note,
            "; ".join(f"{words} ({', '.join(used)})" for words, used in of_peer.items()),
        )
        for peer, of_peer in settings.items()
    ]
    return _table(("peer", "versions", "work expressed as", "settings"), rows)


def _missing(data: dict[str, Any]) -> str:
    there = {(one.peer, one.workload) for one in results(data)}
    said: dict[tuple[str, str, str], list[str]] = {}
    for row in data["rows"]:
        why = row.get("failed") or row.get("cannot")
        if why and (row["peer"], row["workload"]) not in there and row["peer"] != CEILING:
            kind = "failed" if "failed" in row else "cannot express this"
            said.setdefault((row["peer"], kind, why), []).append(row["workload"])
    lines = [
        f"- {peer}, {', '.join(dict.fromkeys(on))}: {kind}: {why}" for (peer, kind, why), on in said.items()
    ]
    return "### Not measured\n\n" + "\n".join(lines) if lines else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
    """See the module."""
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
