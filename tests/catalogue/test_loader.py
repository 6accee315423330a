from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from tracker import units
from tracker.catalogue import loader
from tracker.catalogue.loader import Catalogue, GrantTemplate, Lifetime
from tracker.errors import InvalidValue, NotFound

HEAD = """
[catalogue]
name = "mine"
version = 1
title = "Mine"
compiled_on = 2024-07-01

[[source]]
id = "page"
title = "A page"

[[provider]]
id = "acme"
name = "Acme"
currency = "CNY"
timezone = "Asia/Shanghai"

[[model]]
provider = "acme"
id = "Big-8K"
name = "Big"
aliases = ["old-big"]
"""

PRICE = {
    "provider": '"acme"',
    "model": '"big-8k"',
    "input": '"0.8"',
    "output": '"2"',
    "valid_from": "2024-07-01",
    "valid_from_basis": '"stated"',
    "sources": '["page"]',
    "checked_on": "2024-07-01",
    "confidence": '"high"',
}

GRANT = {
    "id": '"gift"',
    "provider": '"acme"',
    "models": '["*"]',
    "unit": '"tokens"',
    "amount": "1_000_000",
    "ends": '"unknown"',
    "when_used_up": '"unknown"',
    "sources": '["page"]',
    "checked_on": "2024-07-01",
    "confidence": '"low"',
}


def at(instant: str) -> int:
    return units.parse_instant(instant, "at")


def table(kind: str, base: dict[str, str], **changes: str | None) -> str:
    """Write a table; a change to None leaves the key out."""
    lines = [f"{key} = {value}" for key, value in (base | changes).items() if value is not None]
    return "\n".join([f"[[{kind}]]", *lines, ""])


def price(**changes: str | None) -> str:
    return table("price", PRICE, **changes)


def grant(**changes: str | None) -> str:
    return table("grant", GRANT, **changes)


def parse(*parts: str) -> Catalogue:
    return loader.parse(HEAD + "\n" + "\n".join(parts), "mine.toml")


def template(**changes: str | None) -> GrantTemplate:
    (found,) = parse(grant(**changes)).grants
    return found


# What is read


def test_a_small_catalogue_is_read_with_days_in_the_providers_zone() -> None:
    catalogue = parse(price(), grant(ends=None, ends_on="2024-07-31"))

    assert catalogue.prices[0].valid_from == at("2024-06-30T16:00:00Z")
    assert catalogue.prices[0].input_micro_per_mtok == 800_000
    assert catalogue.prices[0].cached_input_micro_per_mtok is None
    assert catalogue.grants[0].expires_at == at("2024-07-31T16:00:00Z")
    assert catalogue.grants[0].amount == 1_000_000
    assert not catalogue.grants[0].held


def test_a_price_takes_its_currency_from_the_provider_and_its_models_spelling() -> None:
    own, foreign = parse(price(), price(valid_from="2024-08-01", currency='"usd"')).prices

    assert (own.model, own.currency) == ("Big-8K", "CNY")
    assert foreign.currency == "USD"


def test_days_and_instants_may_be_toml_dates_or_text() -> None:
    for written in ("2024-07-31", '"2024-07-31"', "2024-08-01T00:00:00+08:00"):
        end = template(ends=None, ends_on=written).expires_at
        assert end == at("2024-07-31T16:00:00Z"), written


def test_credit_in_money_is_kept_in_nano_units() -> None:
    credit = template(unit='"cny"', amount='"36.5"')

    assert (credit.unit, credit.amount) == ("CNY", 36_500_000_000)


def test_an_amount_nobody_knows_stays_unknown() -> None:
    assert template(amount=None).amount is None


def test_an_end_is_known_unknown_or_never() -> None:
    assert not template(ends='"unknown"').ends_known
    never = template(ends='"never"')
    assert (never.ends_known, never.expires_at, never.valid_for) == (True, None, None)
    assert template(ends=None, valid_for='"1 month"').valid_for == Lifetime(1, "months")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    assert loader.parse("\ufeff" + HEAD.replace("\n", "\r\n"), "mine.toml").name == "mine"


def test_values_are_frozen() -> None:
    catalogue = parse()
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalogue.version = 2  # type: ignore[misc]


def test_an_unknown_built_in_names_the_known_ones() -> None:
    for name in ("atlantis", "", "../loader", "china-2024-07.toml"):
        with pytest.raises(NotFound, match="choose china-2024-07"):
            loader.load(name)


# What is refused


@pytest.mark.parametrize(
    ("part", "complaint", "key"),
    [
        (price(imput='"1"'), "price acme big-8k 2024-07-01: 'imput' is not a key", "imput"),
        (price(input=None), "price acme big-8k 2024-07-01: input is missing", "input"),
        (price(input="0.8"), "input: 0.8 is not a decimal text", "input"),
        (price(input='"-1"'), "input: '-1' is not an exact number >= 0", "input"),
        (price(output='"free"'), "output: 'free' is not an exact number", "output"),
        (price(provider='"acne"'), "provider: acne is not in this catalogue", "provider"),
        (price(model='"small"'), "model: 'small' is not the id of a model of acme", "model"),
        (price(model='"old-big"'), "model: 'old-big' is not the id of a model", "model"),
        (price(sources='["pages"]'), "sources: pages is not in this catalogue", "sources"),
        (price(sources="[]"), "name at least one source", "sources"),
        (price(sources='"page"'), "sources: 'page' is not a list", "sources"),
        (price(confidence='"sure"'), "confidence: 'sure' is not one of high, medium", "confidence"),
        (price(valid_from_basis=None), "valid_from_basis is missing", "valid_from_basis"),
        (price(valid_from='"2024-02-30"'), "'2024-02-30' is not a day of the", "valid_from"),
        (price(valid_from="2024-07-01T00:00:00"), "has no time zone", "valid_from"),
        (price(valid_from="08:00:00"), "is not a date or an instant", "valid_from"),
        (price(valid_from="20240701"), "is not a date or an instant", "valid_from"),
        (price(checked_on='"20240701"'), "checked_on: '20240701' is not a day", "checked_on"),
        (price(checked_on='"2024-02-30"'), "'2024-02-30' is not a day", "checked_on"),
        (price(checked_on="2024-07-01T00:00:00Z"), "is not a day", "checked_on"),
        (price(currency='"yuan"'), "currency: 'yuan' is not a currency", "currency"),
        (price() + price(model='"BIG-8K"'), "price acme BIG-8K 2024-07-01: given twice", None),
        (grant(amount="1.5"), "grant gift: amount: 1.5 is not an integer", "amount"),
        (grant(amount="0"), "grant gift: amount: 0 is out of range", "amount"),
        (grant(amount="true"), "amount: True is not an integer", "amount"),
        (grant(amount='"50m"'), "amount: '50m' is not an integer", "amount"),
        (grant(unit='"CNY"', amount="15"), "amount: 15 is not a decimal text", "amount"),
        (grant(unit='"CNY"', amount='"0"'), "amount: 0 is out of range", "amount"),
        (grant(unit='"token"'), "'token' is not a currency", "unit"),
        (grant(models="[]"), "models: name at least one", "models"),
        (grant(models=None), "models: name at least one", "models"),
        (grant(ends=None), "ends: write ends_on, valid_for or both", "ends"),
        (grant(ends_on="2024-07-31"), "ends: write ends_on, valid_for or both", "ends"),
        (grant(ends='"soon"'), "ends: 'soon' is not one of never, unknown", "ends"),
        (grant(ends=None, valid_for='"a while"'), "'a while' is not a life", "valid_for"),
        (grant(ends=None, valid_for='"0 days"'), "'0 days' is not a life", "valid_for"),
        (grant(ends=None, valid_for="30"), "30 is not a life", "valid_for"),
        (grant(starts_on="2024-07-01"), "starts_basis is missing", "starts_basis"),
        (grant(starts_basis='"announced"'), "there is no starts_on", "starts_basis"),
        (grant(held="true"), "credit that is held needs amount and starts_on", "held"),
        (grant(held='"yes"'), "held: 'yes' is neither true nor false", "held"),
        (
            grant(
                held="true",
                starts_on="2024-07-01",
                starts_basis='"announced"',
                ends=None,
                valid_for='"30 days"',
            ),
            "counts from a claim",
            "held",
        ),
        (
            grant(
                starts_on="2024-07-01",
                starts_basis='"announced"',
                ends=None,
                ends_on="2024-06-30",
            ),
            "ends_on: is not after its start",
            "ends_on",
        ),
        (
            grant(claim_from="2024-07-02", claim_until="2024-07-01"),
            "claim_until: is not after its start",
            "claim_until",
        ),
        (grant(when_used_up=None), "when_used_up is missing", "when_used_up"),
        (grant() + grant(), "grant gift: given twice", "id"),
        (grant(id='"two words"'), "grant two words: id: 'two words' is not an id", "id"),
        (grant(id=None), "grant number 1: id is missing", "id"),
        (grant(id='"a\\u001b[2Jb"'), r"grant a\x1b[2Jb: id:", "id"),
        (grant(note='"a\\u202eb"'), "note: 'a\\u202eb' contains an invisible", "note"),
        ("[offer]", "mine.toml: 'offer' is not a key; choose catalogue, source", "offer"),
        ("[price]", "mine.toml: price: write each one as [[price]]", "price"),
        ("[[event]]\nid = 'x'", "mine.toml: event x: title is missing", "title"),
    ],
)
def test_a_bad_entry_is_refused_by_name(part: str, complaint: str, key: str | None) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse(part)

    assert complaint in str(caught.value)
    assert str(caught.value).startswith("mine.toml: ")
    assert key is None or caught.value.field == key


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[catalogue]", "[catalog]", "'catalog' is not a key"),
        ('name = "mine"', "", "[catalogue]: name is missing"),
        ("version = 1", 'version = "1"', "version: '1' is not an integer"),
        ('"Asia/Shanghai"', '"Asia/Beijing"', "provider acme: timezone: 'Asia/Beijing' is not"),
        ('name = "Acme"', 'name = ""', "provider acme: name: '' is blank"),
        ('name = "Acme"', 'name = "Acme"\nbase_url = "acme.cn"', "base_url: 'acme.cn' is not a"),
        ('title = "A page"', 'title = "A page"\ndate = "2024-13"', "date: '2024-13' is not a day"),
        ('aliases = ["old-big"]', "context_window = 0", "context_window: 0 is out of range"),
        (
            'aliases = ["old-big"]',
            "available_from = 2024-07-09\navailable_until = 2024-07-08",
            "model acme Big-8K: available_until: is not after its start",
        ),
        (
            'aliases = ["old-big"]',
            '[[model]]\nprovider = "acme"\nid = "x"\nname = "X"\naliases = ["BIG-8k"]',
            "model acme x: given twice; aliases count as well",
        ),
        ("[catalogue]", "[catalogue", "not TOML: "),
        ("version = 1", f"version = {'9' * 5000}", "not TOML: "),
    ],
)
def test_a_bad_head_is_refused_by_name(old: str, new: str, complaint: str) -> None:
    assert old in HEAD
    with pytest.raises(InvalidValue) as caught:
        loader.parse(HEAD.replace(old, new), "mine.toml")

    assert complaint in str(caught.value)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"mine.toml: needs one \[catalogue\] table"):
        loader.parse("", "mine.toml")


# Claiming


@pytest.mark.parametrize(
    ("claimed_on", "life", "first_day_after"),
    [
        (date(2025, 2, 15), "1 month", "2025-03-15"),
        (date(2025, 2, 15), "12 months", "2026-02-15"),
        (date(2024, 12, 31), "1 month", "2025-01-31"),
        (date(2025, 1, 30), "1 month", "2025-03-01"),
        (date(2025, 1, 31), "1 month", "2025-03-01"),
        (date(2024, 1, 31), "1 month", "2024-03-01"),
        (date(2024, 1, 29), "1 month", "2024-02-29"),
        (date(2024, 2, 29), "12 months", "2025-03-01"),
        (date(2024, 2, 29), "48 months", "2028-02-29"),
        (date(2024, 10, 31), "1 month", "2024-12-01"),
        (date(2024, 11, 30), "1 month", "2024-12-30"),
        (date(2024, 2, 15), "30 days", "2024-03-16"),
        (date(2025, 2, 15), "30 days", "2025-03-17"),
        (date(2024, 7, 1), "1 day", "2024-07-02"),
        (date(2024, 7, 15), "180 days", "2025-01-11"),
    ],
)
def test_the_day_of_activation_is_day_one(
    claimed_on: date, life: str, first_day_after: str
) -> None:
    offer = template(ends=None, valid_for=f'"{life}"')

    assert str(offer.valid_for) == life
    assert loader.claim_period(offer, "Asia/Shanghai", claimed_on) == (
        at(f"{claimed_on}T00:00:00+08:00"),
        at(f"{first_day_after}T00:00:00+08:00"),
        True,
    )


def test_days_of_a_life_are_local_even_where_one_has_23_hours() -> None:
    offer = template(ends=None, valid_for='"1 day"')

    starts_at, expires_at, _ = loader.claim_period(offer, "Europe/Berlin", date(2024, 3, 31))

    assert expires_at is not None
    assert expires_at - starts_at == 23 * 3600 * units.MICROS


def test_the_earlier_of_two_ends_wins() -> None:
    offer = template(ends=None, valid_for='"30 days"', ends_on="2024-07-31")

    def last(claimed_on: date) -> int | None:
        return loader.claim_period(offer, "Asia/Shanghai", claimed_on)[1]

    assert last(date(2024, 6, 1)) == at("2024-07-01T00:00:00+08:00")
    assert last(date(2024, 7, 2)) == at("2024-08-01T00:00:00+08:00")
    assert last(date(2024, 7, 31)) == at("2024-08-01T00:00:00+08:00")


def test_a_claim_tells_an_unknown_end_from_none() -> None:
    starts_at = at("2024-07-01T00:00:00+08:00")
    for ends, known in (("unknown", False), ("never", True)):
        offer = template(ends=f'"{ends}"')
        period = loader.claim_period(offer, "Asia/Shanghai", date(2024, 7, 1))
        assert period == (starts_at, None, known)


def test_a_window_that_opens_at_noon_is_open_that_day_from_noon_on() -> None:
    offer = template(
        claim_from="2024-07-01T12:00:00+08:00", claim_until="2024-07-03T12:00:00+08:00"
    )

    def starts_at(day: int) -> int:
        return loader.claim_period(offer, "Asia/Shanghai", date(2024, 7, day))[0]

    assert starts_at(1) == at("2024-07-01T12:00:00+08:00")
    assert starts_at(3) == at("2024-07-03T00:00:00+08:00")
    for day, complaint in ((4, "claims closed with 2024-07-03"), (30, "claims closed")):
        with pytest.raises(InvalidValue, match=complaint) as caught:
            starts_at(day)
        assert caught.value.field == "claimed_on"
    with pytest.raises(InvalidValue, match="claims open on 2024-07-01"):
        loader.claim_period(offer, "Asia/Shanghai", date(2024, 6, 30))


def test_a_claim_before_the_first_report_counts() -> None:
    offer = template(starts_on="2024-07-10", starts_basis='"first reported"')

    period = loader.claim_period(offer, "Asia/Shanghai", date(2024, 7, 1))

    assert period[0] == at("2024-07-01T00:00:00+08:00")


@pytest.mark.parametrize("claimed_on", [date(9998, 12, 31), date(9999, 12, 31), date.min])
def test_a_claim_beyond_the_calendar_is_refused(claimed_on: date) -> None:
    for life in ("9999 days", "9999 months", "12 months"):
        offer = template(ends=None, valid_for=f'"{life}"')
        with pytest.raises(InvalidValue):
            loader.claim_period(offer, "Asia/Shanghai", claimed_on)
