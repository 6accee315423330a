"""What is refused: text, numbers and instants that cannot be meant, wherever they are given.

A refusal is a TrackerError that names the field and leaves no trace. That being so, the tests of
one database share one ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import MODEL, START, grant, offer, reserve, settle, use, utc
from tracker import InvalidValue, NotFound, TrackerError
from tracker.ledger import Ledger
from tracker.text import show

NUL, SURROGATE, ESCAPE, TURNED = "a\x00b", "a\ud800b", "a\x1b[2Jb", "a\u202eb"
HIDDEN = [NUL, SURROGATE, ESCAPE, TURNED, "a\u200bb", "a\x9bb", "a\rb"]
hidden = pytest.mark.parametrize("text", HIDDEN, ids=ascii)


@pytest.fixture(scope="module")
def ledger(shared_ledger: Ledger) -> Ledger:
    """A ledger the tests of this module share."""
    offer(shared_ledger)
    grant(shared_ledger, 100, "g")
    return shared_ledger


def untouched(ledger: Ledger, call: Callable[[], object], what: str = "") -> TrackerError:
    """Return the refusal of a call that must leave no trace."""
    before = ledger.balance(), ledger.verify()
    try:
        answer = call()
    except TrackerError as refusal:
        assert (ledger.balance(), ledger.verify()) == before, what
        message = str(refusal)
        assert message.isprintable(), what
        assert len(message) < 600, what
        return refusal
    pytest.fail(f"{what} was not refused: {answer!r:.100}")


# Names


@pytest.mark.parametrize("other", ["acme ", " acme", "аcme", "acmе", "acme\n", "", "éa", "ａcme"])
def test_what_looks_like_an_id_and_is_none_is_refused(ledger: Ledger, other: str) -> None:
    error = untouched(ledger, lambda: ledger.add_provider(other))
    assert isinstance(error, InvalidValue)
    assert error.field == "id"
    assert isinstance(untouched(ledger, lambda: grant(ledger, 5, provider=other)), InvalidValue)


# Text


def every_text(ledger: Ledger, text: str) -> dict[str, Callable[[], object]]:
    """Return calls that carry a text, one for every place that takes one."""
    return {
        "add_provider(text)": lambda: ledger.add_provider(text),
        "add_provider('new', name=text)": lambda: ledger.add_provider("new", name=text),
        "add_provider('new', note=text)": lambda: ledger.add_provider("new", note=text),
        "add_provider('new', base_url=text)": lambda: ledger.add_provider("new", base_url=text),
        "add_provider('new', timezone=text)": lambda: ledger.add_provider("new", timezone=text),
        "add_provider('new', currency=text)": lambda: ledger.add_provider("new", currency=text),
        "add_model('acme', text)": lambda: ledger.add_model("acme", text),
        "add_model('acme', 'new', groups=[text])": lambda: ledger.add_model(
            "acme", "new", groups=[text]
        ),
        "add_model('acme', 'new', aliases=[text])": lambda: ledger.add_model(
            "acme", "new", aliases=[text]
        ),
        "add_model('acme', 'new', availability=text)": lambda: ledger.add_model(
            "acme", "new", availability=text
        ),
        "add_model('acme', 'new', available_from=text)": lambda: ledger.add_model(
            "acme", "new", available_from=text
        ),
        "set_price('acme', text, input=1, output=1)": lambda: ledger.set_price(
            "acme", text, input=1, output=1
        ),
        "set_price('acme', MODEL, input=text, output=1)": lambda: ledger.set_price(
            "acme", MODEL, input=text, output=1
        ),
        "set_price('acme', MODEL, input=1, output=1, source=text)": lambda: ledger.set_price(
            "acme", MODEL, input=1, output=1, source=text
        ),
        "set_rate(text, 'CNY', 7)": lambda: ledger.set_rate(text, "CNY", 7),
        "set_rate('USD', 'CNY', 7, source=text)": lambda: ledger.set_rate(
            "USD", "CNY", 7, source=text
        ),
        "grant(ledger, text)": lambda: grant(ledger, text),
        "grant(ledger, 5, text)": lambda: grant(ledger, 5, text),
        "grant(ledger, 5, account=text)": lambda: grant(ledger, 5, account=text),
        "grant(ledger, 5, models=[text])": lambda: grant(ledger, 5, models=[text]),
        "grant(ledger, 5, unit=text)": lambda: grant(ledger, 5, unit=text),
        "grant(ledger, 5, source=text)": lambda: grant(ledger, 5, source=text),
        "grant(ledger, 5, note=text)": lambda: grant(ledger, 5, note=text),
        "grant(ledger, 5, every=text)": lambda: grant(ledger, 5, every=text),
        "grant(ledger, 5, when_used_up=text)": lambda: grant(ledger, 5, when_used_up=text),
        "grant(ledger, 5, expires_at=text)": lambda: grant(ledger, 5, expires_at=text),
        "void_grant(text)": lambda: ledger.void_grant(text),
        "void_grant('g', reason=text)": lambda: ledger.void_grant("g", reason=text),
        "adjust_grant(text, remaining=5, reason='why')": lambda: ledger.adjust_grant(
            text, remaining=5, reason="why"
        ),
        "adjust_grant('g', remaining=5, reason=text)": lambda: ledger.adjust_grant(
            "g", remaining=5, reason=text
        ),
        "adjust_grant('g', remaining=text, reason='why')": lambda: ledger.adjust_grant(
            "g", remaining=text, reason="why"
        ),
        "use(ledger, 5, provider=text)": lambda: use(ledger, 5, provider=text),
        "use(ledger, 5, model=text)": lambda: use(ledger, 5, model=text),
        "use(ledger, 5, account=text)": lambda: use(ledger, 5, account=text),
        "use(ledger, 5, request_id=text)": lambda: use(ledger, 5, request_id=text),
        "use(ledger, 5, project=text)": lambda: use(ledger, 5, project=text),
        "use(ledger, 5, user=text)": lambda: use(ledger, 5, user=text),
        "use(ledger, 5, tags={text: 'value'})": lambda: use(ledger, 5, tags={text: "value"}),
        "use(ledger, 5, tags={'key': text})": lambda: use(ledger, 5, tags={"key": text}),
        "reserve(ledger, 5, model=text)": lambda: reserve(ledger, 5, model=text),
        "reserve(ledger, 5, providers=[text])": lambda: reserve(ledger, 5, providers=[text]),
        "reserve(ledger, 5, exclude=[text])": lambda: reserve(ledger, 5, exclude=[text]),
        "reserve(ledger, 5, policy=text)": lambda: reserve(ledger, 5, policy=text),
        "reserve(ledger, 5, request_id=text)": lambda: reserve(ledger, 5, request_id=text),
        "reserve(ledger, 5, project=text)": lambda: reserve(ledger, 5, project=text),
        "reserve(ledger, 5, max_cash=text)": lambda: reserve(ledger, 5, max_cash=text),
        "reserve(ledger, 5, hold=False, model=text)": lambda: reserve(
            ledger, 5, hold=False, model=text
        ),
        "settle(text, input_tokens=1, output_tokens=1)": lambda: ledger.settle(
            text, input_tokens=1, output_tokens=1
        ),
        "release(text)": lambda: ledger.release(text),
        "void_usage(text)": lambda: ledger.void_usage(text),
        "void_usage('0000000000000', reason=text)": lambda: ledger.void_usage(
            "0000000000000", reason=text
        ),
        "balance(provider=text)": lambda: ledger.balance(provider=text),
        "balance(account=text)": lambda: ledger.balance(account=text),
        "balance(model=text)": lambda: ledger.balance(model=text),
    }


@hidden
def test_text_that_hides_or_controls_is_refused_everywhere(ledger: Ledger, text: str) -> None:
    for place, call in every_text(ledger, text).items():
        error = untouched(ledger, call, place)
        assert isinstance(error, InvalidValue | NotFound), place


@hidden
def test_a_row_with_such_a_text_is_refused_and_the_next_one_is_not(
    ledger: Ledger, text: str
) -> None:
    row = {"provider": "acme", "model": MODEL, "input_tokens": 1, "output_tokens": 0}
    fields = ("provider", "model", "account", "request_id", "project", "user", "source")
    done = ledger.log_many([*(row | {field: text} for field in fields), row])
    assert done.accepted == 1
    assert [one.row for one in done.rejected] == list(range(1, len(fields) + 1))


@pytest.mark.parametrize(
    "text", ["", " ", "\u3000", "a" * 201, "a" * 10**7, 7, b"a", None.__class__]
)
def test_a_project_is_a_text_of_up_to_200_characters(ledger: Ledger, text: Any) -> None:
    error = untouched(ledger, lambda: use(ledger, 5, project=text))
    assert isinstance(error, InvalidValue)
    assert error.field == "project"


@pytest.mark.parametrize("name", [None, 7, b"acme", ["acme"], {"a": 1}, object(), True])
def test_a_name_that_is_no_text_is_refused(ledger: Ledger, name: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: ledger.add_provider(name),
        lambda: ledger.add_model("acme", name),
        lambda: ledger.set_price("acme", name, input=1, output=1),
        lambda: grant(ledger, 5, models=[name]),
        lambda: grant(ledger, 5, account=name),
        lambda: grant(ledger, 5, unit=name),
        lambda: ledger.void_grant(name),
        lambda: ledger.adjust_grant(name, remaining=1, reason="why"),
        lambda: ledger.adjust_grant("g", remaining=1, reason=name),
        lambda: use(ledger, 5, provider=name),
        lambda: use(ledger, 5, model=name),
        lambda: use(ledger, 5, tags={"key": name}),
        lambda: reserve(ledger, 5, model=name),
        lambda: reserve(ledger, 5, policy=name),
        lambda: reserve(ledger, 5, providers=[name]),
        lambda: reserve(ledger, 5, exclude=[name]),
    ]
    for call in calls:
        assert isinstance(untouched(ledger, call), InvalidValue | NotFound)


@pytest.mark.parametrize("names", ["acme", b"acme", 7])
def test_one_name_is_not_a_list_of_names(ledger: Ledger, names: Any) -> None:
    """The letters of a name would be taken for names, and exclude nobody."""
    calls: list[Callable[[], object]] = [
        lambda: reserve(ledger, 5, providers=names),
        lambda: reserve(ledger, 5, exclude=names),
        lambda: reserve(ledger, 5, exclude=names, hold=False),
        lambda: ledger.add_model("acme", "new", groups=names),
        lambda: ledger.add_model("acme", "new", aliases=names),
        lambda: grant(ledger, 5, models=names),
    ]
    for call in calls:
        assert isinstance(untouched(ledger, call), InvalidValue)


# Numbers

TOO_BIG = [2**63, 2**63 - 1, 10**30, 1 << 20_000]
NOT_COUNTS = [
    -1,
    -(2**63),
    True,
    1.0,
    1e3,
    "7",
    " 7",
    "+7",
    "1_000",
    "٧",
    "0x10",
    [],
    {},
    Decimal(7),
]
bad_counts = pytest.mark.parametrize("number", [*TOO_BIG, *NOT_COUNTS], ids=show)


@bad_counts
def test_a_count_is_an_integer_in_range(ledger: Ledger, number: Any) -> None:
    decision = reserve(ledger, 5)
    id = decision.reservation_id
    calls: list[tuple[str, Callable[[], object]]] = [
        ("input_tokens", lambda: use(ledger, number)),
        ("output_tokens", lambda: use(ledger, 1, output_tokens=number)),
        ("cached_tokens", lambda: use(ledger, 1, cached_tokens=number)),
        ("reasoning_tokens", lambda: use(ledger, 1, reasoning_tokens=number)),
        ("input_tokens", lambda: reserve(ledger, number)),
        ("max_output_tokens", lambda: reserve(ledger, 1, max_output_tokens=number)),
        ("ttl_s", lambda: reserve(ledger, 1, ttl_s=number)),
        ("input_tokens", lambda: ledger.settle(id, input_tokens=number, output_tokens=0)),
        ("output_tokens", lambda: ledger.settle(id, input_tokens=0, output_tokens=number)),
        (
            "prompt_tokens",
            lambda: ledger.settle(id, usage={"prompt_tokens": number, "completion_tokens": 1}),
        ),
        ("priority", lambda: grant(ledger, 5, priority=number)),
        ("context_window", lambda: ledger.add_model("acme", "new", context_window=number)),
        ("max_output_tokens", lambda: ledger.add_model("acme", "new", max_output_tokens=number)),
    ]
    for field, call in calls:
        error = untouched(ledger, call)
        assert isinstance(error, InvalidValue)
        assert error.field == field
        assert field in str(error)
    row = {"provider": "acme", "model": MODEL, "input_tokens": number, "output_tokens": 0}
    done = ledger.log_many([row, row | {"input_tokens": 1, "output_tokens": number}])
    assert [one.code for one in done.rejected] == ["invalid_value"] * 2
    assert done.accepted == 0


@pytest.mark.parametrize(
    "amount", [0, -1, -(2**63), 2**62 + 1, 10**30, True, 1.5, "", "x", "-5", "1e3", [], None]
)
def test_a_grant_is_of_1_to_2_to_the_62(ledger: Ledger, amount: Any) -> None:
    error = untouched(ledger, lambda: grant(ledger, amount))
    assert isinstance(error, InvalidValue)
    assert error.field == "amount"


@pytest.mark.parametrize(
    "price",
    [-1, "-1", "-0", "NaN", "Infinity", "1e999", "1,5", "", " 1", "1_0", 0.8, True, None, 10**7,
     Decimal("NaN"), Decimal("-0"), Decimal("Infinity"), Decimal(-1)],
    ids=repr,
)  # fmt: skip
def test_a_price_is_an_exact_number(ledger: Ledger, price: Any) -> None:
    error = untouched(ledger, lambda: ledger.set_price("acme", MODEL, input=price, output=1))
    assert isinstance(error, InvalidValue)
    assert error.field == "input"


@pytest.mark.parametrize("rate", [0, "0", -7, 7.26, "seven", True, None, "1e-12", 10**30])
def test_a_rate_is_more_than_0(ledger: Ledger, rate: Any) -> None:
    error = untouched(ledger, lambda: ledger.set_rate("USD", "CNY", rate))
    assert isinstance(error, InvalidValue)
    assert error.field == "rate"


@pytest.mark.parametrize("cash", [-1, 0.05, "free", True, "NaN"])
def test_a_limit_on_cash_is_an_exact_amount(ledger: Ledger, cash: Any) -> None:
    error = untouched(ledger, lambda: reserve(ledger, 5, max_cash=cash))
    assert isinstance(error, InvalidValue)
    assert error.field == "max_cash"


# Instants


@pytest.mark.parametrize(
    "at",
    [
        datetime(2024, 7, 15), datetime(1969, 12, 31, tzinfo=UTC), datetime.min, datetime.max,
        datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=timezone(timedelta(hours=9))),
        1_721_000_000, 1_721_000_000_000, 10**18, -(10**30), "2024-07-15", True, date(2024, 7, 15),
    ],
    ids=repr,
)  # fmt: skip
def test_an_instant_is_an_aware_datetime_of_our_time(ledger: Ledger, at: Any) -> None:
    decision = reserve(ledger, 5)
    calls: list[Callable[[], object]] = [
        lambda: use(ledger, 5, at=at),
        lambda: reserve(ledger, 5, at=at),
        lambda: reserve(ledger, 5, at=at, hold=False),
        lambda: settle(ledger, decision, 5, at=at),
        lambda: ledger.release(decision.reservation_id, at=at),
        lambda: ledger.void_grant("g", at=at),
        lambda: ledger.adjust_grant("g", remaining=5, at=at, reason="why"),
        lambda: ledger.balance(at=at),
    ]
    for call in calls:
        error = untouched(ledger, call)
        assert isinstance(error, InvalidValue)
        assert error.field == "at"
    row = {"provider": "acme", "model": MODEL, "input_tokens": 1, "output_tokens": 0, "at": at}
    assert [one.code for one in ledger.log_many([row]).rejected] == ["invalid_value"]


@pytest.mark.parametrize(
    "day",
    ["2026-13-01", "2026-02-30", "0000-00-00", "10000-01-01", "9999-12-31", "1969-12-31",
     "2024-07-15T12:00:00", "2024-07-15T12:00:60Z", "2024-07-15T25:00:00Z", "24:00", "today",
     "1721000000", "", 1_721_000_000, True, datetime(2024, 7, 15)],
    ids=repr,
)  # fmt: skip
def test_an_expiry_is_a_date_or_an_instant_with_an_offset(ledger: Ledger, day: Any) -> None:
    error = untouched(ledger, lambda: grant(ledger, 5, expires_at=day))
    assert isinstance(error, InvalidValue)
    assert error.field == "expires_at"
    error = untouched(ledger, lambda: grant(ledger, 5, starts_at=day))
    assert isinstance(error, InvalidValue)
    assert error.field == "starts_at"


def test_what_has_yet_to_happen_is_not_recorded(ledger: Ledger) -> None:
    soon, later = START + timedelta(minutes=5), START + timedelta(minutes=5, microseconds=1)
    assert use(ledger, 5, at=soon).at == soon
    for call in (use, reserve):
        error = untouched(ledger, lambda call=call: call(ledger, 5, at=later))
        assert isinstance(error, InvalidValue)
        assert error.field == "at"


def test_a_grant_that_would_never_be_active_is_refused(ledger: Ledger) -> None:
    at = utc("2024-07-20")
    for ends in (at, at - timedelta(microseconds=1)):
        error = untouched(ledger, lambda ends=ends: grant(ledger, 5, starts_at=at, expires_at=ends))
        assert isinstance(error, InvalidValue)
        assert error.field == "expires_at"
