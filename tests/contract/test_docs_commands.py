"""Commands that README and docs name exist, with the options that they are shown with."""

import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.cli.app import build

ROOT = Path(__file__).parents[2]
PAGES = [page for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def code_of(page: Path) -> Iterator[str]:
    """Lines of code blocks, and inline code."""
    text = page.read_text()
    for block in re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def commands(word: str) -> list[tuple[str, str, str]]:
    """(page, second word, rest of the line) of every line of code that calls `word`."""
    call = re.compile(rf"(?:^|[\s$/;&|(])(?:\.venv/bin/)?{word} ([a-z][a-z-]*)\b(?!\.\w)([^|;&#]*)")
    return [
        (page.name, found[1], found[2])
        for page in PAGES
        for line in code_of(page)
        for found in call.finditer(line)
    ]


def test_every_make_target_that_is_named_exists() -> None:
    assert not [(page, target) for page, target, _ in commands("make") if target not in TARGETS]


def test_every_scenarist_command_that_is_named_exists_with_its_options() -> None:
    app = build()
    unknown = []
    for page, command, rest in commands("scenarist"):
        if command not in set(app):
            unknown.append(f"{page}: scenarist {command}")
            continue
        called = app[command]
        second = rest.split()[0] if rest.split() else ""
        if second and second in set(called):
            called = called[second]
        elif called.default_command is None:
            unknown.append(f"{page}: scenarist {command} {second}")
            continue
        known = {name for argument in called.assemble_argument_collection() for name in argument.names}
        used = re.findall(r"\s(--[a-z-]+)", rest)
        unknown += [
            f"{page}: scenarist {command} {option}" for option in used if option not in known | {"--help"}
        ]
    assert not unknown


def test_every_make_target_has_a_help_text() -> None:
    text = (ROOT / "Makefile").read_text()
    assert set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE)) == TARGETS
