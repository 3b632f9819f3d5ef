"""A short run of `tests/chaos`; long ones with other seeds: `python -m tests.chaos`."""

import os
from pathlib import Path

from tests.chaos.story import Plan, started
from tests.chaos.system import System
from tests.support.servers import PROGRAMS

PLAN = Plan(seed=1, seconds=10, until_all_is_gone=False, calm_s=100)


async def test_ten_seconds_of_faults_break_nothing(tmp_path: Path) -> None:
    system = System(tmp_path, PROGRAMS[os.environ.get("TEST_SERVER", "")])
    async with started(system, PLAN) as run:
        wrong = await run.whole()
    assert [*wrong, *system.wrong] == []
