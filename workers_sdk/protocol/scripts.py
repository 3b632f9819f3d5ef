"""Loads Lua scripts, checks their headers and calls them by the names in the header.

A script is one file, `<name>.lua`, one transition. Its header is a contract that a test reads:

    -- finish: acknowledge finished entries and report them.
    --
    -- KEYS  1 events        stream  task-events
    -- ARGV  1 prefix        string  partition prefix
    --       2 ... items     per item: entry id, task id
    -- Returns  ...
    -- Flags    allow-oom
    -- Uses     clock, keys

`Uses` names fragments of a `lib/` folder; they are put before the script in that order, nothing else is.
The hash of the assembled text names the script in Redis, so old and new processes live together.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .link import Argument, Link, Refused

LUA: Final = Path(__file__).parent / "lua"
"""Scripts of the workers, and in `lib/` the fragments that all scripts share."""

_ENTRY = re.compile(r"^--\s+(?:(?:KEYS|ARGV)\s+)?(\d+)\s+(\.\.\.\s+)?([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Script:
    """One assembled script: `keys` and `args` are the names of its header, `rest` tells that more arguments follow."""

    name: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    rest: str | None
    source: str
    sha: str


class Scripts:
    """The scripts of some folders, called by name.

    Args:
        folders: each holds `*.lua`.
        fragments: text to use in place of a fragment of the same name (a test's virtual clock).
    """

    def __init__(self, *folders: Path, fragments: Mapping[str, str] | None = None) -> None:
        library = {path.stem: path.read_text() for path in sorted((LUA / "lib").glob("*.lua"))}
        library |= {
            path.stem: path.read_text()
            for folder in folders
            for path in sorted((folder / "lib").glob("*.lua"))
        }
        library |= fragments or {}
        self.by_name = {
            path.stem: assemble(path.stem, path.read_text(), library)
            for folder in folders
            for path in sorted(folder.glob("*.lua"))
        }

    async def call(
        self, link: Link, name: str, values: Mapping[str, Argument], rest: Iterable[Argument] = ()
    ) -> Any:
        """Run a script. `values` holds exactly the keys and fixed arguments of its header, by name.

        Raises:
            KeyError: a value is missing. TypeError: one is too many.
            Unavailable, Refused: see `Link.execute`.
        """
        script = self.by_name[name]
        if len(values) != len(script.keys) + len(script.args):
            raise TypeError(f"{name} takes {script.keys + script.args}, not {tuple(values)}")
        command: list[Argument] = ["EVALSHA", script.sha, len(script.keys)]
        command += [values[key] for key in script.keys]
        command += [values[arg] for arg in script.args]
        command += rest
        try:
            return await link.execute(*command)
        except Refused as error:
            if error.code != "NOSCRIPT":
                raise
        # The cache is empty after a restart or a failover. EVAL loads the script and runs it in one step.
        command[:2] = ["EVAL", script.source]
        return await link.execute(*command)


def assemble(name: str, text: str, library: Mapping[str, str]) -> Script:
    """Join a script with its fragments and read its header.

    Raises:
        ValueError: the header is malformed. KeyError: it names an unknown fragment.
    """
    header = _header(name, text)
    keys, _ = _names(name, header.get("KEYS", []))
    args, rest = _names(name, header.get("ARGV", []))
    flags = " ".join(header.get("Flags", []))
    uses = [word for line in header.get("Uses", []) for word in line.replace(",", " ").split()]
    shebang = f"#!lua flags={flags.replace(' ', '')}" if flags else "#!lua"
    source = "\n".join([shebang, *(library[fragment] for fragment in uses), text])
    return Script(name, keys, args, rest, source, hashlib.sha1(source.encode()).hexdigest())


def _header(name: str, text: str) -> dict[str, list[str]]:
    """Sections of the comment block at the top: section word -> its lines, the first without the word."""
    sections: dict[str, list[str]] = {}
    current = ""
    lines = text.splitlines()
    if not lines or not lines[0].startswith(f"-- {name}: "):
        raise ValueError(f"{name}.lua must start with '-- {name}: what it does'")
    for line in lines:
        if not line.startswith("--"):
            break
        if found := re.match(r"^-- (KEYS|ARGV|Returns|Flags|Uses|Repeat|Cost|Caller)\s+(.*)$", line):
            current = found[1]
            sections.setdefault(current, []).append(line if current in {"KEYS", "ARGV"} else found[2])
        elif current and line.startswith("--  "):
            sections[current].append(line if current in {"KEYS", "ARGV"} else line.removeprefix("--").strip())
    return sections


def _names(name: str, lines: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    names: list[str] = []
    rest = None
    for line in lines:
        if not (found := _ENTRY.match(line)):
            continue  # a second line of an explanation
        if rest or int(found[1]) != len(names) + 1:
            raise ValueError(f"{name}.lua: header entry out of order: {line}")
        if found[2]:
            rest = found[3]
        else:
            names.append(found[3])
    return tuple(names), rest
