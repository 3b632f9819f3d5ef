"""The header of every Lua script tells the truth about the script."""

import re
from pathlib import Path

import pytest

from workers_sdk.protocol import scripts
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.scripts import Script, Scripts

ROOT = Path(__file__).parents[2]
FOLDERS = (scripts.LUA, ROOT / "orchestrator/store/lua")
FILES = {path.stem: path for folder in FOLDERS for path in sorted(folder.glob("*.lua"))}
FRAGMENTS = {path.stem: path for folder in FOLDERS for path in sorted((folder / "lib").glob("*.lua"))}
ALL = Scripts(*FOLDERS).by_name

_BINDING = re.compile(r"^local ([a-z_, ]+) = (.*\b(?:KEYS|ARGV)\[\d+\].*)$")
_REST = re.compile(r"ARGV\[\d+\]|KEYS\b")
_WORD = r"[A-Z][A-Z_]+"

every_script = pytest.mark.parametrize("name", FILES)


def code_of(name: str) -> list[str]:
    """Lines of a script without its header and comments."""
    lines = FILES[name].read_text().splitlines()
    return [re.sub(r"(^|\s)--.*$", "", line) for line in lines]


def binding_of(name: str) -> tuple[dict[str, list[tuple[int, str]]], list[str]]:
    """What the block at the top binds: KEYS and ARGV -> (index, local name); and the lines after it."""
    lines = [line for line in code_of(name) if line.strip()]
    bound: dict[str, list[tuple[int, str]]] = {"KEYS": [], "ARGV": []}
    while lines and (found := _BINDING.match(lines[0])):
        names = found[1].split(", ")
        places = re.findall(r"(KEYS|ARGV)\[(\d+)\]", found[2])
        assert len(names) == len(places), f"{name}: one name per argument: {lines[0]}"
        for local, (kind, index) in zip(names, places, strict=True):
            bound[kind].append((int(index), local))
        lines.pop(0)
    return bound, lines


def without_calls(code: str) -> str:
    """Code without its `redis.call(...)`, whose quoted words are commands and not answers."""
    while (start := code.find("redis.call(")) >= 0:
        depth, end = 1, start + len("redis.call(")
        while depth:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        code = code[:start] + code[end:]
    return code


def test_no_two_scripts_have_one_name() -> None:
    assert len(ALL) == sum(len(list(folder.glob("*.lua"))) for folder in FOLDERS)


@every_script
def test_header_names_are_the_bound_names_in_order(name: str) -> None:
    script: Script = ALL[name]
    bound, _ = binding_of(name)
    assert bound["KEYS"] == list(enumerate(script.keys, 1))
    assert bound["ARGV"] == list(enumerate(script.args, 1))


@every_script
def test_arguments_are_not_reached_by_number_below_the_binding(name: str) -> None:
    _, rest = binding_of(name)
    assert not [line for line in rest if _REST.search(line)]
    if ALL[name].rest is None:
        assert not [line for line in rest if "ARGV" in line]


@every_script
def test_returned_words_are_the_documented_ones(name: str) -> None:
    header = FILES[name].read_text().splitlines()
    section: list[str] = []
    for line in header:
        if not line.startswith("--"):
            break
        if found := re.match(r"^-- ([A-Z]\w+)\s+(.*)$", line):
            current = found[1]
            section += [found[2]] if current == "Returns" else []
        elif line.startswith("--  ") and section and current == "Returns":
            section.append(line.removeprefix("--").strip())
    documented = {found[1] for line in section if (found := re.match(rf"^({_WORD})(?=,|\s\s|$)", line))}
    used = set(re.findall(rf"'({_WORD})'", without_calls("\n".join(code_of(name)))))
    assert section, "a script says what it returns"
    assert used == documented


@every_script
def test_uses_names_exactly_the_needed_fragments(name: str) -> None:
    uses = uses_of(name)
    text = "\n".join([*code_of(name)] + [FRAGMENTS[fragment].read_text() for fragment in uses])
    for fragment, path in FRAGMENTS.items():
        defined = re.findall(r"^local function (\w+)|^local (\w+) =", path.read_text(), re.MULTILINE)
        own = path.read_text() if fragment in uses else ""
        needed = [n for pair in defined for n in pair if n and called(n, text) > called(n, own)]
        assert bool(needed) == (fragment in uses), f"{fragment}: {needed}"


def called(word: str, text: str) -> int:
    """How often a name stands in code: not in comments or strings, nor as a member of a table."""
    text = re.sub(r"'[^']*'|(^|\s)--.*$", "", text, flags=re.MULTILINE)
    return len(re.findall(rf"(?<![.\w]){word}\b(?!\s*=[^=])", text))


def uses_of(name: str) -> list[str]:
    found = re.search(r"^-- Uses\s+(.*)$", FILES[name].read_text(), re.MULTILINE)
    return found[1].replace(",", " ").split() if found else []


@every_script
def test_forbidden_commands_do_not_occur(name: str) -> None:
    code = "\n".join(code_of(name))
    assert not re.search(r"redis\.pcall|pcall\(\s*redis", code), "an error of a command ends the script"
    assert not re.search(r"call\(\s*'(KEYS|SCAN|HGETALL|FLUSHALL|FLUSHDB|XTRIM)'", code)
    assert "math.random" not in code
    assert "'TIME'" not in code, "time is read by the fragment clock alone"


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_fragment_reads_no_arguments_and_says_what_it_is(fragment: str) -> None:
    text = FRAGMENTS[fragment].read_text()
    assert text.startswith(f"-- {fragment}: ")
    assert not re.search(r"\b(KEYS|ARGV|pcall)\b", text)


async def test_every_script_compiles_on_the_server(link: RedisLink) -> None:
    for script in ALL.values():
        assert (await link.execute("SCRIPT", "LOAD", script.source)).decode() == script.sha
