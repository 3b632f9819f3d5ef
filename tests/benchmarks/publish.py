"""Writes the latest kept figures into the pages of `docs/`, between the comments that name their place.

python -m tests.benchmarks.publish

The table of goals and the arithmetic of capacity come from the latest `results/*-goals.json`, the tables and the picture of the
peers from the latest `results/*-peers.json`, when there is one.
"""

import json
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import capacity, report
from tests.benchmarks.peers.plot import svg
from tests.benchmarks.peers.table import markdown as peers_markdown
from tests.benchmarks.run import RESULTS

DOCS: Final = Path(__file__).parents[2] / "docs"
PICTURE: Final = "pictures/peers.svg"


def latest(kind: str) -> Any:
    """The data file of a kind that was kept last; None when there is none."""
    paths = sorted(RESULTS.glob(f"*-{kind}.json"))
    return json.loads(paths[-1].read_text()) if paths else None


def put(page: Path, place: str, text: str) -> None:
    """Replace what stands between `<!-- place -->` and `<!-- /place -->`. Raises ValueError: no such place."""
    first, last = f"<!-- {place} -->", f"<!-- /{place} -->"
    before, start, rest = page.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not start or not end:
        raise ValueError(f"{page.name} has no place {place}")
    page.write_text(f"{before}{first}\n\n{text.strip()}\n\n{last}{after}")


def main() -> None:
    """See the module."""
    if goals := latest("goals"):
        put(DOCS / "benchmarks.md", "goals", report.markdown(goals))
        put(DOCS / "capacity.md", "capacity", capacity.markdown(goals))
        print("goals and capacity are written")
    if peers := latest("peers"):
        (DOCS / PICTURE).write_text(svg(peers))
        shown = f"![Scenarist and its peers]({PICTURE})\n\n{peers_markdown(peers)}"
        put(DOCS / "benchmarks.md", "peers", shown)
        print("peers are written")


if __name__ == "__main__":
    main()
