"""Calendar windows tile time in every zone, whatever its clocks do."""

from __future__ import annotations

from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.domain.recurrence import EVERY, Window, window_at, windows_between
from tracker.errors import InvalidValue
from tracker.units import MAX_INSTANT, MICROS, parse_instant, rfc3339, to_datetime

ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/New_York",
    "America/St_Johns",  # set back at 00:01 until 2011
    "America/Sao_Paulo",  # changed at midnight until 2019
    "America/Toronto",
    "Africa/Casablanca",
    "Africa/Monrovia",  # -00:44:30 until 1972
    "Australia/Lord_Howe",  # half an hour of summer time
    "Europe/Dublin",
    "Asia/Beirut",
    "Pacific/Apia",  # no 2011-12-30
    "Pacific/Kiritimati",  # no 1994-12-31 or 1995-01-01
]
HOUR = 3600 * MICROS
DAY = 24 * HOUR

zones = st.sampled_from(ZONES)
recurrences = st.sampled_from(EVERY)
instants = st.integers(0, MAX_INSTANT)
recent = st.integers(0, parse_instant("2040-01-01T00:00:00Z", "test"))


def at(text: str) -> int:
    return parse_instant(text, "test")


def shown(window: Window) -> tuple[str, str | None, str | None]:
    return window.label, rfc3339(window.starts_at), rfc3339(window.ends_at)


def changes_near(zone: str, instant: int) -> list[int]:
    """Find the hour boundaries within a year at which the zone's offset changes."""
    rules = ZoneInfo(zone)
    hours = range(instant - instant % HOUR, instant + 370 * DAY, HOUR)
    offsets = [to_datetime(hour).astimezone(rules).utcoffset() for hour in hours]
    return [hours[i + 1] for i, (one, two) in enumerate(pairwise(offsets)) if one != two]


# Laws


@given(recurrences, zones, instants | recent)
@example("daily", "Pacific/Apia", at("2011-12-30T09:59:59.999999Z"))
@example("daily", "Pacific/Apia", at("2011-12-30T10:00:00Z"))
@example("daily", "America/St_Johns", at("2010-11-07T02:31:00Z"))
def test_every_instant_lies_in_its_window_and_its_neighbours_touch(
    every: str, zone: str, instant: int
) -> None:
    window = window_at(every, zone, instant)
    assert window.starts_at <= instant < window.ends_at
    assert window_at(every, zone, window.starts_at) == window
    assert window_at(every, zone, window.ends_at - 1) == window
    before = window_at(every, zone, window.starts_at - 1)
    after = window_at(every, zone, window.ends_at)
    assert before.ends_at == window.starts_at
    assert after.starts_at == window.ends_at
    assert len({before.label, window.label, after.label}) == 3


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("year", ["1971", "1987", "1994", "2011", "2018", "2024", "2030"])
def test_windows_tile_time_across_every_change_of_a_year(zone: str, year: str) -> None:
    for change in changes_near(zone, at(f"{year}-11-01T00:00:00Z") - 365 * DAY):
        for every in EVERY:
            windows = list(windows_between(every, zone, change - 3 * DAY, change + 3 * DAY))
            assert windows[0].starts_at <= change - 3 * DAY < windows[0].ends_at
            assert windows[-1].starts_at < change + 3 * DAY <= windows[-1].ends_at
            assert all(one.ends_at == two.starts_at for one, two in pairwise(windows))
            assert all(window.starts_at < window.ends_at for window in windows)
            labels = [window.label for window in windows]
            assert len(set(labels)) == len(labels)


@given(recurrences, zones, recent, st.integers(-DAY, 40 * DAY))
def test_the_windows_between_are_exactly_those_of_the_instants_between(
    every: str, zone: str, since: int, length: int
) -> None:
    windows = list(windows_between(every, zone, since, since + length))
    if length <= 0:
        assert windows == []
        return
    assert windows[0] == window_at(every, zone, since)
    assert windows[-1] == window_at(every, zone, since + length - 1)
    assert all(one.ends_at == two.starts_at for one, two in pairwise(windows))


@given(recurrences, zones, recent, st.integers(1, 20 * DAY), st.integers(1, 20 * DAY))
def test_two_halves_of_a_period_have_the_windows_of_the_whole(
    every: str, zone: str, since: int, first: int, second: int
) -> None:
    middle, until = since + first, since + first + second
    halves = [
        *windows_between(every, zone, since, middle),
        *windows_between(every, zone, middle, until),
    ]
    assert list(dict.fromkeys(halves)) == list(windows_between(every, zone, since, until))


@given(zones, instants | recent)
def test_an_hour_window_shows_one_hour_under_one_offset(zone: str, instant: int) -> None:
    window = window_at("hourly", zone, instant)
    rules = ZoneInfo(zone)
    assert 0 < window.ends_at - window.starts_at <= HOUR
    for moment in (window.starts_at, instant, window.ends_at - 1):
        local = to_datetime(moment).astimezone(rules)
        assert local.strftime("%Y-%m-%dT%H%z") == window.label


@given(recurrences, zones)
def test_the_last_instant_has_a_window(every: str, zone: str) -> None:
    window = window_at(every, zone, MAX_INSTANT)
    assert window.starts_at <= MAX_INSTANT < window.ends_at
    assert list(windows_between(every, zone, MAX_INSTANT, 2**63 - 1)) == [window]


# Examples


@pytest.mark.parametrize(
    ("every", "label", "starts", "ends"),
    [
        ("hourly", "2024-07-15T13+0800", "2024-07-15T05:00:00Z", "2024-07-15T06:00:00Z"),
        ("daily", "2024-07-15", "2024-07-14T16:00:00Z", "2024-07-15T16:00:00Z"),
        ("weekly", "2024-W29", "2024-07-14T16:00:00Z", "2024-07-21T16:00:00Z"),
        ("monthly", "2024-07", "2024-06-30T16:00:00Z", "2024-07-31T16:00:00Z"),
    ],
)
def test_windows_follow_the_calendar_of_the_zone(
    every: str, label: str, starts: str, ends: str
) -> None:
    window = window_at(every, "Asia/Shanghai", at("2024-07-15T13:14:15+08:00"))
    assert shown(window) == (label, starts, ends)


@pytest.mark.parametrize(
    ("every", "last", "first", "labels"),
    [
        ("daily", "2024-07-15T23:59:59.999+08:00", "2024-07-16", ("2024-07-15", "2024-07-16")),
        ("daily", "2024-02-28T23:59:59.999+08:00", "2024-02-29", ("2024-02-28", "2024-02-29")),
        ("daily", "2024-02-29T23:59:59.999+08:00", "2024-03-01", ("2024-02-29", "2024-03-01")),
        ("daily", "2023-02-28T23:59:59.999+08:00", "2023-03-01", ("2023-02-28", "2023-03-01")),
        ("monthly", "2023-02-28T23:59:59.999+08:00", "2023-03-01", ("2023-02", "2023-03")),
        ("monthly", "2024-02-29T23:59:59.999+08:00", "2024-03-01", ("2024-02", "2024-03")),
        ("monthly", "2024-04-30T23:59:59.999+08:00", "2024-05-01", ("2024-04", "2024-05")),
        ("monthly", "2024-12-31T23:59:59.999+08:00", "2025-01-01", ("2024-12", "2025-01")),
        ("weekly", "2024-12-29T23:59:59.999+08:00", "2024-12-30", ("2024-W52", "2025-W01")),
        ("weekly", "2021-01-03T23:59:59.999+08:00", "2021-01-04", ("2020-W53", "2021-W01")),
    ],
)
def test_each_side_of_midnight_is_in_exactly_one_window(
    every: str, last: str, first: str, labels: tuple[str, str]
) -> None:
    before = window_at(every, "Asia/Shanghai", at(last))
    after = window_at(every, "Asia/Shanghai", at(f"{first}T00:00:00.000+08:00"))
    assert (before.label, after.label) == labels
    assert before.ends_at == after.starts_at == at(f"{first}T00:00:00+08:00")


def test_a_day_lasts_as_long_as_its_clocks_say() -> None:
    spring = window_at("daily", "America/New_York", at("2024-03-10T12:00:00Z"))
    autumn = window_at("daily", "America/New_York", at("2024-11-03T12:00:00Z"))
    assert spring.ends_at - spring.starts_at == 23 * HOUR
    assert autumn.ends_at - autumn.starts_at == 25 * HOUR


def test_the_hour_shown_twice_is_two_windows() -> None:
    autumn = windows_between(
        "hourly", "America/New_York", at("2024-11-03T04:00:00Z"), at("2024-11-03T08:00:00Z")
    )
    assert [window.label for window in autumn] == [
        "2024-11-03T00-0400",
        "2024-11-03T01-0400",
        "2024-11-03T01-0500",
        "2024-11-03T02-0500",
    ]


def test_the_hour_never_shown_is_no_window() -> None:
    spring = windows_between(
        "hourly", "America/New_York", at("2024-03-10T06:00:00Z"), at("2024-03-10T08:00:00Z")
    )
    assert [window.label for window in spring] == ["2024-03-10T01-0500", "2024-03-10T03-0400"]


def test_half_an_hour_of_summer_time_splits_the_hour() -> None:
    autumn = windows_between(
        "hourly", "Australia/Lord_Howe", at("2024-04-06T14:00:00Z"), at("2024-04-06T16:00:00Z")
    )
    assert [shown(window) for window in autumn] == [
        ("2024-04-07T01+1100", "2024-04-06T14:00:00Z", "2024-04-06T15:00:00Z"),
        ("2024-04-07T01+1030", "2024-04-06T15:00:00Z", "2024-04-06T15:30:00Z"),
        ("2024-04-07T02+1030", "2024-04-06T15:30:00Z", "2024-04-06T16:30:00Z"),
    ]


def test_an_hour_in_india_begins_at_half_past_in_utc() -> None:
    window = window_at("hourly", "Asia/Kolkata", at("2024-07-15T00:29:59Z"))
    assert shown(window) == ("2024-07-15T05+0530", "2024-07-14T23:30:00Z", "2024-07-15T00:30:00Z")


def test_a_day_the_zone_skips_is_no_window() -> None:
    days = windows_between(
        "daily", "Pacific/Apia", at("2011-12-29T12:00:00Z"), at("2012-01-01T00:00:00Z")
    )
    assert [shown(day) for day in days] == [
        ("2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
        ("2011-12-31", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
        ("2012-01-01", "2011-12-31T10:00:00Z", "2012-01-01T10:00:00Z"),
    ]


def test_a_day_without_midnight_begins_when_the_clock_is_set_forward() -> None:
    window = window_at("daily", "America/Sao_Paulo", at("2018-11-04T12:00:00Z"))
    assert shown(window) == ("2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z")


def test_a_day_that_shows_midnight_twice_begins_at_the_first() -> None:
    first_midnight, set_back = at("2010-11-07T02:30:00Z"), at("2010-11-07T02:31:00Z")
    for instant in (first_midnight, set_back, set_back + 30 * 60 * MICROS):
        window = window_at("daily", "America/St_Johns", instant)
        assert (window.label, window.starts_at) == ("2010-11-07", first_midnight)
    assert window_at("daily", "America/St_Johns", first_midnight - 1).label == "2010-11-06"


# Refusals


@pytest.mark.parametrize("every", ["yearly", "Daily", "", "daily ", "day", None])
def test_an_unknown_recurrence_is_refused_with_the_known_ones(every: str) -> None:
    with pytest.raises(InvalidValue, match="hourly, daily, weekly, monthly") as caught:
        window_at(every, "UTC", 0)
    assert caught.value.field == "every"


@pytest.mark.parametrize("every", EVERY)
def test_an_unknown_zone_is_refused(every: str) -> None:
    with pytest.raises(InvalidValue, match="Mars/Olympus") as caught:
        window_at(every, "Mars/Olympus", 0)
    assert caught.value.field == "timezone"
