"""Recurring grants: calendar windows in the provider's time zone.

Windows tile time: each ends where the next begins, whatever the clocks of the zone do. A day begins
at its first instant there (see `tracker.units.start_of_day`), a week on Monday, a month on the 1st.
An hour is one the clock shows, under one offset from UTC: the hour shown twice in autumn is two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from tracker.errors import InvalidValue
from tracker.text import show
from tracker.units import (
    MAX_INSTANT,
    MICROS,
    start_of_day,
    to_datetime,
    utc_offset_s,
    zone_info,
)

EVERY = ("hourly", "daily", "weekly", "monthly")

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a recurring grant.

    label: '2024-07-15T13+0800', '2024-07-15', '2024-W29' or '2024-07'; no two windows of a
        series share one.
    starts_at, ends_at: microseconds since the epoch; the start is included, the end is not.
    """

    label: str
    starts_at: int
    ends_at: int


def window_at(every: str, zone: str, at: int) -> Window:
    """Return the window an instant lies in: starts_at <= at < ends_at.

    every: one of EVERY. Raises InvalidValue for another, and for an unknown zone.
    """
    if every not in EVERY:
        raise InvalidValue(
            f"every: {show(every)} is not a recurrence; write {', '.join(EVERY)}", field="every"
        )
    if every == "hourly":
        return _hour_at(zone, at)
    first = _first_day(every, to_datetime(at).astimezone(zone_info(zone)).date())
    following = _following(every, first)
    # A clock set back over midnight shows the old day again; by then the new one has begun.
    while (ends_at := start_of_day(following, zone)) <= at:
        first, following = following, _following(every, following)
    return Window(_label(every, first), start_of_day(first, zone), ends_at)


def windows_between(every: str, zone: str, since: int, until: int) -> Iterator[Window]:
    """Yield all windows that share an instant with [since, until), in order."""
    if since >= until:
        return
    window = window_at(every, zone, since)
    yield window
    while window.ends_at < until and window.ends_at <= MAX_INSTANT:
        window = window_at(every, zone, window.ends_at)
        yield window


def _first_day(every: str, day: date) -> date:
    if every == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if every == "monthly" else day


def _following(every: str, first: date) -> date:
    if every == "monthly":
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if every == "weekly" else 1)


def _label(every: str, first: date) -> str:
    if every == "weekly":
        year, week, _ = first.isocalendar()
        return f"{year:04d}-W{week:02d}"
    return first.isoformat()[:7] if every == "monthly" else first.isoformat()


def _hour_at(zone: str, at: int) -> Window:
    at_s = at // MICROS
    offset_s = utc_offset_s(at_s, zone)
    starts_s = (at_s + offset_s) // _HOUR_S * _HOUR_S - offset_s
    last_s = starts_s + _HOUR_S - 1
    # A change of the offset within the hour splits it.
    if utc_offset_s(starts_s, zone) != offset_s:
        starts_s = _change_s(zone, starts_s, at_s)
    if utc_offset_s(last_s, zone) != offset_s:
        last_s = _change_s(zone, at_s, last_s) - 1
    local = to_datetime(at).astimezone(zone_info(zone))
    return Window(f"{local:%Y-%m-%dT%H%z}", starts_s * MICROS, (last_s + 1) * MICROS)


def _change_s(zone: str, before_s: int, after_s: int) -> int:
    """Return the first second with the offset of `after_s`, `before_s` having another."""
    offset_s = utc_offset_s(after_s, zone)
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if utc_offset_s(middle_s, zone) == offset_s:
            after_s = middle_s
        else:
            before_s = middle_s
    return after_s
