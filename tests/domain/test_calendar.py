"""Local days and hours worked out with offsets are those of the calendar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import utc
from tracker.domain import calendar
from tracker.domain.calendar import DAY_S, HOUR_S
from tracker.domain.recurrence import window_at
from tracker.units import MICROS, to_micros

ZONES = (
    "UTC",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # set forward over midnight until 2019
    "America/Goose_Bay",  # set back over midnight, at 00:01, until 2011
    "America/Havana",  # set back onto midnight
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # without 30 December 2011
    "Africa/Casablanca",
)
FIRST, LAST = (to_micros(utc(day), "at") for day in ("1990-01-01", "2030-01-01"))


@given(st.sampled_from(ZONES), st.integers(FIRST, LAST), st.integers(0, 400 * DAY_S * MICROS))
def test_a_day_by_offset_is_the_day_of_the_calendar(zone: str, at: int, before: int) -> None:
    part = next(
        one
        for one in calendar.stretches(zone, max(FIRST, at - before), at + DAY_S * MICROS)
        if at < one.until
    )

    number = (at + part.day_ahead_s * MICROS) // (DAY_S * MICROS)

    for every, label in (
        ("daily", calendar.day_label(number)),
        ("weekly", calendar.week_label(calendar.week_of(number))),
        ("monthly", calendar.month_label(calendar.month_of(number))),
    ):
        assert label == window_at(every, zone, at).label


@given(st.sampled_from(ZONES), st.integers(FIRST, LAST))
def test_an_hour_by_offset_is_the_hour_of_the_calendar(zone: str, at: int) -> None:
    part = next(one for one in calendar.stretches(zone, at, at) if at < one.until)

    hour = (at // MICROS + part.ahead_s) // HOUR_S

    started_s = hour * HOUR_S - part.ahead_s
    assert calendar.hour_label(started_s, part.ahead_s) == window_at("hourly", zone, at).label


def test_hours_of_whole_offsets_are_on_the_hour() -> None:
    first, last = (to_micros(utc(day), "at") for day in ("2024-03-01", "2024-12-01"))

    assert calendar.on_the_hour(calendar.stretches("Asia/Shanghai", first, last))
    assert calendar.on_the_hour(calendar.stretches("Europe/Berlin", first, last))
    assert not calendar.on_the_hour(calendar.stretches("Asia/Kolkata", first, last))
    assert not calendar.on_the_hour(calendar.stretches("Australia/Lord_Howe", first, last))
