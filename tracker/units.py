"""Tokens, exact money and instants: what people type, what is stored, what is shown.

Everything is an integer. Tokens are counted. Money is in nano-units of its currency, a price in
micro-units per 1,000,000 tokens, a rate in nano-units; no float is accepted or produced. An
instant is microseconds since 1970-01-01T00:00:00Z, between there and the end of the year 9998.

Refusals raise InvalidValue, which names the field, the value and what would be accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, overload

from tracker.errors import InvalidValue
from tracker.text import show

if TYPE_CHECKING:
    from decimal import Decimal
    from zoneinfo import ZoneInfo

MAX_AMOUNT = 2**62  # of a grant: tokens, requests or nano-units; two of them still fit 64 bits
MAX_CALL_TOKENS = 10**12
MAX_PRICE_MICROS = 1_000_000 * 1_000_000
MAX_DURATION_S = 30 * 86_400

MICROS = 1_000_000
NANOS = 1_000_000_000

NEVER = (1 << 63) - 1  # later than every instant: what "expires never" compares as
MAX_INSTANT = 253_370_764_800 * MICROS - 1  # 9998-12-31T23:59:59.999999Z

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY_S = 86_400

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "万": 10**4, "亿": 10**8}
_DURATIONS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": _DAY_S}

_TOKENS = r"([0-9]+|[0-9]{1,3}(?:_[0-9]{3})+)(?:\.([0-9]+)(?=\D))?([kmbKMB万亿]?)"
_DECIMAL = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?"
_DURATION = r"([0-9]{1,10})([smhd]?)"
_DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_TIME = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
_INSTANT = rf"{_DATE}[Tt ]{_TIME}([Zz]|([+-])([0-9]{{2}}):([0-9]{{2}}))?"
_ZONE = r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*"


def _match(pattern: str, text: object) -> re.Match[str] | None:
    """Match all of a text of at most 100 characters; patterns are compiled when first used."""
    return re.fullmatch(pattern, text) if isinstance(text, str) and len(text) <= 100 else None


# Tokens


def parse_tokens(text: str | int, name: str = "amount") -> int:
    """Read an amount as people write it: 50000000, 50_000_000, 50m, 1.5b, 150k, 5000万, 1.5亿.

    k, m and b in either case. A decimal needs a suffix and must come out whole. 1 to MAX_AMOUNT.
    """
    if type(text) is int:
        tokens, remainder = text, 0
    elif (match := _match(_TOKENS, text)) is not None:
        whole, fraction, suffix = match[1].replace("_", ""), match[2] or "", match[3].lower()
        tokens, remainder = divmod(int(whole + fraction) * _SUFFIXES[suffix], 10 ** len(fraction))
    else:
        raise InvalidValue(
            f"{name}: {show(text)} is not an amount; write it like 50000000, 50_000_000, 50m, "
            "1.5b, 150k, 5000万 or 1.5亿",
            field=name,
        )
    if remainder:
        raise InvalidValue(f"{name}: {show(text)} is not a whole number", field=name)
    if not 1 <= tokens <= MAX_AMOUNT:
        raise InvalidValue(
            f"{name}: {show(text)} is out of range; write 1 to {MAX_AMOUNT}", field=name
        )
    return tokens


def count(value: object, name: str, *, minimum: int = 0, maximum: int = MAX_CALL_TOKENS) -> int:
    """Return the value if it is an int within the range, both ends included; nothing is converted.

    Raises InvalidValue for everything else, bool, 1.0 and '7' among it.
    """
    if type(value) is int and minimum <= value <= maximum:
        return value
    problem = "out of range" if type(value) is int else "not an integer"
    raise InvalidValue(
        f"{name}: {show(value)} is {problem}; write an integer from {minimum} to {maximum}",
        field=name,
    )


# Money


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount of one currency.

    nano: 10**-9 of the currency's unit; negative where money flows back.
    currency: three upper-case letters.
    """

    nano: int
    currency: str

    @property
    def amount(self) -> Decimal:
        """The amount in the currency's unit, exact."""
        from decimal import Decimal

        return Decimal(self.text())

    def text(self) -> str:
        """Return the amount in the currency's unit as plain decimal text, '0.012345678'."""
        return decimal_text(self.nano, 9)

    def __str__(self) -> str:
        return f"{self.text()} {self.currency}"

    def as_json(self) -> dict[str, str]:
        """Return {"amount": "0.012345678", "currency": "CNY"}."""
        return {"amount": self.text(), "currency": self.currency}


def decimal_text(value: int, scale: int) -> str:
    """Write value * 10**-scale exactly: no exponent, no trailing zeros, '0' for zero."""
    whole, fraction = divmod(abs(value), 10**scale)
    sign = "-" if value < 0 else ""
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:0{scale}d}".rstrip("0")


def parse_decimal(value: Decimal | str | int, name: str, *, scale: int, maximum: int) -> int:
    """Read an exact number >= 0 as an integer of 10**-scale, rounded half-even at that place.

    maximum: of the result. Text is ASCII digits with at most one point between digits and at most
    one exponent of three digits ('0.8', '1e-7'), up to 100 characters; '1e-30' rounds to 0.
    Refused: float and bool, NaN, infinities, every sign (-0 too), blanks, commas, underscores.
    """
    from decimal import ROUND_HALF_EVEN, Context, Decimal

    if isinstance(value, float):
        raise InvalidValue(
            f'{name}: {show(value)} is a float, never exact; pass a string such as "0.8"',
            field=name,
        )
    number: Decimal | None = None
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, str):
        number = Decimal(value) if _match(_DECIMAL, value) else None
    elif type(value) is int:
        number = Decimal(max(-1, min(value, 10**60)))  # a gigantic one is slow to convert
    if number is None or not number.is_finite() or number.is_signed():
        raise InvalidValue(
            f"{name}: {show(value)} is not an exact number >= 0; write plain digits such as 0.8",
            field=name,
        )
    if number.is_zero():
        return 0
    if number.adjusted() <= 40:
        exact = Context(prec=80, rounding=ROUND_HALF_EVEN)
        scaled = int(number.quantize(Decimal(1).scaleb(-scale), context=exact).scaleb(scale, exact))
        if scaled <= maximum:
            return scaled
    raise InvalidValue(
        f"{name}: {show(value)} is out of range; at most {decimal_text(maximum, scale)}",
        field=name,
    )


def parse_money(value: Decimal | str | int, currency: str, name: str = "amount") -> Money:
    """Read an amount in the currency's unit; beyond nine decimals it is rounded half-even."""
    nano = parse_decimal(value, name, scale=9, maximum=MAX_AMOUNT)
    return Money(nano, currency_code(currency))


def parse_price(value: Decimal | str | int, name: str) -> int:
    """Read a price per 1,000,000 tokens, 0 to 1,000,000 units, as micro-units of the currency."""
    return parse_decimal(value, name, scale=6, maximum=MAX_PRICE_MICROS)


def parse_rate(value: Decimal | str | int, name: str) -> int:
    """Read an exchange rate as nano-units of the quote per unit of the base; more than 0."""
    rate = parse_decimal(value, name, scale=9, maximum=MAX_AMOUNT)
    if not rate:
        raise InvalidValue(
            f"{name}: {show(value)} is too small; write 0.000000001 or more", field=name
        )
    return rate


def currency_code(value: object, name: str = "currency") -> str:
    """Return three ASCII letters in upper case: 'cny' is 'CNY'."""
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha():
        return value.upper()
    raise InvalidValue(
        f"{name}: {show(value)} is not a currency; write three letters such as CNY or USD",
        field=name,
    )


def div_half_even(numerator: int, denominator: int) -> int:
    """Divide integers, numerator >= 0 and denominator > 0, rounding half to even."""
    assert numerator >= 0, numerator
    assert denominator > 0, denominator
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    return quotient + (twice > denominator or (twice == denominator and quotient & 1))


# Instants


def to_micros(value: datetime, name: str) -> int:
    """Return an aware datetime as an instant, exactly. A naive one is refused, never guessed."""
    if not isinstance(value, datetime):
        raise InvalidValue(f"{name}: {show(value)} is not a datetime", field=name)
    if value.tzinfo is not UTC and value.utcoffset() is None:
        raise InvalidValue(
            f"{name}: {show(value)} has no time zone; make it aware, for example with "
            "tzinfo=datetime.UTC",
            field=name,
        )
    since = value - _EPOCH
    return _within((since.days * _DAY_S + since.seconds) * MICROS + since.microseconds, value, name)


def to_datetime(micros: int) -> datetime:
    """Return an instant as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=micros)


@overload
def rfc3339(micros: int) -> str: ...
@overload
def rfc3339(micros: None) -> None: ...
@overload
def rfc3339(micros: int | None) -> str | None: ...
def rfc3339(micros: int | None) -> str | None:
    """Write an instant as '2024-07-31T16:00:00Z', with microseconds only if it has any."""
    if micros is None:
        return None
    return to_datetime(micros).replace(tzinfo=None).isoformat() + "Z"


def parse_instant(text: str, name: str) -> int:
    """Read RFC 3339 with an offset, 'Z' or '+08:00'; the seconds may be left out.

    24:00:00 is 00:00 of the next day. Digits beyond the microsecond are dropped. Refused are a
    local time without offset, a leap second, and what no calendar or clock shows.
    """
    return _parse_instant(text, name, "an instant; write it like 2024-07-31T16:00:00Z")


def parse_start(value: str | date | datetime, zone: str, name: str) -> int:
    """Read when something starts: an instant, or a date, meaning 00:00 of that day in the zone.

    Where the clock skips 00:00 or shows it twice, it is the first instant of that local day.
    """
    return _parse_moment(value, zone, name, days_later=0)


def parse_end(value: str | date | datetime, zone: str, name: str) -> int:
    """Read when something ends, exclusive: an instant, or a date, meaning through that day's end.

    The end of a day is the start of the next one, as in `parse_start`.
    """
    return _parse_moment(value, zone, name, days_later=1)


def parse_when(value: str | date | datetime, zone: str, name: str) -> int:
    """Read an as-of: an instant, or a date, meaning 00:00 of that day in the zone."""
    return _parse_moment(value, zone, name, days_later=0)


def parse_duration(text: str | int, name: str) -> int:
    """Read a length of time as seconds: '90s', '10m', '2h', '1d' or seconds; 1 s to 30 days."""
    match = _match(_DURATION, show(text) if type(text) is int else text)
    if match is None:
        raise InvalidValue(
            f"{name}: {show(text)} is not a length of time; write it like 90s, 10m, 2h or 1d",
            field=name,
        )
    seconds = int(match[1]) * _DURATIONS_S[match[2]]
    if not 1 <= seconds <= MAX_DURATION_S:
        raise InvalidValue(f"{name}: {show(text)} is out of range; write 1s to 30d", field=name)
    return seconds


def _parse_moment(value: str | date | datetime, zone: str, name: str, *, days_later: int) -> int:
    wanted = "a date or an instant; write it like 2024-07-31 or 2024-07-31T16:00:00Z"
    if isinstance(value, datetime):
        return to_micros(value, name)
    if isinstance(value, date):
        day = value
    elif (match := _match(_DATE, value)) is not None:
        day = _calendar_day(match, value, name)
    else:
        return _parse_instant(value, name, wanted)
    if not 1970 <= day.year <= 9998:
        raise _out_of_range(value, name)
    return _within(start_of_day(day + timedelta(days=days_later), zone), value, name)


def _parse_instant(text: str, name: str, wanted: str) -> int:
    match = _match(_INSTANT, text)
    if match is None:
        raise InvalidValue(f"{name}: {show(text)} is not {wanted}", field=name)
    hour, minute, second = int(match[4]), int(match[5]), int(match[6] or 0)
    nanos = int((match[7] or "").ljust(9, "0"))
    if match[8] is None:
        raise InvalidValue(
            f"{name}: {show(text)} has no offset; add Z for UTC or one such as +08:00", field=name
        )
    sign, ahead_hours, ahead_minutes = match[9] or "+", int(match[10] or 0), int(match[11] or 0)
    if second == 60:
        raise InvalidValue(
            f"{name}: {show(text)} is a leap second; write 59 seconds or the next minute",
            field=name,
        )
    is_midnight = (hour, minute, second, nanos) == (24, 0, 0, 0)
    if not is_midnight and (hour > 23 or minute > 59 or second > 59):
        raise InvalidValue(
            f"{name}: {show(text)} is not a time of day; write 00:00:00 to 23:59:59, or 24:00:00",
            field=name,
        )
    if ahead_hours > 23 or ahead_minutes > 59:
        raise InvalidValue(
            f"{name}: {show(text)} has no real offset; write Z or one such as +08:00", field=name
        )
    days = _calendar_day(match, text, name).toordinal() - _EPOCH_ORDINAL
    minutes = (days * 24 + hour) * 60 + minute
    ahead = ahead_hours * 60 + ahead_minutes
    minutes += ahead if sign == "-" else -ahead
    return _within((minutes * 60 + second) * MICROS + nanos // 1000, text, name)


def _calendar_day(match: re.Match[str], text: str, name: str) -> date:
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise InvalidValue(
            f"{name}: {show(text)} is not a day of the calendar; write YYYY-MM-DD", field=name
        ) from None


def _within(micros: int, value: object, name: str) -> int:
    if 0 <= micros <= MAX_INSTANT:
        return micros
    raise _out_of_range(value, name)


def _out_of_range(value: object, name: str) -> InvalidValue:
    return InvalidValue(
        f"{name}: {show(value)} is out of range; write "
        "1970-01-01T00:00:00Z to 9998-12-31T23:59:59Z",
        field=name,
    )


# Time zones


def timezone_name(value: object, name: str = "timezone") -> str:
    """Return the name of a time zone in the IANA database, 'Asia/Shanghai'.

    Refused are the entries that mean something else on every machine ('localtime') or count leap
    seconds ('right/...').
    """
    if isinstance(value, str) and _match(_ZONE, value):
        from zoneinfo import ZoneInfo

        odd = value in ("localtime", "posixrules", "Factory")
        if not odd and not value.startswith(("posix/", "right/")):
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):
                pass  # refused below, like every other name the database does not have
            else:
                return value
    raise InvalidValue(
        f"{name}: {show(value)} is not a time zone; write an IANA name such as Asia/Shanghai",
        field=name,
    )


@cache
def zone_info(zone: str) -> ZoneInfo:
    """Return the rules of a time zone. Raises InvalidValue as `timezone_name` does."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(timezone_name(zone))


@lru_cache(maxsize=4096)
def start_of_day(day: date, zone: str) -> int:
    """Return the first instant at which a clock in the zone shows that day, or a later one.

    It is 00:00 there, the first of two where the clock is set back over midnight; where it is set
    forward over midnight, the instant of the change. A day the zone skips is empty: it starts where
    the next one does.
    """
    rules = zone_info(zone)
    midnight_s = (day.toordinal() - _EPOCH_ORDINAL) * _DAY_S
    midnight = datetime(day.year, day.month, day.day, tzinfo=rules)
    before_s = midnight_s - _seconds(midnight.utcoffset())
    after_s = midnight_s - _seconds(midnight.replace(fold=1).utcoffset())
    if before_s <= after_s:
        return before_s * MICROS

    # 00:00 is skipped. Before the change the clock is behind midnight, from it on at or past it.
    low_s, high_s = after_s, before_s
    while high_s - low_s > 1:
        middle_s = (low_s + high_s) // 2
        if middle_s + utc_offset_s(middle_s, zone) >= midnight_s:
            high_s = middle_s
        else:
            low_s = middle_s
    return high_s * MICROS


def utc_offset_s(epoch_s: int, zone: str) -> int:
    """Return how far clocks in the zone are ahead of UTC at that second since the epoch."""
    at = _EPOCH + timedelta(seconds=epoch_s)
    return _seconds(at.astimezone(zone_info(zone)).utcoffset())


def _seconds(offset: timedelta | None) -> int:
    assert offset is not None, "a zone of the database always has an offset"
    return offset.days * _DAY_S + offset.seconds
