"""Worker processes in a world that is full."""

import os
import signal
from pathlib import Path
from typing import IO

import pytest

from . import review_handlers
from .support import Desk, result_of
from .test_process import MODULE, ended, running


def full() -> IO[bytes]:
    """A log on a disk that has no room left."""
    return Path("/dev/full").open("wb")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is played by /dev/full, of Linux")
async def test_a_worker_whose_log_has_no_room_left_works_on(desk: Desk) -> None:
    await desk.put("Slow")
    with full() as log, running(f"{MODULE}:worker", desk, log) as process:
        assert result_of(await desk.end()) == "finished"
        process.send_signal(signal.SIGTERM)
        await ended(process)
    assert await desk.left() == (0, 0, 0)


async def test_whoever_has_a_seat_runs_however_few_processors_there_are(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of one machine with few, and not as many processes as this one has: on a large one they take long to begin.
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    count = 3
    worker = desk.worker(concurrency=count)
    worker.task("Meet", run="process")(review_handlers.meet)
    for _ in range(count):
        await desk.put("Meet", place=str(tmp_path), count=count)
    async with worker.running():
        events = await desk.ends(count)
    assert [result_of(event) for event in events] == [count] * count
