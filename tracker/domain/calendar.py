"""How far a zone's clocks are ahead of UTC over a period, so that a database can tell local days.

A day is the one of `tracker.units.start_of_day`: it begins at the first instant a clock there shows
it, also where the clock is then set back over midnight once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

from tracker.units import MICROS, utc_offset_s

HOUR_S = 3600
DAY_S = 86_400
EPOCH_DAY = date(1970, 1, 1).toordinal()


class Stretch(NamedTuple):
    """A period in which the clocks of a zone keep their distance from UTC.

    until: first instant it no longer holds, in microseconds since the epoch.
    ahead_s: what the clock is ahead of UTC. day_ahead_s: what is added to an instant so that it
        falls on its local day; the two differ where a clock is set back over midnight.
    """

    until: int
    ahead_s: int
    day_ahead_s: int


def stretches(zone: str, first: int, last: int) -> tuple[Stretch, ...]:
    """Return the stretches that share an instant with [first, last], in order.

    Two changes within one day that undo each other would be missed; since 1970 there are none.
    """
    second, last_s = first // MICROS, last // MICROS
    ahead_s = utc_offset_s(second, zone)
    found: list[Stretch] = []
    while second <= last_s:
        following = second + DAY_S
        after_s = utc_offset_s(following, zone)
        if after_s != ahead_s:
            change = _change(zone, second, following, ahead_s)
            found.append(Stretch(change * MICROS, ahead_s, ahead_s))
            midnight = _midnight_again(change, ahead_s, after_s)
            if midnight is not None:
                found.append(Stretch(midnight * MICROS, after_s, ahead_s))
            ahead_s = after_s
        second = following
    found.append(Stretch((second + DAY_S) * MICROS, ahead_s, ahead_s))
    needed = [at for at, one in enumerate(found) if one.until > last]
    begun = [at for at, one in enumerate(found) if one.until <= first]
    return tuple(found[len(begun) : needed[0] + 1])


def on_the_hour(parts: Sequence[Stretch]) -> bool:
    """Tell whether every local hour and day in them is made of whole hours of UTC."""
    changes = [part.until for part in parts[:-1]]
    return all(
        part.ahead_s % HOUR_S == 0 and part.day_ahead_s % HOUR_S == 0 for part in parts
    ) and all(change % (HOUR_S * MICROS) == 0 for change in changes)


def day_of(number: int) -> date:
    """Return the day that is `number` days after 1970-01-01."""
    return date.fromordinal(EPOCH_DAY + number)


def week_of(number: int) -> int:
    """Return the Monday of a day's week, both as days after 1970-01-01."""
    return number - (number + 3) % 7  # 1970-01-01 was a Thursday


def month_of(number: int) -> int:
    """Return the first day of a day's month, both as days after 1970-01-01."""
    return day_of(number).replace(day=1).toordinal() - EPOCH_DAY


def day_label(number: int) -> str:
    """Write a day as '2024-07-15'."""
    return day_of(number).isoformat()


def week_label(number: int) -> str:
    """Write the week of a day as '2024-W29'."""
    year, week, _ = day_of(number).isocalendar()
    return f"{year:04d}-W{week:02d}"


def month_label(number: int) -> str:
    """Write the month of a day as '2024-07'."""
    return day_of(number).isoformat()[:7]


def hour_label(started_s: int, ahead_s: int) -> str:
    """Write a local hour as '2024-07-15T13+0800'. started_s: when it began, since the epoch."""
    zone = timezone(timedelta(seconds=ahead_s))
    return f"{datetime.fromtimestamp(started_s, zone):%Y-%m-%dT%H%z}"


def _change(zone: str, before_s: int, after_s: int, ahead_s: int) -> int:
    """Return the second at which clocks stop being `ahead_s` ahead, as they are at `before_s`."""
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if utc_offset_s(middle_s, zone) == ahead_s:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s


def _midnight_again(change: int, before_s: int, after_s: int) -> int | None:
    """Return when a clock that was set back over midnight shows it again; None where it was not."""
    day = (change + before_s - 1) // DAY_S
    if (change + after_s) // DAY_S >= day:
        return None
    return day * DAY_S - after_s
