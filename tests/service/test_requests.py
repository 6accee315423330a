"""One request id, one answer: a repeat is safe, something else under the same id is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import tracker
from tests.builders import (
    MODEL,
    Clock,
    buckets,
    grant,
    offer,
    release,
    reserve,
    settle,
    use,
    utc,
)
from tracker import NoOffer, RequestConflict
from tracker.ledger import Ledger


@pytest.fixture(autouse=True)
def acme(ledger: Ledger) -> None:
    offer(ledger)


# Reservations


def test_a_repeated_reservation_is_the_first_one(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    first = reserve(ledger, 40, request_id="r", explain=True, project="search")
    clock.advance(seconds=1)
    assert reserve(ledger, 40, request_id="r", explain=True, project="search") == first
    assert buckets(ledger, "g") == (60, 40, 0, 0)


def test_without_a_request_id_every_reservation_is_new(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    assert reserve(ledger, 40).reservation_id != reserve(ledger, 40).reservation_id
    assert buckets(ledger, "g") == (20, 80, 0, 0)


@pytest.mark.parametrize("ending", ["settled", "released", "expired"])
def test_a_repeated_reservation_is_the_first_one_however_that_ended(
    ledger: Ledger, clock: Clock, ending: str
) -> None:
    grant(ledger, 100, "g")
    first = reserve(ledger, 40, request_id="r")
    if ending == "settled":
        settle(ledger, first, 40)
    elif ending == "released":
        release(ledger, first)
    else:
        clock.advance(hours=1)
    before = ledger.balance()
    assert reserve(ledger, 40, request_id="r") == first
    assert ledger.balance() == before


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"model": MODEL}, "model"),
        ({"tokens": 41}, "input_tokens"),
        ({"max_output_tokens": 1}, "max_output_tokens"),
        ({"free_only": True}, "free_only"),
        ({"max_cash": "1"}, "max_cash"),
        ({"providers": ["acme"]}, "providers"),
        ({"exclude": ["acme"]}, "exclude"),
        ({"ttl_s": 601}, "ttl_s"),
        ({"project": "other"}, "project"),
        ({"user": "other"}, "user"),
        ({"tags": {"a": "b"}}, "tags"),
        ({"at": utc("2024-07-15")}, "at"),
    ],
)
def test_a_reservation_with_another_body_is_refused_and_names_what_differs(
    ledger: Ledger, other: dict[str, Any], field: str
) -> None:
    grant(ledger, 100, "g")
    reserve(ledger, 40, request_id="r")
    before = ledger.balance()
    with pytest.raises(RequestConflict, match=field) as conflict:
        reserve(ledger, **{"tokens": 40, "request_id": "r"} | other)
    assert conflict.value.field == field
    assert ledger.balance() == before


@pytest.mark.parametrize("ending", ["settled", "released", "expired"])
def test_an_id_is_taken_for_good_however_the_first_request_ended(
    ledger: Ledger, clock: Clock, ending: str
) -> None:
    grant(ledger, 100, "g")
    first = reserve(ledger, 40, request_id="r")
    if ending == "settled":
        settle(ledger, first, 40)
    elif ending == "released":
        release(ledger, first)
    else:
        clock.advance(hours=1)
    with pytest.raises(RequestConflict):
        reserve(ledger, 41, request_id="r")


def test_a_refused_reservation_is_refused_again_though_there_is_credit_now(ledger: Ledger) -> None:
    with pytest.raises(NoOffer) as first:
        reserve(ledger, 40, request_id="r", free_only=True)
    grant(ledger, 100, "g")
    with pytest.raises(NoOffer) as second:
        reserve(ledger, 40, request_id="r", free_only=True)
    assert str(second.value) == str(first.value)
    assert second.value.reasons == first.value.reasons
    assert second.value.reasons
    assert buckets(ledger, "g") == (100, 0, 0, 0)


def test_the_id_of_a_refused_reservation_is_taken_too(ledger: Ledger) -> None:
    with pytest.raises(NoOffer):
        reserve(ledger, 40, request_id="r", free_only=True)
    grant(ledger, 100, "g")
    with pytest.raises(RequestConflict) as conflict:
        reserve(ledger, 30, request_id="r", free_only=True)
    assert conflict.value.field == "input_tokens"


@pytest.mark.parametrize(
    "bad",
    [{"ttl_s": 0}, {"tokens": -1}, {"policy": "dearest"}, {"model": "nobody"}, {"project": "\n"}],
)
def test_a_request_that_makes_no_sense_takes_no_id(ledger: Ledger, bad: dict[str, Any]) -> None:
    grant(ledger, 100, "g")
    good = {"tokens": 40, "request_id": "r"}
    with pytest.raises(tracker.TrackerError):
        reserve(ledger, **good | bad)
    assert reserve(ledger, **good).covered_tokens == 40


def test_one_id_of_a_reservation_and_of_a_log_are_two(ledger: Ledger) -> None:
    settle(ledger, reserve(ledger, 5, request_id="r"), 5)
    assert use(ledger, 7, request_id="r").input_tokens == 7
    assert ledger.verify().ok


# Usage


def test_a_call_logged_twice_is_recorded_once(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    first = use(ledger, 40, request_id="r", tags={"b": "2", "a": "1"}, at=utc("2024-07-15"))
    clock.advance(hours=1)
    again = use(ledger, 40, request_id="r", tags={"a": "1", "b": "2"}, at=utc("2024-07-15"))
    assert again == first
    assert buckets(ledger, "g") == (60, 0, 40, 0)


def test_a_call_may_be_logged_again_without_its_time(ledger: Ledger, clock: Clock) -> None:
    first = use(ledger, 40, request_id="r")
    clock.advance(hours=1)
    assert use(ledger, 40, request_id="r") == first


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"tokens": 41}, "input_tokens"),
        ({"output_tokens": 1}, "output_tokens"),
        ({"cached_tokens": 1}, "cached_tokens"),
        ({"output_tokens": 0, "model": "acme-lite"}, "model"),
        ({"provider": "other", "model": MODEL}, "provider"),
        ({"account": "second"}, "account"),
        ({"project": "other"}, "project"),
        ({"user": "other"}, "user"),
        ({"tags": {"a": "b"}}, "tags"),
        ({"at": utc("2024-07-14")}, "at"),
    ],
)
def test_a_call_with_another_body_is_refused_and_names_what_differs(
    ledger: Ledger, other: dict[str, Any], field: str
) -> None:
    offer(ledger, model="acme-lite")
    offer(ledger, "other")
    use(ledger, 40, request_id="r")
    with pytest.raises(RequestConflict, match=field) as conflict:
        use(ledger, **{"tokens": 40, "request_id": "r"} | other)
    assert conflict.value.field == field


def test_a_model_by_its_other_name_is_the_same_body(ledger: Ledger) -> None:
    ledger.add_model("acme", "Acme-Big", aliases=["big"])
    ledger.set_price("acme", "big", input=1, output=1)
    first = use(ledger, 5, model="Acme-Big", request_id="r")
    assert use(ledger, 5, model="BIG", request_id="r") == first


def test_a_voided_call_logged_again_stays_voided(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    first = use(ledger, 40, request_id="r")
    ledger.void_usage(first.id)
    assert use(ledger, 40, request_id="r") == dataclasses.replace(first, voided=True)
    assert buckets(ledger, "g") == (100, 0, 0, 0)


# Logs


ROW = {"provider": "acme", "model": MODEL, "input_tokens": 10, "output_tokens": 1}


def test_an_import_repeated_adds_nothing(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    rows = [ROW | {"request_id": f"r{number}"} for number in range(5)]
    first = ledger.log_many(rows)
    assert (first.accepted, first.duplicates, first.rejected) == (5, 0, ())
    again = ledger.log_many([*reversed(rows), ROW | {"request_id": "new"}])
    assert (again.accepted, again.duplicates, again.rejected) == (1, 5, ())
    assert buckets(ledger, "g") == (34, 0, 66, 0)


def test_a_row_twice_in_one_import_is_recorded_once(ledger: Ledger) -> None:
    done = ledger.log_many([ROW | {"request_id": "r"}] * 3)
    assert (done.accepted, done.duplicates) == (1, 2)


def test_rows_without_an_id_are_always_new(ledger: Ledger) -> None:
    assert ledger.log_many([ROW, ROW]).accepted == 2
    assert ledger.log_many([ROW]).accepted == 1


def test_one_id_of_two_sources_is_two_calls(ledger: Ledger) -> None:
    rows = [ROW | {"request_id": "r", "source": source} for source in ("litellm", "one-api")]
    assert ledger.log_many(rows).accepted == 2
    assert ledger.log_many([ROW | {"request_id": "r"}]).accepted == 1
    assert ledger.verify().ok


def test_a_log_cannot_pass_for_our_own_reservations(ledger: Ledger) -> None:
    settle(ledger, reserve(ledger, 5, request_id="r"), 5)
    done = ledger.log_many(
        [ROW | {"request_id": "r", "source": "route"}, ROW | {"source": "route"}]
    )
    assert [one.code for one in done.rejected] == ["invalid_value"] * 2
    assert ledger.verify().problems == ()


def test_a_row_that_is_refused_is_named_and_the_others_are_recorded(ledger: Ledger) -> None:
    done = ledger.log_many(
        [
            ROW | {"request_id": "a"},
            ROW | {"input_tokens": -1},
            ROW | {"model": "nobody"},
            ROW | {"request_id": "a", "output_tokens": 2},
            ROW | {"at": utc("2030-01-01")},
            {"provider": "acme"},
            ROW | {"colour": "red"},
            "not a row",
            ROW | {"request_id": "b"},
        ]
    )
    assert (done.accepted, done.duplicates) == (2, 0)
    assert [(one.row, one.code) for one in done.rejected] == [
        (2, "invalid_value"),
        (3, "not_found"),
        (4, "request_conflict"),
        (5, "invalid_value"),
        (6, "invalid_value"),
        (7, "invalid_value"),
        (8, "invalid_value"),
    ]


def test_a_log_and_single_calls_give_the_same_ledger(ledger: Ledger) -> None:
    rows = [
        ROW | {"request_id": f"r{number}", "at": utc(f"2024-07-{day:02d}")}
        for number, day in enumerate((3, 14, 1, 9, 14, 2))
    ]
    for name, account in (("one", "default"), ("many", "second")):
        for day in (1, 2, 9):
            grant(
                ledger, 20, f"{name}-{day}", account=account,
                starts_at=utc(f"2024-07-{day:02d}"), expires_at=utc(f"2024-07-{day + 3:02d}"),
            )  # fmt: skip
    singles = [ledger.log_usage(**row) for row in rows]
    done = ledger.log_many(row | {"account": "second", "source": "x"} for row in rows)
    assert done.accepted == len(rows)
    for day in (1, 2, 9):
        assert buckets(ledger, f"one-{day}") == buckets(ledger, f"many-{day}")
    assert sum(one.overage_tokens for one in singles) == 66 - sum(
        one.spent for one in ledger.balance(account="second").grants
    )
    assert ledger.verify().problems == ()
