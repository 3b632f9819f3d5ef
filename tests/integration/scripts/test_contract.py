"""The contract of every script found in the folders, whatever it does (reliability layer L1)."""

import re
from pathlib import Path

import pytest

from orchestrator.store.store import SCRIPTS
from tests.integration.scripts.cases import CASES, Case
from tests.support.dump import dump
from tests.support.scripts import TRACE, failing_at, traced, virtual_scripts
from workers_sdk.protocol.link import Link, Refused
from workers_sdk.protocol.scripts import LUA, Script, Scripts

NAMES = sorted(CASES)
"""Of cases: the name of a script, and after a colon the way through it where there are several."""
READS = {
    "EXISTS", "GET", "HEXISTS", "HGET", "HGETALL", "HLEN", "HMGET", "HSTRLEN", "LINDEX", "LLEN", "SCARD", "SISMEMBER", "SMEMBERS", "TIME", "XINFO", "XLEN", "XPENDING",
    "XRANGE", "ZCARD", "ZRANGE", "ZRANGEBYSCORE", "ZSCORE",
}  # fmt: skip
LISTS = ("attempts:", "audit:", "fires:", "history:")
KEYLESS = {"TIME"}
WITH_GROUP_WORD = {"XINFO", "XGROUP"}  # their key is the third word
GARBAGE = ["", "x", "-1", "1e999", b"\xff\xfe", "9" * 400]


def test_every_script_has_a_case() -> None:
    files = {path.stem for folder in (LUA, SCRIPTS) for path in Path(folder).glob("*.lua")}
    assert {name.partition(":")[0] for name in NAMES} == files


def script_of(name: str) -> Script:
    """The script of a case, under a virtual clock."""
    return virtual_scripts().by_name[name.partition(":")[0]]


async def run(link: Link, script: Script, given: Case) -> object:
    scripts = Scripts()
    scripts.by_name[script.name] = script
    return await scripts.call(link, script.name, given.values, given.rest)


async def trace_of(link: Link, name: str) -> list[tuple[str, str]]:
    """Commands and keys of the calls that the script makes in its case, in order."""
    given = await CASES[name](link)
    await run(link, traced(script_of(name)), given)
    flat = [part.decode() for part in await link.execute("LRANGE", TRACE, 0, -1)]
    await link.execute("FLUSHALL")
    return list(zip(flat[::2], flat[1::2], strict=True))


@pytest.mark.parametrize("name", NAMES)
async def test_twice_equals_once(link: Link, name: str) -> None:
    given = await CASES[name](link)
    script = script_of(name)
    await run(link, script, given)
    once = await dump(link)

    await run(link, script, given)

    assert await dump(link) == once


READERS = {"due", "renew", "agree", "read_schedule", "standing", "scenario_standing", "inbox"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in READERS])
async def test_the_case_of_a_script_changes_something(link: Link, name: str) -> None:
    """Else the other tests of this module would prove nothing."""
    given = await CASES[name](link)
    before = await dump(link)

    await run(link, script_of(name), given)

    assert await dump(link) != before


@pytest.mark.parametrize("name", NAMES)
async def test_all_reads_come_before_the_first_write(link: Link, name: str) -> None:
    commands = [command for command, _ in await trace_of(link, name)]
    first_write = next((i for i, command in enumerate(commands) if command not in READS), len(commands))

    assert [command for command in commands[first_write:] if command in READS] == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_fault_at_any_read_leaves_the_state_unchanged(link: Link, name: str) -> None:
    commands = [command for command, _ in await trace_of(link, name)]
    first_write = next((i for i, command in enumerate(commands) if command not in READS), len(commands) - 1)
    for position in range(1, first_write + 2):
        await link.execute("FLUSHALL")
        given = await CASES[name](link)
        before = await dump(link)

        with pytest.raises(Refused, match="injected fault"):
            await run(link, failing_at(script_of(name), position), given)

        assert await dump(link) == before, f"at call {position}"


@pytest.mark.parametrize("name", NAMES)
async def test_a_key_of_the_wrong_type_at_any_call_leaves_the_state_unchanged(link: Link, name: str) -> None:
    """The one fault that Redis itself raises in the middle of a script: there is no rollback."""
    keys = {key for command, key in await trace_of(link, name) if command not in KEYLESS | WITH_GROUP_WORD}
    assert keys
    for key in sorted(keys):
        await link.execute("FLUSHALL")
        given = await CASES[name](link)
        await link.execute("DEL", key)
        await link.execute("SADD" if key.startswith(LISTS) else "RPUSH", key, "of another type")
        before = await dump(link)

        with pytest.raises(Refused, match="WRONGTYPE"):
            await run(link, script_of(name), given)

        assert await dump(link) == before, key


def integers(script: Script) -> list[str]:
    """Arguments that the header calls integer."""
    return re.findall(r"^--\s+(?:ARGV\s+)?\d+ ([a-z_]+)\s+integer", script.source, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
async def test_what_should_be_a_number_and_is_not_is_refused(link: Link, name: str) -> None:
    script = script_of(name)
    for argument in integers(script):
        await link.execute("FLUSHALL")
        given = await CASES[name](link)
        before = await dump(link)

        with pytest.raises(Refused):
            await run(link, script, Case({**given.values, argument: "x"}, given.rest))

        assert await dump(link) == before, argument


@pytest.mark.parametrize("name", [name for name in NAMES if script_of(name).rest])
async def test_a_truncated_list_is_refused(link: Link, name: str) -> None:
    script = script_of(name)
    given = await CASES[name](link)
    before = await dump(link)

    with pytest.raises(Refused):
        await run(link, script, Case(given.values, given.rest[:-1]))

    assert await dump(link) == before


@pytest.mark.parametrize("name", NAMES)
async def test_garbage_is_refused_whole_or_answered(link: Link, name: str) -> None:
    """A call never ends half done: when it raises, nothing has changed."""
    script = script_of(name)
    size = len((await CASES[name](link)).rest)
    places: list[str | int] = [*script.args, *range(size)]
    for place in places:
        for garbage in GARBAGE:
            await link.execute("FLUSHALL")
            given = await CASES[name](link)
            if isinstance(place, int):
                given.rest[place] = garbage
            else:
                given.values[place] = garbage
            before = await dump(link)
            try:
                await run(link, script, given)
            except Refused:
                assert await dump(link) == before, (place, garbage)
