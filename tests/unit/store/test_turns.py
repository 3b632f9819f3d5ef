"""What a schedule does when it is its turn: on time, and after an outage."""

from dataclasses import replace

import pytest

from orchestrator.store.turns import MOST_COUNTED, MOST_MADE_UP, Misfire, Turn, turn_of
from orchestrator.store.when import When

HOUR = 3_600_000
HOURLY = When(cron="0 * * * *")
GRACE = 60_000


def turn(when: When, misfire: Misfire, *, next_ms: int, now_ms: int) -> Turn:
    return turn_of(when, misfire, GRACE, schedule_id="s", next_ms=next_ms, now_ms=now_ms)


@pytest.mark.parametrize("misfire", Misfire)
@pytest.mark.parametrize("late_ms", [0, 1, GRACE])
def test_on_time_every_policy_runs_the_fire(misfire: Misfire, late_ms: int) -> None:
    assert turn(HOURLY, misfire, next_ms=HOUR, now_ms=HOUR + late_ms) == Turn(HOUR, 2 * HOUR, 0)


def test_once_runs_the_latest_of_what_was_missed() -> None:
    assert turn(HOURLY, Misfire.ONCE, next_ms=HOUR, now_ms=5 * HOUR + HOUR // 2) == Turn(
        5 * HOUR, 6 * HOUR, 4
    )


def test_skip_runs_nothing_that_is_later_than_the_grace() -> None:
    assert turn(HOURLY, Misfire.SKIP, next_ms=HOUR, now_ms=5 * HOUR + HOUR // 2) == Turn(None, 6 * HOUR, 5)
    assert turn(HOURLY, Misfire.SKIP, next_ms=HOUR, now_ms=5 * HOUR + GRACE) == Turn(5 * HOUR, 6 * HOUR, 4)
    assert turn(HOURLY, Misfire.SKIP, next_ms=HOUR, now_ms=HOUR + GRACE + 1) == Turn(None, 2 * HOUR, 1)


def test_all_runs_one_after_the_other() -> None:
    assert turn(HOURLY, Misfire.ALL, next_ms=HOUR, now_ms=5 * HOUR + 1) == Turn(HOUR, 2 * HOUR, 0)
    assert turn(HOURLY, Misfire.ALL, next_ms=5 * HOUR, now_ms=5 * HOUR + 1) == Turn(5 * HOUR, 6 * HOUR, 0)


def test_all_makes_up_for_no_more_than_its_bound() -> None:
    now = 500 * HOUR
    first = (500 - MOST_MADE_UP + 1) * HOUR
    assert turn(HOURLY, Misfire.ALL, next_ms=HOUR, now_ms=now) == Turn(
        first, first + HOUR, 500 - MOST_MADE_UP
    )


def test_missed_fires_are_counted_up_to_a_bound() -> None:
    now = 10_000 * HOUR
    assert turn(HOURLY, Misfire.ONCE, next_ms=HOUR, now_ms=now) == Turn(now, now + HOUR, MOST_COUNTED)


def test_the_last_fire_has_none_after_it() -> None:
    once = When(once_ms=HOUR)
    assert turn(once, Misfire.ONCE, next_ms=HOUR, now_ms=9 * HOUR) == Turn(HOUR, None, 0)
    assert turn(once, Misfire.SKIP, next_ms=HOUR, now_ms=9 * HOUR) == Turn(None, None, 1)
    bounded = replace(HOURLY, end_ms=3 * HOUR)
    assert turn(bounded, Misfire.ONCE, next_ms=HOUR, now_ms=9 * HOUR) == Turn(3 * HOUR, None, 2)


def test_jitter_belongs_to_the_time_of_a_fire() -> None:
    """A fire whose hour has struck, but not its jitter, is not due yet."""
    when = replace(HOURLY, jitter_ms=HOUR // 2)
    jitter = when.jitter_of("s", 2 * HOUR)
    assert jitter > 0
    assert turn(when, Misfire.ONCE, next_ms=HOUR, now_ms=2 * HOUR + jitter - 1).fire_ms == HOUR
    assert turn(when, Misfire.ONCE, next_ms=HOUR, now_ms=2 * HOUR + jitter) == Turn(2 * HOUR, 3 * HOUR, 1)
    assert turn(when, Misfire.SKIP, next_ms=2 * HOUR, now_ms=2 * HOUR + jitter + GRACE).fire_ms == 2 * HOUR
