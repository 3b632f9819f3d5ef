"""From a data file of `run.py` to a bar plot, as SVG.

python -m tests.benchmarks.peers.plot results/<file>.json picture.svg
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from tests.benchmarks.peers.table import CEILING, OURS, Result, results

THROUGHPUT: Final = "of the reference loop; longer is better"
LATENCY: Final = "milliseconds; shorter is better"
# Workload: (title, what a bar is), in two columns.
COLUMNS: Final = (
    {
        "w1": ("W1 flat: independent tasks", THROUGHPUT),
        "w2": ("W2 diamonds of 23 tasks, many at once", THROUGHPUT),
        "w4": ("W4 wide: 1 \u2192 n \u2192 1", THROUGHPUT),
    },
    {
        "w2lat": ("W2 latency: one diamond at idle, median", LATENCY),
        "w3": ("W3 chain: one hop", LATENCY),
    },
)
WIDTH, ROW, HEAD, GAP = 470, 21, 46, 18
NAMES, BARS = 100, 230
INK, FAINT, PEER = "#1f2933", "#66727f", "#9fb3c8"
COLOURS: Final = {OURS: "#d9480f", f"{OURS}-aof": "#f4a261"}


def svg(data: dict[str, Any]) -> str:
    """The picture. Colours stand on white, whatever is behind it."""
    found = [one for one in results(data) if one.peer != CEILING]
    columns = [_column(found, column, WIDTH * i) for i, column in enumerate(COLUMNS)]
    height = max(bottom for _, bottom in columns)
    body = "\n".join(line for lines, _ in columns for line in lines)
    if data["quick"]:
        body += "\n" + _text(
            WIDTH + GAP, height - GAP, "Little work, for trying: not a measurement", COLOURS[OURS]
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {height}" width="{2 * WIDTH}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _column(found: Sequence[Result], panels: dict[str, tuple[str, str]], left: int) -> tuple[list[str], int]:
    lines, top = [], GAP
    for workload, (title, unit) in panels.items():
        latency = unit == LATENCY
        bars = [(one, one.cost if latency else one.ratio) for one in found if one.workload == workload]
        lines.append(_text(left + GAP, top + 14, title, INK, bold=True))
        lines.append(_text(left + GAP, top + 31, unit, FAINT))
        longest = max((value for _, value in bars), default=1.0)
        for i, (one, value) in enumerate(bars):
            label = f"{value:.2g} ms" if value < 10 else f"{value:.0f} ms"
            label = label if latency else f"{value:.3f} ({one.tasks_per_s:,.0f}/s)"
            lines += _bar(left, top + HEAD + ROW * i, one.peer, value / longest, label)
        top += HEAD + ROW * len(bars) + GAP
    return lines, top


def _bar(left: int, top: int, name: str, share: float, label: str) -> list[str]:
    start, length = left + GAP + NAMES, max(1.0, share * BARS)
    return [
        _text(start - 8, top + 14, name, INK, end=True, bold=name == OURS),
        f'<rect x="{start}" y="{top + 2}" width="{length:.1f}" height="{ROW - 5}" fill="{COLOURS.get(name, PEER)}"/>',
        _text(start + round(length) + 6, top + 14, label, FAINT),
    ]


def _text(x: int, y: int, words: str, colour: str, *, end: bool = False, bold: bool = False) -> str:
    style = (' text-anchor="end"' if end else "") + (' font-weight="bold"' if bold else "")
    return f'<text x="{x}" y="{y}" fill="{colour}"{style}>{escape(words)}</text>'


def main() -> None:
    """See the module."""
    Path(sys.argv[2]).write_text(svg(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
