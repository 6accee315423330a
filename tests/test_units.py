"""Tokens, exact money and instants."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import units
from tracker.errors import InvalidValue
from tracker.units import MAX_AMOUNT, MAX_CALL_TOKENS, MAX_INSTANT, MICROS, NEVER, Money

ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "America/New_York",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
]

instants = st.integers(0, MAX_INSTANT)
zones = st.sampled_from(ZONES)


def refusal(check: Callable[..., object], *arguments: Any, **options: Any) -> str:
    with pytest.raises(InvalidValue) as caught:
        check(*arguments, **options)
    assert caught.value.field == "field"
    message = str(caught.value)
    assert message.startswith("field: ")
    assert message.isprintable()
    assert len(message) < 250
    return message


def instant(text: str) -> int:
    return units.parse_instant(text, "field")


# Tokens


@pytest.mark.parametrize(
    ("typed", "tokens"),
    [
        ("50000000", 50_000_000),
        ("50_000_000", 50_000_000),
        ("50m", 50_000_000),
        ("50M", 50_000_000),
        ("1.5b", 1_500_000_000),
        ("1.5B", 1_500_000_000),
        ("150k", 150_000),
        ("150K", 150_000),
        ("5000万", 50_000_000),
        ("1.5亿", 150_000_000),
        ("0.001k", 1),
        ("1.50000000k", 1500),
        ("1", 1),
        ("007", 7),
        (str(MAX_AMOUNT), MAX_AMOUNT),
        (7, 7),
        (MAX_AMOUNT, MAX_AMOUNT),
    ],
)
def test_people_write_amounts_in_many_ways(typed: str | int, tokens: int) -> None:
    assert units.parse_tokens(typed, "field") == tokens


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "",
            " ",
            " 7",
            "7 ",
            "7\n",
            "\t7",
            "+7",
            "-7",
            "-1",
            "٧",
            "７",
            "七",
            "0x10",
            "1e3",
            "1E3",
        ),
        *("1.0", "1.5", ".5m", "5.m", "1..5m", "1.5.0m", "1,000", "1 000", "5 m", "1_0", "1__000"),
        *(
            "_1",
            "1_",
            "1_000_",
            "50mm",
            "50km",
            "m",
            "k5",
            "50g",
            "50t",
            "50ｍ",
            "NaN",
            "inf",
            "1½",
        ),
        *("1.5\n000k", "50m\x00", "\ud800"),
        *(True, False, 1.0, 1e3, float("nan"), None, [], {}, b"7", Decimal(7), Fraction(7)),
    ],
)
def test_an_amount_written_otherwise_is_refused_with_the_way_out(typed: object) -> None:
    message = refusal(units.parse_tokens, typed, "field")
    assert "50_000_000, 50m, 1.5b, 150k, 5000万 or 1.5亿" in message


@pytest.mark.parametrize("typed", ["1.0001k", "0.00001万", "0.1234567890m"])
def test_an_amount_that_is_not_whole_is_refused(typed: str) -> None:
    assert "not a whole number" in refusal(units.parse_tokens, typed, "field")


@pytest.mark.parametrize(
    "typed",
    [
        *("0", "0m", 0, -1, -(2**63), 2**62 + 1, 2**63 - 1, 2**63, str(2**62 + 1), "9" * 30),
        *(10**30, "99999999999b"),
    ],
)
def test_an_amount_out_of_range_is_refused_with_the_range(typed: str | int) -> None:
    assert f"1 to {2**62}" in refusal(units.parse_tokens, typed, "field")


def test_a_gigantic_amount_is_refused_in_a_short_message() -> None:
    refusal(units.parse_tokens, "9" * 10**7, "field")
    refusal(units.parse_tokens, 10**100_000, "field")
    refusal(units.count, 10**100_000, "field")
    refusal(units.count, -(10**100_000), "field")


@given(st.integers(1, 2**40), st.sampled_from([("k", 3), ("m", 6), ("B", 9), ("万", 4), ("亿", 8)]))
def test_an_amount_with_a_suffix_is_exact(tokens: int, suffix: tuple[str, int]) -> None:
    letter, zeros = suffix
    written = units.decimal_text(tokens, zeros) + letter
    assert units.parse_tokens(written, "field") == tokens
    assert units.parse_tokens(f"{tokens:_}", "field") == tokens
    assert units.parse_tokens(str(tokens), "field") == tokens


@pytest.mark.parametrize("value", [0, 1, MAX_CALL_TOKENS])
def test_a_count_is_an_integer_within_its_range(value: int) -> None:
    assert units.count(value, "field") == value


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, 1.0, 1e3, "7", "1_000", " 7", "7\n", "+7", "٧", "７", "0x10"),
        None,
        (),
        [],
        {},
    ],
)
def test_a_count_converts_nothing(value: object) -> None:
    assert "is not an integer" in refusal(units.count, value, "field")


@pytest.mark.parametrize("value", [-1, -(2**63), MAX_CALL_TOKENS + 1, 2**63 - 1, 2**63, 10**30])
def test_a_count_out_of_range_is_refused_with_the_range(value: int) -> None:
    message = refusal(units.count, value, "field")
    assert f"{value} is out of range; write an integer from 0 to {MAX_CALL_TOKENS}" in message


def test_a_count_may_have_its_own_range() -> None:
    assert units.count(2**62, "field", minimum=1, maximum=2**62) == 2**62
    assert "from 1 to 9" in refusal(units.count, 0, "field", minimum=1, maximum=9)
    assert "from 1 to 9" in refusal(units.count, 10, "field", minimum=1, maximum=9)


# Money


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (12_345_678, "0.012345678"),
        (100_000_000, "0.1"),
        (10**9, "1"),
        (10**11, "100"),
        (2**62, "4611686018.427387904"),
        (-500_000_000, "-0.5"),
        (-(10**9), "-1"),
        (10**40 + 1, "1" + "0" * 31 + ".000000001"),
    ],
)
def test_money_is_written_as_plain_decimals(nano: int, shown: str) -> None:
    money = Money(nano, "CNY")
    assert money.text() == shown
    assert str(money) == f"{shown} CNY"
    assert money.as_json() == {"amount": shown, "currency": "CNY"}
    assert money.amount == Decimal(shown)
    assert isinstance(money.amount, Decimal)


@given(st.integers(-(2**80), 2**80), st.integers(0, 12))
def test_decimal_text_is_exact(value: int, scale: int) -> None:
    shown = units.decimal_text(value, scale)
    assert Fraction(shown) == Fraction(value, 10**scale)
    assert "e" not in shown.lower()
    assert "." not in shown or not shown.endswith(("0", "."))


@given(st.integers(0, MAX_AMOUNT))
def test_money_comes_back_exactly(nano: int) -> None:
    money = Money(nano, "USD")
    assert units.parse_money(money.text(), "USD") == money
    assert units.parse_money(money.amount, "usd") == money


@pytest.mark.parametrize(
    ("value", "nano"),
    [
        ("0", 0),
        ("0.8", 800_000_000),
        ("0.80", 800_000_000),
        ("012", 12 * 10**9),
        (12, 12 * 10**9),
        (Decimal("0.012345678"), 12_345_678),
        (Decimal("1E+2"), 100 * 10**9),
        ("1e-7", 100),
        ("2.5E+2", 250 * 10**9),
        ("0.1" + "0" * 28, 100_000_000),
        ("0.1" + "3" * 28, 133_333_333),
        ("0.0000000005", 0),  # half to even
        ("0.0000000015", 2),
        ("0.0000000025", 2),
        ("0.00000000250000000000000000000000000001", 3),
        ("1e-30", 0),
        (Decimal("1E-30"), 0),
        (Decimal("1E-999999"), 0),
        (Decimal("0E+999999"), 0),
        ("4611686018.427387904", MAX_AMOUNT),
    ],
)
def test_money_is_rounded_half_even_at_nine_decimals(value: Decimal | str | int, nano: int) -> None:
    assert units.parse_money(value, "CNY", "field") == Money(nano, "CNY")


@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf", "-0", "-0.0", "-1", "+1", "1,5"),
        *(
            "1_0",
            "１",
            "٧",
            " 1",
            "1 ",
            "1\n",
            "",
            ".5",
            "5.",
            "1.2.3",
            "0x10",
            "1e",
            "e1",
            "1e9999",
        ),
        *("¥1", "1 CNY", "\ud800", "1\x00"),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-0"), Decimal("-1E-30")),
        *(-1, True, False, None, [], {}, b"1", Fraction(1, 2)),
    ],
)
def test_what_is_not_an_exact_number_is_refused(value: Any) -> None:
    for parse in (units.parse_price, units.parse_rate):
        assert "not an exact number" in refusal(parse, value, "field")
    refusal(units.parse_money, value, "CNY", "field")


@pytest.mark.parametrize("value", [0.8, 1.0, -0.0, 1e999, float("nan")])
def test_money_is_never_a_float(value: Any) -> None:
    assert "float, never exact; pass a string" in refusal(units.parse_price, value, "field")


@pytest.mark.parametrize(
    "value",
    ["1e999", "1e7", "1000000.0000006", 1_000_001, Decimal("1E+999999"), 2**63, 10**30, "9" * 90],
)
def test_a_price_above_the_range_is_refused_with_the_range(value: Any) -> None:
    assert "out of range; at most 1000000" in refusal(units.parse_price, value, "field")


def test_gigantic_numbers_are_refused_at_once_in_a_short_message() -> None:
    refusal(units.parse_price, "1" * 10**7, "field")
    refusal(units.parse_price, "0." + "1" * 10**7, "field")
    refusal(units.parse_price, 1 << 10**6, "field")
    refusal(units.parse_price, -1 << 10**6, "field")
    refusal(units.parse_price, Decimal("9" * 10**6), "field")
    assert units.parse_price(Decimal("0." + "1" * 10**6), "field") == 111_111


@given(st.decimals(0, 1_000_000, allow_nan=False, allow_infinity=False), st.integers(0, 12))
def test_parsing_rounds_as_decimal_does(value: Decimal, scale: int) -> None:
    value = abs(value)
    exact = Context(prec=200, rounding=ROUND_HALF_EVEN)
    expected = Fraction(value.quantize(Decimal(1).scaleb(-scale), context=exact)) * 10**scale
    assert units.parse_decimal(value, "field", scale=scale, maximum=10**20) == expected


def test_a_price_is_micro_units_per_million_tokens() -> None:
    assert units.parse_price("0.8", "field") == 800_000
    assert units.parse_price(12, "field") == 12_000_000
    assert units.parse_price("0", "field") == 0
    assert units.parse_price("1000000", "field") == 10**12


def test_a_rate_is_more_than_zero() -> None:
    assert units.parse_rate("7.26", "field") == 7_260_000_000
    for nothing in ("0", 0, "1e-30", Decimal("0.0000000001")):
        assert "too small" in refusal(units.parse_rate, nothing, "field")


@pytest.mark.parametrize(("value", "code"), [("CNY", "CNY"), ("usd", "USD"), ("Eur", "EUR")])
def test_a_currency_is_three_letters_in_upper_case(value: str, code: str) -> None:
    assert units.currency_code(value, "field") == code


@pytest.mark.parametrize(
    "value",
    ["", "CN", "CNYX", "C1Y", " CN", "CNY ", "CN\n", "СNY", "ＣＮＹ", "ßß1", "¥", None, 1, b"CNY"],
)
def test_another_currency_is_refused(value: object) -> None:
    refusal(units.currency_code, value, "field")


@given(st.integers(0, 2**100), st.integers(1, 2**70))
def test_division_rounds_half_to_even(numerator: int, denominator: int) -> None:
    assert units.div_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(("halves", "even"), [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (7, 4)])
def test_a_half_goes_to_the_even_neighbour(halves: int, even: int) -> None:
    rounded = units.div_half_even(halves, 2)
    assert rounded == even
    assert type(rounded) is int


# Instants


@given(instants)
def test_an_instant_comes_back_from_text_and_datetime(micros: int) -> None:
    assert instant(units.rfc3339(micros)) == micros
    assert units.to_micros(units.to_datetime(micros), "field") == micros
    assert units.to_datetime(micros).tzinfo is UTC


@given(
    st.datetimes(
        datetime(1971, 1, 1),
        datetime(9998, 12, 30),
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), *map(ZoneInfo, ZONES)]),
    )
)
def test_a_datetime_of_any_zone_is_one_exact_instant(value: datetime) -> None:
    micros = units.to_micros(value, "field")
    assert units.to_datetime(micros) == value.astimezone(UTC)
    assert instant(value.astimezone(UTC).isoformat()) == micros


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_722_441_600 * MICROS, "2024-07-31T16:00:00Z"),
        (1_722_441_600 * MICROS + 123_456, "2024-07-31T16:00:00.123456Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (MAX_INSTANT, "9998-12-31T23:59:59.999999Z"),
        (None, None),
    ],
)
def test_an_instant_is_shown_in_utc(micros: int | None, shown: str | None) -> None:
    assert units.rfc3339(micros) == shown


@pytest.mark.parametrize(
    "typed",
    [
        "2024-07-31T16:00:00Z",
        "2024-07-31t16:00:00z",
        "2024-07-31 16:00:00Z",
        "2024-07-31T16:00Z",
        "2024-07-31T16:00:00.000Z",
        "2024-07-31T16:00:00.000000999Z",
        "2024-08-01T00:00:00+08:00",
        "2024-07-31T24:00:00+08:00",
        "2024-07-31T24:00+08:00",
        "2024-07-31T24:00:00.000+08:00",
        "2024-07-31T16:00:00-00:00",
        "2024-07-31T12:00:00-04:00",
        "2024-07-31T21:30:00+05:30",
    ],
)
def test_one_instant_can_be_written_in_many_ways(typed: str) -> None:
    assert units.rfc3339(instant(typed)) == "2024-07-31T16:00:00Z"
    for parse in (units.parse_start, units.parse_end, units.parse_when):
        assert parse(typed, "Asia/Tokyo", "field") == instant(typed)


@pytest.mark.parametrize(
    ("typed", "next_day"),
    [
        ("2024-02-28T24:00:00Z", "2024-02-29T00:00:00Z"),
        ("2023-12-31T24:00:00Z", "2024-01-01T00:00:00Z"),
    ],
)
def test_24_00_is_the_start_of_the_next_day(typed: str, next_day: str) -> None:
    assert instant(typed) == instant(next_day)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("2024-07-31T16:00:00", "no offset; add Z"),
        ("2024-07-31 16:00", "no offset; add Z"),
        ("2026-11-01T02:30:00", "no offset; add Z"),
        ("2016-12-31T23:59:60Z", "leap second"),
        ("2024-07-31T24:00:01Z", "not a time of day"),
        ("2024-07-31T24:00:00.000000001Z", "not a time of day"),
        ("2024-07-31T25:00:00Z", "not a time of day"),
        ("2024-07-31T12:60:00Z", "not a time of day"),
        ("2024-07-31T12:00:61Z", "not a time of day"),
        ("2024-07-31T12:00:00+24:00", "no real offset"),
        ("2024-07-31T12:00:00+08:60", "no real offset"),
        ("2026-13-01T00:00:00Z", "not a day of the calendar"),
        ("2023-02-29T00:00:00Z", "not a day of the calendar"),
        ("0000-00-00T00:00:00Z", "not a day of the calendar"),
        ("0000-01-01T00:00:00Z", "not a day of the calendar"),
        ("1969-12-31T23:59:59Z", "out of range"),
        ("1970-01-01T00:00:00+08:00", "out of range"),
        ("9998-12-31T24:00:00Z", "out of range"),
        ("9999-12-31T23:59:59Z", "out of range"),
        ("9999-12-31T24:00:00-23:59", "out of range"),
        ("0001-01-01T00:00:00+23:59", "out of range"),
        ("10000-01-01T00:00:00Z", "not an instant"),
        ("2024-07-31T16:00:00+0800", "not an instant"),
        ("2024-07-31T16Z", "not an instant"),
        ("20240731T160000Z", "not an instant"),
        ("2024-07-31T16:00:00Z ", "not an instant"),
        ("2024-07-31T16:00:00Z\n", "not an instant"),
        ("２０２４-07-31T16:00:00Z", "not an instant"),
        ("2024-07-31T16:00:00.Z", "not an instant"),
        ("2024-07-31", "not an instant"),
        ("24:00", "not an instant"),
        ("now", "not an instant"),
        ("1722441600", "not an instant"),
        ("", "not an instant"),
        ("\x1b[2J", "not an instant"),
        (10**18, "not an instant"),
        (1_722_441_600_000, "not an instant"),
        (1.5, "not an instant"),
        (None, "not an instant"),
    ],
)
def test_what_is_no_instant_is_refused_by_name(typed: Any, why: str) -> None:
    assert why in refusal(instant, typed)
    if typed != "2024-07-31":
        refusal(units.parse_end, typed, "Asia/Shanghai", "field")


@pytest.mark.parametrize("value", [datetime(2024, 7, 31), datetime.min, datetime.max])
def test_a_naive_datetime_is_refused_never_guessed(value: datetime) -> None:
    assert "no time zone" in refusal(units.to_micros, value, "field")
    for parse in (units.parse_start, units.parse_end, units.parse_when):
        refusal(parse, value, "UTC", "field")


def test_a_datetime_whose_zone_does_not_know_its_offset_is_naive() -> None:
    class Unknown(tzinfo):
        def utcoffset(self, _: datetime | None) -> None:
            return None

    refusal(units.to_micros, datetime(2024, 7, 31, tzinfo=Unknown()), "field")


@pytest.mark.parametrize(
    "value",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=8))),
        datetime(9999, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(-timedelta(hours=23))),
    ],
)
def test_a_datetime_out_of_range_is_refused(value: datetime) -> None:
    assert "out of range" in refusal(units.to_micros, value, "field")


@pytest.mark.parametrize("value", ["2024-07-31T16:00:00Z", date(2024, 7, 31), 0, 1.5, None])
def test_only_a_datetime_is_a_datetime(value: Any) -> None:
    assert "not a datetime" in refusal(units.to_micros, value, "field")


def test_every_instant_is_before_never() -> None:
    assert MAX_INSTANT < NEVER == 2**63 - 1
    assert units.rfc3339(MAX_INSTANT) == "9998-12-31T23:59:59.999999Z"


# Dates


@pytest.mark.parametrize("day", ["2024-07-31", date(2024, 7, 31)])
def test_a_date_for_an_expiry_means_through_the_end_of_that_day(day: str | date) -> None:
    expires = units.parse_end(day, "Asia/Shanghai", "field")
    assert units.rfc3339(expires) == "2024-07-31T16:00:00Z"


@pytest.mark.parametrize("day", ["2024-07-31", date(2024, 7, 31)])
def test_a_date_for_a_start_means_the_beginning_of_that_day(day: str | date) -> None:
    for parse in (units.parse_start, units.parse_when):
        assert units.rfc3339(parse(day, "Asia/Shanghai", "field")) == "2024-07-30T16:00:00Z"


def test_an_instant_means_itself_as_a_start_and_as_an_end() -> None:
    moment = datetime(2024, 7, 31, 12, tzinfo=ZoneInfo("America/New_York"))
    for parse in (units.parse_start, units.parse_end, units.parse_when):
        assert units.rfc3339(parse(moment, "Asia/Shanghai", "field")) == "2024-07-31T16:00:00Z"


@pytest.mark.parametrize(
    ("day", "zone", "starts", "ends"),
    [
        ("2024-02-29", "Asia/Kolkata", "2024-02-28T18:30:00Z", "2024-02-29T18:30:00Z"),
        ("2024-12-31", "UTC", "2024-12-31T00:00:00Z", "2025-01-01T00:00:00Z"),
        # 23 and 25 hours
        ("2026-03-08", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("2026-11-01", "America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        # 00:00 does not exist: the clock goes from 23:59:59 to 01:00:00
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),
        # 23:00 to 24:00 comes twice, 00:00 once
        ("2018-02-17", "America/Sao_Paulo", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"),
        # 00:00 comes twice: the clock goes from 00:00:59 back to 23:01:00
        ("2010-11-07", "America/St_Johns", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"),
        ("2010-11-06", "America/St_Johns", "2010-11-06T02:30:00Z", "2010-11-07T02:30:00Z"),
        # the zone skips 2011-12-30
        ("2011-12-29", "Pacific/Apia", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
    ],
)
def test_a_day_runs_from_its_first_instant_there_to_that_of_the_next(
    day: str, zone: str, starts: str, ends: str
) -> None:
    assert units.rfc3339(units.parse_start(day, zone, "field")) == starts
    assert units.rfc3339(units.parse_end(day, zone, "field")) == ends


def test_a_change_that_jumps_over_midnight_starts_the_day() -> None:
    # From 23:29:59 to 00:30:00; the database has no such change since 1970.
    start = units.start_of_day(date(1919, 3, 31), "America/Toronto")
    assert units.rfc3339(start) == "1919-03-31T04:30:00Z"


@given(st.dates(date(1970, 1, 2), date(9998, 12, 30)), zones)
def test_the_end_of_a_day_is_the_start_of_the_next(day: date, zone: str) -> None:
    end = units.parse_end(day, zone, "field")
    assert end == units.parse_start((day + timedelta(days=1)).isoformat(), zone, "field")
    assert end >= units.parse_start(day, zone, "field")


@given(st.dates(date(1970, 1, 2), date(2040, 1, 1)), zones)
def test_no_clock_shows_a_day_before_it_starts(day: date, zone: str) -> None:
    start = units.start_of_day(day, zone)
    rules = ZoneInfo(zone)
    assert units.to_datetime(start).astimezone(rules).date() >= day
    assert units.to_datetime(start - 1).astimezone(rules).date() < day


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("2026-13-01", "not a day of the calendar"),
        ("2023-02-29", "not a day of the calendar"),
        ("0000-00-00", "not a day of the calendar"),
        ("0001-01-01", "out of range"),
        ("1969-12-31", "out of range"),
        ("9999-12-31", "out of range"),
        (date.min, "out of range"),
        (date.max, "out of range"),
        ("10000-01-01", "not a date or an instant"),
        ("2024-7-31", "not a date or an instant"),
        ("2024/07/31", "not a date or an instant"),
        ("20240731", "not a date or an instant"),
        ("31.07.2024", "not a date or an instant"),
        (" 2024-07-31", "not a date or an instant"),
        ("2024-07-31\n", "not a date or an instant"),
        ("٢٠٢٤-07-31", "not a date or an instant"),
        ("24:00", "not a date or an instant"),
        ("", "not a date or an instant"),
        (20240731, "not a date or an instant"),
        (10**18, "not a date or an instant"),
        (None, "not a date or an instant"),
    ],
)
@pytest.mark.parametrize("parse", [units.parse_start, units.parse_end, units.parse_when])
def test_what_is_no_date_is_refused_by_name(
    parse: Callable[[Any, str, str], int], day: Any, why: str
) -> None:
    assert why in refusal(parse, day, "UTC", "field")


def test_a_day_that_begins_before_the_first_instant_is_refused() -> None:
    assert units.parse_start("1970-01-01", "UTC", "field") == 0
    refusal(units.parse_start, "1970-01-01", "Asia/Shanghai", "field")
    refusal(units.parse_end, "9998-12-31", "UTC", "field")


# Lengths of time


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        *[("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("600", 600), (600, 600)],
        *[("1s", 1), (1, 1), ("30d", 2_592_000), (2_592_000, 2_592_000)],
    ],
)
def test_a_length_of_time_is_whole_seconds(typed: str | int, seconds: int) -> None:
    assert units.parse_duration(typed, "field") == seconds


@pytest.mark.parametrize(
    "typed",
    [
        *("0", "0s", 0, "31d", "721h", 2_592_001, "9999999999d", 9_999_999_999),
        *("", "m", "1.5h", "1h30m", "10M", "10 m", " 10m", "10m\n", "-10m", "+10m", "１０m", "1e3"),
        *(-1, 10**10, 10**100, True, 1.5, None, [], b"10m", timedelta(minutes=10), "never"),
    ],
)
def test_another_length_of_time_is_refused(typed: Any) -> None:
    refusal(units.parse_duration, typed, "field")


def test_a_gigantic_length_of_time_is_refused() -> None:
    refusal(units.parse_duration, "9" * 10**7, "field")
    refusal(units.parse_duration, 10**100_000, "field")


# Time zones


@pytest.mark.parametrize("zone", [*ZONES, "Etc/GMT+8", "America/Argentina/Buenos_Aires"])
def test_a_zone_is_named_as_in_the_iana_database(zone: str) -> None:
    assert units.timezone_name(zone, "field") == zone
    assert units.zone_info(zone) is units.zone_info(zone)


@pytest.mark.parametrize(
    "zone",
    [
        *("", " ", "Asia", "Asia/", "/Asia/Shanghai", "Mars/Olympus", "Asia/Shanghai ", "UTC\n"),
        *("../etc/passwd", "../etc", "Asia/../Asia/Shanghai", "/etc/localtime", "C:\\zone", "."),
        *("localtime", "posixrules", "Factory", "right/UTC", "posix/UTC", "tzdata.zi", "zone.tab"),
        *("+08:00", "UTC+8", "中国", "Asia/Shanghai\x00", "\ud800", None, 8, ZoneInfo("UTC")),
    ],
)
def test_another_zone_is_refused(zone: object) -> None:
    assert "Asia/Shanghai" in refusal(units.timezone_name, zone, "field")


def test_a_long_zone_is_refused() -> None:
    refusal(units.timezone_name, "A" * 10**7, "field")
    refusal(units.timezone_name, "A/" * 48 + "A", "field")


def test_a_date_in_an_unknown_zone_names_the_zone() -> None:
    with pytest.raises(InvalidValue, match="Mars/Olympus") as caught:
        units.parse_end("2024-07-31", "Mars/Olympus", "expires")
    assert caught.value.field == "timezone"


# What a start costs


def test_units_do_not_import_what_only_some_commands_need() -> None:
    code = "import sys, tracker.units; print({'decimal', 'zoneinfo'} & set(sys.modules))"
    root = Path(__file__).parents[1]
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root)
    assert printed == "set()\n"
