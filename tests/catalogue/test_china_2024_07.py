"""The figures of July 2024, written out a second time: a slip in the file fails here."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime

import pytest

from tracker import text, units
from tracker.catalogue import loader
from tracker.catalogue.loader import Catalogue, GrantTemplate, Model, Price
from tracker.errors import InvalidValue

JULY_STARTS = "2024-06-30T16:00:00Z"  # 1 July in Shanghai
JULY_ENDS = "2024-07-31T16:00:00Z"


def at(instant: str) -> int:
    return units.parse_instant(instant, "at")


@pytest.fixture(scope="module")
def china() -> Catalogue:
    return loader.load("china-2024-07")


def grant(catalogue: Catalogue, template_id: str) -> GrantTemplate:
    (found,) = (each for each in catalogue.grants if each.id == template_id)
    return found


def model(catalogue: Catalogue, provider: str, name: str) -> Model:
    (found,) = (each for each in catalogue.models if (each.provider, each.id) == (provider, name))
    return found


def price_at(catalogue: Catalogue, provider: str, name: str, instant: str) -> Price | None:
    rows = [
        each
        for each in catalogue.prices
        if (each.provider, each.model) == (provider, name) and each.valid_from <= at(instant)
    ]
    return max(rows, key=lambda each: each.valid_from, default=None)


def test_the_catalogue_is_built_in_and_names_itself(china: Catalogue) -> None:
    assert loader.names() == ("china-2024-07",)
    assert (china.name, china.version) == ("china-2024-07", 1)
    assert china.compiled_on == date(2026, 11, 22)


def test_it_covers_these_providers(china: Catalogue) -> None:
    assert {provider.id for provider in china.providers} == {
        *("sensetime", "baidu", "zhipu", "tencent", "alibaba", "baichuan", "kunlun-skywork"),
        *("01.ai", "moonshot", "volcengine", "minimax", "deepseek", "iflytek", "siliconflow"),
        "openai",
    }
    for provider in china.providers:
        assert text.width(provider.name) <= 24, provider
        abroad = provider.id == "openai"
        assert provider.currency == ("USD" if abroad else "CNY"), provider
        assert provider.timezone == "Asia/Shanghai", provider


# Grants


@pytest.mark.parametrize(
    ("template_id", "provider", "models", "tokens", "starts_at", "basis"),
    [
        ("sensetime-2024", "sensetime", "*", 50_000_000, "2024-06-26T16:00:00Z", "first reported"),
        ("baidu-ernie35-2024", "baidu", "ernie-3.5*", 50_000_000, "2024-06-24T16:00:00Z", None),
        ("zhipu-2024-glm-4", "zhipu", "glm-4", 50_000_000, "2024-06-24T16:00:00Z", None),
        ("zhipu-2024-glm-4-air", "zhipu", "glm-4-air", 100_000_000, "2024-06-24T16:00:00Z", None),
        (
            *("tencent-hunyuan-2024", "tencent", "*", 100_000_000),
            *("2024-07-09T16:00:00Z", "first reported"),
        ),
    ],
)
def test_the_four_offers_are_held_as_five_grants(
    china: Catalogue,
    template_id: str,
    provider: str,
    models: str,
    tokens: int,
    starts_at: str,
    basis: str | None,
) -> None:
    held = grant(china, template_id)

    assert held.held
    assert (held.provider, held.models, held.unit) == (provider, (models,), "tokens")
    assert held.amount == tokens
    assert held.starts_at == at(starts_at)
    assert held.starts_basis == (basis or "announced")
    assert held.when_used_up == "unknown"


def test_nothing_else_is_held_and_the_four_come_to_350_million(china: Catalogue) -> None:
    held = [each for each in china.grants if each.held]

    assert len(held) == 5
    assert sum(each.amount or 0 for each in held) == 350_000_000


def test_tencent_ends_with_july_in_shanghai(china: Catalogue) -> None:
    tencent = grant(china, "tencent-hunyuan-2024")

    assert tencent.expires_at == at("2024-07-31T16:00:00Z")
    assert tencent.expires_at == at("2024-08-01T00:00:00+08:00")
    assert tencent.ends_known
    assert "whether 31 July ends claiming or spending" in tencent.unknown
    assert "Spending is assumed" in (tencent.note or "")


def test_an_end_no_source_gives_is_flagged_as_unknown(china: Catalogue) -> None:
    for held in (each for each in china.grants if each.held and each.provider != "tencent"):
        assert held.expires_at is None, held
        assert not held.ends_known, held
        assert any("how long it lives" in gap for gap in held.unknown), held
    for template in china.grants:
        if not template.ends_known:
            assert template.unknown, template


def test_what_sensetime_covers_is_said_to_be_unknown(china: Catalogue) -> None:
    assert "which models it covers" in grant(china, "sensetime-2024").unknown


@pytest.mark.parametrize(
    ("template_id", "unit", "amount"),
    [
        ("alibaba-qwen-plus-2024", "tokens", 22_000_000),
        ("baichuan-2024", "tokens", 10_000_000),
        ("skywork-2024-skychat-3", "tokens", 50_000_000),
        ("skywork-2024-skychat-2", "tokens", 100_000_000),
        ("01.ai-2024", "tokens", None),
        ("moonshot-2024", "tokens", None),
        ("tencent-chatstd-chatpro", "tokens", 100_000),
        ("alibaba-qwen-turbo-2m", "tokens", 2_000_000),
        ("alibaba-qwen-plus-1m", "tokens", 1_000_000),
        ("alibaba-qwen-max-1m", "tokens", 1_000_000),
        ("alibaba-qwen-long-4m", "tokens", 4_000_000),
        ("volcengine-doubao-500k", "tokens", 500_000),
        ("iflytek-spark-2m", "tokens", 2_000_000),
        ("siliconflow-new-user-20m", "tokens", 20_000_000),
        ("sensetime-new-user-5m", "tokens", 5_000_000),
        ("moonshot-new-user-15-cny", "CNY", 15 * units.NANOS),
        ("01.ai-new-user-36-cny", "CNY", 36 * units.NANOS),
        ("minimax-new-user-75-cny", "CNY", 75 * units.NANOS),
        ("deepseek-new-user-20-cny", "CNY", 20 * units.NANOS),
    ],
)
def test_other_offers_wait_to_be_claimed(
    china: Catalogue,
    template_id: str,
    unit: str,
    amount: int | None,
) -> None:
    template = grant(china, template_id)

    assert not template.held
    assert (template.unit, template.amount) == (unit, amount)
    assert amount is not None or "the amount" in template.unknown


def test_an_ordinary_allowance_lives_from_its_claim(china: Catalogue) -> None:
    turbo = grant(china, "alibaba-qwen-turbo-2m")
    assert loader.claim_period(turbo, "Asia/Shanghai", date(2024, 7, 1)) == (
        at("2024-07-01T00:00:00+08:00"),
        at("2024-12-28T00:00:00+08:00"),
        True,
    )


def test_qwen_long_has_two_clocks(china: Catalogue) -> None:
    long = grant(china, "alibaba-qwen-long-4m")
    assert long.claim_from == at("2024-05-21T00:00:00+08:00")
    assert long.claim_until == at("2024-06-21T24:00:00+08:00") == at("2024-06-22T00:00:00+08:00")

    first = loader.claim_period(long, "Asia/Shanghai", date(2024, 5, 21))
    last = loader.claim_period(long, "Asia/Shanghai", date(2024, 6, 21))

    assert first == (long.claim_from, at("2024-06-20T00:00:00+08:00"), True)
    assert last == (at("2024-06-20T16:00:00Z"), at("2024-07-21T00:00:00+08:00"), True)
    with pytest.raises(InvalidValue, match="claims open on 2024-05-21"):
        loader.claim_period(long, "Asia/Shanghai", date(2024, 5, 20))
    with pytest.raises(InvalidValue, match="claims closed with 2024-06-21"):
        loader.claim_period(long, "Asia/Shanghai", date(2024, 6, 22))


def test_tencent_can_be_claimed_until_its_last_day_and_no_later(china: Catalogue) -> None:
    tencent = grant(china, "tencent-hunyuan-2024")

    period = loader.claim_period(tencent, "Asia/Shanghai", date(2024, 7, 31))

    assert period == (at("2024-07-30T16:00:00Z"), at("2024-07-31T16:00:00Z"), True)
    with pytest.raises(InvalidValue, match="it ended with 2024-07-31"):
        loader.claim_period(tencent, "Asia/Shanghai", date(2024, 8, 1))


# Prices


@pytest.mark.parametrize(
    ("provider", "name", "input_price", "output_price"),
    [
        ("baidu", "ERNIE-4.0-8K", "120", "120"),
        ("baidu", "ERNIE-3.5-8K", "12", "12"),
        ("baidu", "ERNIE-Speed-8K", "0", "0"),
        ("baidu", "ERNIE-Speed-128K", "0", "0"),
        ("baidu", "ERNIE-Lite-8K", "0", "0"),
        ("baidu", "ERNIE-Tiny-8K", "0", "0"),
        ("zhipu", "glm-4", "100", "100"),
        ("zhipu", "glm-4-0520", "100", "100"),
        ("zhipu", "glm-4-air", "1", "1"),
        ("zhipu", "glm-4-airx", "10", "10"),
        ("zhipu", "glm-4-flash", "0.1", "0.1"),
        ("zhipu", "glm-3-turbo", "1", "1"),
        ("zhipu", "glm-4v", "50", "50"),
        ("tencent", "hunyuan-lite", "0", "0"),
        ("tencent", "hunyuan-standard", "4.5", "5"),
        ("tencent", "hunyuan-standard-256K", "15", "60"),
        ("tencent", "hunyuan-pro", "30", "100"),
        ("alibaba", "qwen-turbo", "2", "6"),
        ("alibaba", "qwen-plus", "4", "12"),
        ("alibaba", "qwen-max", "40", "120"),
        ("alibaba", "qwen-long", "0.5", "2"),
        ("deepseek", "deepseek-chat", "1", "2"),
        ("moonshot", "moonshot-v1-8k", "12", "12"),
        ("volcengine", "Doubao-pro-32k", "0.8", "2"),
        ("01.ai", "yi-medium", "2.5", "2.5"),
        ("baichuan", "Baichuan4", "100", "100"),
    ],
)
def test_list_prices_throughout_july(
    china: Catalogue, provider: str, name: str, input_price: str, output_price: str
) -> None:
    first = price_at(china, provider, name, JULY_STARTS)
    last = price_at(china, provider, name, JULY_ENDS)

    assert first is not None
    assert first == last
    assert first.currency == "CNY"
    assert first.input_micro_per_mtok == units.parse_price(input_price, "input")
    assert first.output_micro_per_mtok == units.parse_price(output_price, "output")


@pytest.mark.parametrize(
    ("provider", "name", "last_day_before", "day", "before", "after"),
    [
        ("baidu", "ERNIE-3.5-8K", "2024-09-29", "2024-09-30", ("12", "12"), ("0.8", "2")),
        ("baidu", "ERNIE-4.0-8K", "2024-09-10", "2024-09-11", ("120", "120"), ("40", "80")),
        ("baidu", "ERNIE-4.0-8K", "2024-09-29", "2024-09-30", ("40", "80"), ("30", "90")),
        ("baidu", "ERNIE-4.0-Turbo-8K", "2024-09-29", "2024-09-30", ("30", "60"), ("20", "60")),
        ("zhipu", "glm-4-flash", "2024-08-27", "2024-08-28", ("0.1", "0.1"), ("0", "0")),
        ("alibaba", "qwen-plus", "2024-09-21", "2024-09-22", ("4", "12"), ("0.8", "2")),
        ("tencent", "hunyuan-standard", "2024-11-06", "2024-11-07", ("4.5", "5"), ("0.8", "2")),
    ],
)
def test_later_prices_begin_on_the_day_they_were_first_seen(
    china: Catalogue,
    provider: str,
    name: str,
    last_day_before: str,
    day: str,
    before: tuple[str, str],
    after: tuple[str, str],
) -> None:
    for instant, expected in (
        (f"{last_day_before}T23:59:59.999999+08:00", before),
        (f"{day}T00:00:00+08:00", after),
    ):
        price = price_at(china, provider, name, instant)
        assert price is not None
        assert price.input_micro_per_mtok == units.parse_price(expected[0], "input")
        assert price.output_micro_per_mtok == units.parse_price(expected[1], "output")
    assert price.valid_from_basis == "first seen"


def test_no_sensenova_price_of_july_is_known(china: Catalogue) -> None:
    ids = [each.id for each in china.models if each.provider == "sensetime"]

    assert "SenseChat-5" in ids
    assert all(price_at(china, "sensetime", name, JULY_ENDS) is None for name in ids)
    oldest = min(each.valid_from for each in china.prices if each.provider == "sensetime")
    assert oldest == at("2024-10-25T00:00:00+08:00")


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("baidu", "ERNIE-3.5-128K"),
        ("baidu", "ERNIE-3.5-8K-0205"),
        ("tencent", "ChatStd"),
        ("tencent", "ChatPro"),
        ("alibaba", "qwen2-72b-instruct"),
        ("siliconflow", "Qwen2-7B-Instruct"),
    ],
)
def test_a_price_not_proven_for_july_is_left_out_and_the_model_says_why(
    china: Catalogue, provider: str, name: str
) -> None:
    assert price_at(china, provider, name, "2030-01-01T00:00:00Z") is None
    assert model(china, provider, name).note
    assert model(china, provider, name).sources


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4-turbo", "gpt-3.5-turbo", "gpt-4o-mini"])
def test_openai_is_blocked_from_9_july(china: Catalogue, name: str) -> None:
    blocked = model(china, "openai", name)

    assert blocked.available_until == at("2024-07-09T00:00:00+08:00")
    assert blocked.availability == "blocked in CN"
    assert "assumed" in (blocked.note or "")
    price = price_at(china, "openai", name, JULY_ENDS)
    assert price is not None
    assert price.currency == "USD"


def test_the_block_is_an_event(china: Catalogue) -> None:
    (block,) = china.events

    assert block.on == date(2024, 7, 9)


# All of it


def test_every_price_and_grant_says_where_it_is_from(china: Catalogue) -> None:
    for fact in (*china.prices, *china.grants):
        assert fact.sources, fact
        assert fact.checked_on == date(2026, 11, 22), fact
        assert fact.confidence in ("high", "medium", "low"), fact


def test_every_source_is_used(china: Catalogue) -> None:
    facts = (*china.prices, *china.grants, *china.models, *china.events)
    used = {source for fact in facts for source in fact.sources}

    assert {source.id for source in china.sources} == used


def test_a_price_first_seen_rests_on_a_dated_source(china: Catalogue) -> None:
    dates = {source.id: source.date for source in china.sources}
    for price in china.prices:
        if price.valid_from_basis == "first seen":
            assert any(dates[source] for source in price.sources), price


def test_chat_models_have_one_tier_and_long_ones_a_long_context(china: Catalogue) -> None:
    tiers = {"chat", "chat-large", "chat-small"}
    for each in china.models:
        in_tiers = tiers.intersection(each.groups)
        assert len(in_tiers) <= 1, each
        assert set(each.groups) <= tiers | {"chat-long", "vision", "code"}, each
        is_long = bool(in_tiers) and (each.context_window or 0) >= 128_000
        assert ("chat-long" in each.groups) == is_long, each


def test_nothing_in_the_catalogue_is_dated_after_it_was_checked(china: Catalogue) -> None:
    compiled = units.to_micros(datetime(2026, 11, 22, tzinfo=UTC), "compiled_on")
    assert all(price.valid_from < compiled for price in china.prices)


def test_notes_are_in_normal_form(china: Catalogue) -> None:
    for each in (*china.providers, *china.models, *china.prices, *china.grants):
        assert each.note is None or unicodedata.is_normalized("NFC", each.note), each
