"""Catalogues: loading adds what is new and overwrites nothing; templates become grants."""

from __future__ import annotations

from dataclasses import astuple
from datetime import date

import pytest

from tests.builders import Clock, buckets, held, offer, reserve, utc
from tracker import InvalidValue, Ledger, NotFound
from tracker.catalogue import loader
from tracker.service.loading import claim, load_catalogue, templates
from tracker.service.opened import Opened

FIRST = """
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
groups = ["chat"]

[[price]]
provider = "acme"
model = "Big-8K"
input = "8"
output = "8"
valid_from = 2024-07-01
valid_from_basis = "stated"
sources = ["page"]
checked_on = 2024-07-01
confidence = "high"

[[grant]]
id = "welcome"
provider = "acme"
models = ["*"]
unit = "tokens"
amount = 1_000
held = true
starts_on = 2024-07-01
starts_basis = "announced"
ends_on = 2024-07-31
when_used_up = "unknown"
sources = ["page"]
checked_on = 2024-07-01
confidence = "low"

[[grant]]
id = "gift"
provider = "acme"
models = ["big-*"]
unit = "tokens"
amount = 500
claim_from = 2024-07-01
claim_until = 2024-07-20
valid_for = "30 days"
when_used_up = "stops"
sources = ["page"]
checked_on = 2024-07-01
confidence = "low"

[[grant]]
id = "some"
provider = "acme"
models = ["*"]
unit = "tokens"
ends = "unknown"
when_used_up = "unknown"
sources = ["page"]
checked_on = 2024-07-01
confidence = "low"
unknown = ["amount"]
"""
SECOND = (
    (
        FIRST.replace("version = 1", "version = 2")
        .replace('name = "Acme"', 'name = "Acme Incorporated"')
        .replace('groups = ["chat"]', 'groups = ["chat", "chat-large"]')
        .replace("amount = 1_000", "amount = 9_000")
        .replace('input = "8"', 'input = "9"')
    )
    + """
[[model]]
provider = "acme"
id = "Small"
name = "Small"

[[price]]
provider = "acme"
model = "Big-8K"
input = "4"
output = "4"
valid_from = 2024-07-16
valid_from_basis = "stated"
sources = ["page"]
checked_on = 2024-07-16
confidence = "high"
"""
)


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    publish(monkeypatch, FIRST)
    return monkeypatch


def publish(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """Make a text the catalogue called `mine`."""
    parsed = loader.parse(content, "mine")
    monkeypatch.setattr(loader, "load", lambda name: parsed)


def added(opened: Opened, name: str = "mine") -> tuple[int, ...]:
    """Load a catalogue and return how many providers, models, prices, templates and grants."""
    return astuple(load_catalogue(opened, name))[2:]


def test_loading_twice_adds_nothing(opened: Opened, ledger: Ledger, mine: object) -> None:
    assert added(opened) == (1, 1, 1, 3, 1)
    before = ledger.balance(), ledger.verify()
    assert added(opened) == (0, 0, 0, 0, 0)
    assert (ledger.balance(), ledger.verify()) == before


def test_a_newer_version_adds_what_is_new_and_overwrites_nothing(
    opened: Opened, ledger: Ledger, clock: Clock, mine: pytest.MonkeyPatch
) -> None:
    added(opened)
    publish(mine, SECOND)
    assert added(opened) == (0, 1, 1, 0, 0)
    assert held(ledger, "welcome").amount == 1_000
    assert reserve(ledger, 1_000, hold=False).expected_list.text() == "0.008"
    clock.set("2024-07-16")
    assert reserve(ledger, 1_000, hold=False).expected_list.text() == "0.004"
    with pytest.raises(NotFound):
        reserve(ledger, 1, model="chat-large")


def test_what_a_user_recorded_stays(opened: Opened, ledger: Ledger, mine: object) -> None:
    offer(ledger, model="big-8k", price=1)
    ledger.add_grant("acme", 7, id="welcome")
    assert added(opened) == (0, 0, 1, 3, 0)
    assert held(ledger, "welcome").amount == 7


def test_a_held_grant_is_there_with_its_own_days(
    opened: Opened, ledger: Ledger, mine: object
) -> None:
    added(opened)
    one = held(ledger, "welcome")
    assert (one.starts_at, one.expires_at) == (
        utc("2024-06-30T16:00:00"),
        utc("2024-07-31T16:00:00"),
    )
    assert buckets(ledger, "welcome") == (1_000, 0, 0, 0)


def test_a_catalogue_nobody_wrote_is_not_found(opened: Opened) -> None:
    with pytest.raises(NotFound, match="china-2024-07"):
        load_catalogue(opened, "nobody")


def test_the_catalogue_of_july_2024_makes_a_working_ledger(opened: Opened, ledger: Ledger) -> None:
    assert all(added(opened, "china-2024-07"))
    assert added(opened, "china-2024-07") == (0, 0, 0, 0, 0)
    assert ledger.verify().problems == ()
    tencent = [one for one in ledger.balance().grants if one.provider == "tencent"]
    assert [one.expires_at for one in tencent if one.amount == 100_000_000] == [
        utc("2024-07-31T16:00:00")
    ]
    assert reserve(ledger, 2_000, free_only=True).free


# Claiming


def test_a_template_is_claimed_from_a_day_on(opened: Opened, ledger: Ledger, mine: object) -> None:
    added(opened)
    given = claim(opened, "GIFT", on=date(2024, 7, 10))
    assert (given.id, given.amount, given.models) == ("gift", 500, ("big-*",))
    assert given.starts_at == utc("2024-07-09T16:00:00")
    assert given.expires_at == utc("2024-08-08T16:00:00")
    assert given.when_used_up == "stops"
    assert claim(opened, "gift", on=date(2024, 7, 10)) == given
    assert buckets(ledger, "gift") == (500, 0, 0, 0)


def test_today_is_the_day_at_the_provider(opened: Opened, clock: Clock, mine: object) -> None:
    added(opened)
    clock.set("2024-07-20T15:59:59")
    assert claim(opened, "gift").starts_at == utc("2024-07-19T16:00:00")
    clock.set("2024-07-20T16:00:00")
    with pytest.raises(InvalidValue, match="2024-07-20"):
        claim(opened, "gift", account="second")


def test_every_account_claims_for_itself(opened: Opened, ledger: Ledger, mine: object) -> None:
    added(opened)
    day = date(2024, 7, 10)
    assert claim(opened, "gift", on=day).id == "gift"
    assert claim(opened, "gift", on=day, account="second").id == "gift-second"
    assert held(ledger, "gift-second").account == "second"


@pytest.mark.parametrize("day", [date(2024, 6, 30), date(2024, 7, 21)])
def test_outside_its_days_nothing_is_claimed(
    opened: Opened, ledger: Ledger, day: date, mine: object
) -> None:
    added(opened)
    with pytest.raises(InvalidValue):
        claim(opened, "gift", on=day)
    assert [one.id for one in ledger.balance().grants] == ["welcome"]


def test_an_amount_nobody_knows_must_be_given(opened: Opened, mine: object) -> None:
    added(opened)
    with pytest.raises(InvalidValue) as refusal:
        claim(opened, "some")
    assert refusal.value.field == "amount"
    given = claim(opened, "some", amount="2k")
    assert (given.amount, given.expires_at, given.ends_known) == (2_000, None, False)


def test_a_template_nobody_loaded_is_not_found(opened: Opened) -> None:
    with pytest.raises(NotFound):
        claim(opened, "gift")
    assert templates(opened) == []
