"""Attempts whose worker says that what ran them died: counted as lost workers, apart from the failures of the handler."""

from typing import Any

import pytest

from orchestrator.store.records import RetryPolicy
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

from .test_retries import Desk

DIED: dict[str, Any] = {"type": "worker_lost", "message": "its process died: SIGKILL", "lost": True}


async def lost(desk: Desk) -> str:
    """How often its workers were lost, as it stands in the task."""
    return str((await desk.link.execute("HGET", desk.at.task(desk.task_id), "lost") or b"").decode())


@pytest.mark.parametrize(("max_crashes", "most"), [(None, 3), (2, 2), (5, 5)])
async def test_a_task_whose_process_dies_again_and_again_fails(
    link: RedisLink, max_crashes: int | None, most: int
) -> None:
    desk = await Desk(link, RetryPolicy(max_attempts=1, max_crashes=max_crashes)).open()
    for count in range(1, most):
        assert await desk.fail(**DIED) == 0
        assert await lost(desk) == str(count)
        assert await desk.passed(0) == "AGAIN"

    assert await desk.fail(**DIED) is None
    task = await desk.store.task(desk.task_id)
    assert task and (task.status, task.error) == (Status.FAILED, DIED)
    attempts = await desk.store.attempts(desk.task_id)
    assert [(one.attempt, one.error) for one in attempts] == [(n, DIED) for n in range(1, most + 1)]


async def test_a_death_uses_up_no_attempt_of_the_handler(link: RedisLink) -> None:
    policy = RetryPolicy(max_attempts=2, delay_ms=1_000, jitter=False, never=["worker_lost"])
    desk = await Desk(link, policy).open()
    for expected in (0, 1_000, 0, None):
        error = DIED if expected == 0 else {}
        assert await desk.fail(**error) == expected
        if expected is not None:
            assert await desk.passed(expected) == "AGAIN"
    assert await lost(desk) == "2"


@pytest.mark.parametrize("error", [{"lost": "yes"}, {"lost": 1}, {"lost": True, "retry": False}])
async def test_only_the_word_itself_counts(link: RedisLink, error: dict[str, Any]) -> None:
    desk = await Desk(link, RetryPolicy(max_attempts=1)).open()
    assert await desk.fail(**error) is None
    assert await lost(desk) == ""
