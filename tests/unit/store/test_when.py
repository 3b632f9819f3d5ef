"""The calendar of schedules: cron in time zones, the days when clocks are moved, intervals, single moments, jitter."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store.when import BadWhen, When, moment_of

HOUR_MS = 3_600_000
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "UTC",
)
CRONS = (
    "30 2 * * *", "0,30 2 * * *", "0 * * * *", "*/7 * * * *", "15 1-3 * * *", "59 1 * * *", "0 */2 * * *",
    "* 2 * * *", "5 2,3 * * 0", "0-59/13 2 * * *", "0 3 * * *", "30 0 L * *",
)  # fmt: skip


def ms(text: str) -> int:
    return moment_of(text, "UTC", "")


def local(when: When, since: str, count: int) -> list[str]:
    """The next fires as the clocks of the zone show them."""
    zone = ZoneInfo(when.timezone)
    fires = islice(when.fires(ms(since)), count)
    return [datetime.fromtimestamp(fire / 1000, zone).strftime("%m-%d %H:%M %z") for fire in fires]


def test_a_cron_expression_is_read_in_its_time_zone() -> None:
    when = When(cron="0 9 * * 1-5", timezone="Europe/Berlin")
    assert local(when, "2026-01-01T00:00Z", 3) == [
        "01-01 09:00 +0100",
        "01-02 09:00 +0100",
        "01-05 09:00 +0100",
    ]
    assert list(islice(when.fires(ms("2026-06-30T07:00Z")), 1)) == [ms("2026-07-01T07:00Z")]


def test_a_fire_in_the_hour_that_is_left_out_comes_at_its_end() -> None:
    """Berlin, 29 March 2026: 02:00 is followed by 03:00."""
    when = When(cron="30 2 * * *", timezone="Europe/Berlin")
    assert local(when, "2026-03-28T00:00Z", 3) == [
        "03-28 02:30 +0100",
        "03-29 03:00 +0200",
        "03-30 02:30 +0200",
    ]
    twice = When(cron="0,30 2 * * *", timezone="Europe/Berlin")
    assert local(twice, "2026-03-29T00:00Z", 2) == ["03-29 03:00 +0200", "03-30 02:00 +0200"]


def test_a_fixed_hour_that_comes_twice_fires_once() -> None:
    """Berlin, 25 October 2026: 03:00 summer time is followed by 02:00 winter time."""
    when = When(cron="30 2 * * *", timezone="Europe/Berlin")
    assert local(when, "2026-10-24T12:00Z", 2) == ["10-25 02:30 +0200", "10-26 02:30 +0100"]
    # Asked within the hour that comes again.
    assert local(when, "2026-10-25T01:10Z", 1) == ["10-26 02:30 +0100"]


def test_every_hour_is_every_hour_when_clocks_are_moved() -> None:
    when = When(cron="0 * * * *", timezone="Europe/Berlin")
    for day in ("2026-03-28T12:00Z", "2026-10-24T12:00Z"):
        fires = list(islice(when.fires(ms(day)), 30))
        assert {b - a for a, b in pairwise(fires)} == {HOUR_MS}


@settings(max_examples=200, deadline=None)
@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    more=st.integers(1, 8 * 60),
)
def test_the_next_fire_does_not_depend_on_when_it_is_asked_for(
    cron: str, zone: str, start: datetime, more: int
) -> None:
    when = When(cron=cron, timezone=zone)
    since = round(start.replace(tzinfo=UTC).timestamp()) * 1000
    later = since + more * 60_000
    fires = list(takewhile(lambda fire: fire <= later, when.fires(since)))
    assert fires == sorted(set(fires)) and since < min(fires, default=later)
    following = when.after(fires[-1] if fires else since)
    assert following and when.after(later) == following > later


@settings(max_examples=200, deadline=None)
@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(ZONES),
    since=st.sampled_from(
        (
            "2026-03-28T20:00Z",
            "2026-03-08T03:00Z",
            "2026-10-24T20:00Z",
            "2026-11-01T00:00Z",
            "2026-04-04T10:00Z",
        )
    ),
    minutes=st.integers(0, 3_000),
    count=st.integers(1, 100),
)
def test_the_last_fires_are_those_that_would_have_been_counted(
    cron: str, zone: str, since: str, minutes: int, count: int
) -> None:
    when, start = When(cron=cron, timezone=zone), ms(since)
    until = start + minutes * 60_000
    counted = list(takewhile(lambda fire: fire <= until, when.fires(start - 1)))
    assert when.last(start, until, count) == counted[-count:]


def test_the_last_fires_of_a_long_time_are_found_without_counting_all() -> None:
    when = When(cron="* * * * *")
    until = ms("2026-06-01T00:00Z")
    assert when.last(ms("1990-01-01T00:00Z"), until, 3) == [until - 120_000, until - 60_000, until]


def test_intervals_count_from_their_anchor_and_ignore_clocks() -> None:
    when = When(every_ms=90_000, anchor_ms=1_000_000)
    assert list(islice(when.fires(1_000_000), 3)) == [1_090_000, 1_180_000, 1_270_000]
    assert when.after(1_089_999) == 1_090_000
    assert when.last(0, 1_300_000, 2) == [1_180_000, 1_270_000]
    bounded = When(every_ms=90_000, anchor_ms=1_000_000, start_ms=1_000_000, end_ms=1_180_000)
    assert list(bounded.fires(0)) == [1_000_000, 1_090_000, 1_180_000]


def test_bounds_cut_off_what_lies_outside() -> None:
    start, end = ms("2026-01-05T09:00Z"), ms("2026-01-07T09:00Z")
    when = When(cron="0 9 * * *", start_ms=start, end_ms=end)
    assert [(fire - start) // (24 * HOUR_MS) for fire in when.fires(0)] == [0, 1, 2]


def test_one_moment_fires_once() -> None:
    when = When(once_ms=5_000)
    assert list(when.fires(0)) == [5_000]
    assert when.after(5_000) is None


def test_jitter_is_the_same_for_everybody_and_spreads_over_its_range() -> None:
    when = When(cron="0 * * * *", jitter_ms=60_000)
    found = [when.jitter_of(f"s{n}", 1_000) for n in range(300)]
    assert found == [when.jitter_of(f"s{n}", 1_000) for n in range(300)]
    assert min(found) >= 0 and max(found) <= 60_000
    assert min(found) < 3_000 and max(found) > 57_000
    assert When(cron="0 * * * *").jitter_of("s", 1_000) == 0


@pytest.mark.parametrize(
    ("when", "field"),
    [
        (When(), ""),
        (When(cron="* * * * *", every_ms=1_000), ""),
        (When(cron="* * * *"), "cron"),
        (When(cron="0 * * * * *"), "cron"),
        (When(cron="61 * * * *"), "cron"),
        (When(cron="0 0 31 2 *"), "cron"),
        (When(cron="@daily"), "cron"),
        (When(cron="x" * 5_000), "cron"),
        (When(cron="* * * * *", timezone="Mars/Base"), "timezone"),
        (When(cron="* * * * *", timezone="../../etc/passwd"), "timezone"),
        (When(cron="* * * * *", timezone="localtime"), "timezone"),
        (When(cron="* * * * *", timezone=""), "timezone"),
        (When(every_ms=999), "every_s"),
        (When(every_ms=1_000, start_ms=2, end_ms=1), "end_at"),
    ],
)
def test_what_is_no_time_is_refused_with_the_field_that_is_wrong(when: When, field: str) -> None:
    with pytest.raises(BadWhen) as caught:
        when.check()
    assert caught.value.field == field


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-13-01", "1969-01-01T00:00Z", "9999-12-31T23:59Z", "24:00"]
)
def test_a_moment_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadWhen):
        moment_of(text, "UTC", "run_at")


def test_a_moment_without_offset_is_one_of_the_clock_of_the_zone() -> None:
    assert moment_of("2026-07-01T09:00", "Europe/Berlin", "") == ms("2026-07-01T07:00Z")
    assert moment_of("2026-07-01T09:00+05:45", "Europe/Berlin", "") == ms("2026-07-01T03:15Z")
    assert datetime.fromtimestamp(ms("2026-07-01T07:00:00.250Z") / 1000, UTC).microsecond == 250_000
    assert timedelta(milliseconds=ms("1970-01-02T00:00Z")) == timedelta(days=1)
