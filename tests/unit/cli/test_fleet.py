"""A system of processes notices when a part of it has ended."""

import os
import signal
from pathlib import Path

import pytest

from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.fleet import Fleet, Running
from orchestrator.embedded import EmbeddedServer


def test_a_redis_that_died_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "redis") as server:
        running = Running("http://nobody", server.url, Fleet(tmp_path, {}), server)
        running.check()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)

        with pytest.raises(CommandError, match="Redis ended by itself") as told, running.watched():
            raise CommandError("Redis is not available (HTTP 503)", Exit.UNREACHABLE)

    assert told.value.code == Exit.UNREACHABLE
    assert str(server.log) in str(told.value)
    running.check()  # it was stopped since


def test_another_error_is_told_as_it_is(tmp_path: Path) -> None:
    running = Running("http://nobody", "redis://nobody", Fleet(tmp_path, {}))

    with pytest.raises(CommandError, match="refused"), running.watched():
        raise CommandError("refused")
