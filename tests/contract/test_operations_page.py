"""docs/operations.md lists every reason and every kind of fault that the code knows, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
STORE = ROOT / "orchestrator/store"
HARMS = re.compile(r"@finds\(([^)]*)\)")


def listed(heading: str) -> set[str]:
    """Words in code in the first column of the table below a heading, and in the line after it."""
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = "\n".join(line.split("|")[1] for line in part.splitlines() if line.startswith("| `"))
    rest = "\n".join(line for line in part.splitlines() if line.startswith("and of scenarios"))
    return set(re.findall(r"`([a-z_]+)`", rows + rest))


def named(pattern: str, *files: str) -> set[str]:
    """What a pattern finds in the code, whatever its line breaks."""
    text = "".join(path.read_text() for name in files for path in sorted(STORE.glob(name)))
    return set(re.findall(pattern, re.sub(r"\s+", " ", text)))


def test_every_reason_is_listed() -> None:
    codes = named(r'Reason\( ?"([a-z_]+)"', "why*.py") | {"failed", "skipped", "cancelled"}
    codes |= named(r'_rate_reason\( ?case, "([a-z_]+)"', "why_flow.py")
    assert listed("Why") == codes


def test_every_kind_of_fault_is_listed_and_has_a_test() -> None:
    kinds = named(
        r'(?:_fault\( ?[\w.]+,|fault\( ?task,|Fault\(|_plain\(|_of_count\() ?"([a-z_]+)"', "fsck*.py"
    )
    kinds |= named(r'"([a-z]+_(?:left|unlisted|unwatched|wrong))"', "fsck_sets.py") | {"unreadable"}
    harms = "".join(path.read_text() for path in (ROOT / "tests/support").glob("harms*.py"))
    tested = {kind for words in HARMS.findall(harms) for kind in re.findall(r'"([a-z_]+)"', words)}

    assert listed("Check and repair") == kinds
    assert kinds - tested == {"unreadable"}
