"""What reports are asked: dimensions to group by, and a period in a time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tracker.errors import InvalidValue
from tracker.text import label, show
from tracker.units import parse_end, parse_start, rfc3339, timezone_name

DIMENSIONS = (
    "hour", "day", "week", "month", "provider", "account", "model", "project", "user", "tag",
    "grant",
)  # fmt: skip
TAG = "tag:"
MOST = 8  # dimensions at once
Moment = str | date | datetime


@dataclass(frozen=True, slots=True)
class Period:
    """A period of time and the zone its dates are in. since, until: instants; None is open."""

    since: int | None
    until: int | None
    zone: str

    def about(self) -> dict[str, object]:
        """Say which period it is, for programs."""
        return {
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "timezone": self.zone,
        }


def period(since: Moment | None, until: Moment | None, zone: str) -> Period:
    """Read a period. A date as its end means through that day; an instant is its exclusive end.

    Raises InvalidValue for an unknown zone, a malformed bound, and an end before the start.
    """
    zone = timezone_name(zone)
    start = None if since is None else parse_start(since, zone, "since")
    end = None if until is None else parse_end(until, zone, "until")
    if start is not None and end is not None and end < start:
        raise InvalidValue(
            f"until {show(str(until))} is before since {show(str(since))}", field="until"
        )
    return Period(start, end, zone)


def dimensions(by: str | Sequence[str]) -> tuple[str, ...]:
    """Read what to group by: 'day,provider', or a list of names.

    Raises InvalidValue that lists the names there are. Repeating one changes nothing.
    """
    names = by.split(",") if isinstance(by, str) else list(by)
    found = tuple(dict.fromkeys(map(_dimension, names)))
    if len(found) > MOST:
        raise InvalidValue(
            f"by names {len(found)} dimensions; at most {MOST} can be asked for at once", field="by"
        )
    return found


def _dimension(name: object) -> str:
    if isinstance(name, str):
        wanted = name.strip().lower()
        if wanted in DIMENSIONS:
            return wanted
        if wanted.startswith(TAG):
            return TAG + label(name.strip()[len(TAG) :], "by")
    known = ", ".join(DIMENSIONS)
    raise InvalidValue(f"by: {show(name)} is not one of {known}, tag:NAME", field="by")
