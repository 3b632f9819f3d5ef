"""Processes that die under their handler: told at once, whatever they leave behind, and the pool goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.wait import wait_until

from . import child_handlers, deadly_handlers
from .test_processes import begin, context, error, is_gone, pool, result


@pytest.mark.parametrize(
    ("handler", "how"),
    [
        (deadly_handlers.leave, "exit code 3"),
        (deadly_handlers.kill, "SIGKILL"),
        (deadly_handlers.crash, "SIGSEGV"),
        (deadly_handlers.write_nonsense, "UnpicklingError"),
        (deadly_handlers.send_nonsense, "TypeError"),
        (deadly_handlers.close_all, "exit code 1"),
    ],
)
async def test_a_death_is_an_outcome_and_the_next_handler_gets_a_new_process(
    handler: Callable[..., Any], how: str, tmp_path: Path
) -> None:
    async with pool(1) as processes:
        outcome = await begin(processes, handler, context(tmp_path))
        assert isinstance(result(await begin(processes, child_handlers.pid, context(tmp_path))), int)
    said = error(outcome)
    assert (said["type"], said["lost"]) == ("worker_lost", True)
    assert said["message"].startswith("its process died: ")
    assert how in said["message"]


@pytest.mark.parametrize(
    "handler", [deadly_handlers.die_with_fork_left, deadly_handlers.die_with_program_left]
)
async def test_what_a_dead_process_left_neither_hides_its_death_nor_outlives_it(
    handler: Callable[..., Any], tmp_path: Path
) -> None:
    async with pool(1) as processes:
        said = error(await begin(processes, handler, context(tmp_path)))
        left = int((tmp_path / "left").read_text())
        await wait_until(lambda: is_gone(left), what="the end of what was left")
    assert "exit code" in said["message"]


async def test_only_the_process_that_was_called_answers(tmp_path: Path) -> None:
    async with pool(1) as processes:
        first = result(await begin(processes, deadly_handlers.return_twice, context(tmp_path)))
        again = result(await begin(processes, child_handlers.pid, context(tmp_path)))
    assert first > 0
    assert again not in (0, first)
