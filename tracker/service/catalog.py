"""The catalogue of a ledger: providers, models, prices, rates: dated facts, never overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tracker.errors import AlreadyExists, InvalidValue
from tracker.service.opened import Opened
from tracker.store import accounts
from tracker.store.book import Book, Model, Provider, Rate
from tracker.store.connection import Transaction
from tracker.text import label, model_key, model_name, note, show, slug
from tracker.units import (
    MAX_CALL_TOKENS,
    MICROS,
    count,
    currency_code,
    decimal_text,
    parse_price,
    parse_rate,
    parse_start,
    rfc3339,
    timezone_name,
)

Amount = Decimal | str | int
Moment = str | datetime


def add_provider(
    opened: Opened,
    id: str,
    *,
    name: str | None = None,
    currency: str = "CNY",
    timezone: str = "Asia/Shanghai",
    base_url: str | None = None,
    note_text: str | None = None,
) -> Provider:
    """Record a provider. The same again changes nothing; anything else is AlreadyExists."""
    wanted = Provider(
        0,
        slug(id, "id"),
        label(id if name is None else name, "name"),
        currency_code(currency),
        timezone_name(timezone),
        None if base_url is None else label(base_url, "base_url", maximum=500),
        None if note_text is None else note(note_text, "note"),
    )

    def work(tx: Transaction, book: Book, now: int) -> Provider:
        there = book.providers.get(wanted.id)
        if there is not None:
            _refuse_other("provider", wanted.id, there._asdict(), wanted._asdict())
            return there
        return insert_provider(tx, wanted, now)

    return opened.write(work)


def add_model(
    opened: Opened,
    provider: str,
    model: str,
    *,
    groups: Sequence[str] = (),
    aliases: Sequence[str] = (),
    context_window: int | None = None,
    max_output_tokens: int | None = None,
    available_from: Moment | None = None,
    available_until: Moment | None = None,
    availability: str | None = None,
    note_text: str | None = None,
) -> Model:
    """Record a model. The same again changes nothing; anything else is AlreadyExists.

    available_until: an instant or a date, as the end of a grant is read: a date is included.
    """
    provider = slug(provider, "provider")
    id = model_name(model)
    for field, names in (("groups", groups), ("aliases", aliases)):
        if isinstance(names, str | bytes) or not isinstance(names, Iterable):
            raise InvalidValue(f"{field}: {show(names)} is not a list of names", field=field)
    window = _limit(context_window, "context_window")
    output = _limit(max_output_tokens, "max_output_tokens")
    why = None if availability is None else label(availability, "availability")
    text = None if note_text is None else note(note_text, "note")

    def work(tx: Transaction, book: Book, now: int) -> Model:
        owner = book.provider(provider)
        wanted = Model(
            0,
            provider,
            id,
            model_key(id),
            tuple(sorted({slug(group, "groups") for group in groups})),
            tuple(model_name(alias, "aliases") for alias in aliases),
            window,
            output,
            None
            if available_from is None
            else parse_start(available_from, owner.zone, "available_from"),
            None if available_until is None else _end(available_until, owner.zone),
            why,
            text,
        )
        there = book._by_name.get((provider, wanted.identity))
        if there is not None:
            _refuse_other(
                "model", f"{provider}/{id}",
                {**there._asdict(), "id": there.identity},
                {**wanted._asdict(), "id": wanted.identity},
            )  # fmt: skip
            return there
        return insert_model(tx, owner.key, wanted, now)

    return opened.write(work)


def set_price(
    opened: Opened,
    provider: str,
    model: str,
    *,
    input: Amount,
    output: Amount,
    cached_input: Amount | None = None,
    tiers: Sequence[Mapping[str, Any]] = (),
    currency: str | None = None,
    valid_from: Moment | None = None,
    source: str | None = None,
    note_text: str | None = None,
) -> None:
    """Record a price per 1,000,000 tokens that holds from `valid_from` (default now) on.

    tiers: mappings with above_input_tokens, input, output and optionally cached_input: what holds
    when the input is longer than that. A price is never changed: another one from the same instant
    is AlreadyExists.
    """
    provider = slug(provider, "provider")
    parsed = [(0, *_tier(input, output, cached_input))]
    for tier in tiers:
        if not isinstance(tier, Mapping) or not {"above_input_tokens", "input", "output"} <= set(
            tier
        ):
            raise InvalidValue(
                f"tier {show(tier)} needs above_input_tokens, input and output", field="tiers"
            )
        above = count(tier["above_input_tokens"], "tiers.above_input_tokens", minimum=1)
        if above <= parsed[-1][0]:
            raise InvalidValue(
                f"tier above {above:,} input tokens does not come after {parsed[-1][0]:,}",
                field="tiers",
            )
        parsed.append((above, *_tier(tier["input"], tier["output"], tier.get("cached_input"))))
    money = None if currency is None else currency_code(currency)
    origin = None if source is None else label(source, "source", maximum=500)
    text = None if note_text is None else note(note_text, "note")

    def work(tx: Transaction, book: Book, now: int) -> None:
        owner = book.provider(provider)
        found = book.model(provider, model)
        starts = now if valid_from is None else parse_start(valid_from, owner.zone, "valid_from")
        insert_price(
            tx, book, found, starts, money or owner.currency, parsed, now, source=origin, note=text
        )

    opened.write(work)


def set_rate(
    opened: Opened,
    base: str,
    quote: str,
    rate: Amount,
    *,
    valid_from: Moment | None = None,
    source: str | None = None,
) -> Rate:
    """Record what one `base` is worth in `quote` from `valid_from` (default now) on."""
    first, second = currency_code(base, "base"), currency_code(quote, "quote")
    if first == second:
        raise InvalidValue(f"{first}/{second} needs no rate: it is 1", field="quote")
    nano = parse_rate(rate, "rate")
    origin = None if source is None else label(source, "source", maximum=500)

    def work(tx: Transaction, book: Book, now: int) -> Rate:
        starts = now if valid_from is None else parse_start(valid_from, "UTC", "valid_from")
        wanted = Rate(first, second, starts, nano)
        row = tx.one(
            "SELECT rate_nano FROM rates WHERE base = ? AND quote = ? AND valid_from = ?",
            (first, second, starts),
        )
        if row is not None:
            if row[0] != nano:
                raise AlreadyExists(
                    f"{first}/{second} from {rfc3339(starts)} is recorded as "
                    f"{decimal_text(row[0], 9)}; a changed rate is a new one with its own date"
                )
            return wanted
        tx.run(
            "INSERT INTO rates (base, quote, valid_from, rate_nano, source, recorded_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*wanted, origin, now),
        )
        accounts.change(tx)
        return wanted

    return opened.write(work)


def insert_provider(tx: Transaction, provider: Provider, now: int) -> Provider:
    """Write a provider, with its default account."""
    recorded = provider._replace(key=accounts.change(tx))
    tx.run(
        "INSERT INTO providers (key, id, name, currency, timezone, base_url, note, recorded_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*recorded, now),
    )
    tx.run(
        "INSERT INTO accounts (key, provider_key, id, recorded_at) VALUES (?, ?, 'default', ?)",
        (accounts.change(tx), recorded.key, now),
    )
    return recorded


def insert_model(tx: Transaction, provider_key: int, model: Model, now: int) -> Model:
    """Write a model."""
    recorded = model._replace(key=accounts.change(tx))
    tx.run(
        "INSERT INTO models (key, provider_key, id, identity, groups, aliases, context_window, "
        "max_output_tokens, available_from, available_until, availability, note, recorded_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            recorded.key,
            provider_key,
            recorded.id,
            recorded.identity,
            _json(recorded.groups),
            _json(recorded.aliases),
            *recorded[6:],
            now,
        ),
    )
    return recorded


def insert_price(
    tx: Transaction,
    book: Book,
    model: Model,
    valid_from: int,
    currency: str,
    tiers: Sequence[tuple[int, int, int, int | None]],
    now: int,
    *,
    source: str | None,
    checked_on: str | None = None,
    confidence: str | None = None,
    note: str | None = None,
    keep: bool = False,
) -> bool:
    """Write a price, unless it is there. Returns whether it was written.

    Raises AlreadyExists where another price holds from that instant, or with `keep` leaves it.
    """
    there = tx.rows(
        "SELECT above_input_tokens, input, output, cached_input, currency FROM prices "
        "WHERE model_key = ? AND valid_from = ? ORDER BY above_input_tokens",
        (model.key, valid_from),
    )
    if there:
        if not keep and [tuple(row) for row in there] != [(*tier, currency) for tier in tiers]:
            first = there[0]
            raise AlreadyExists(
                f"{model.provider}/{model.id} has a price from {rfc3339(valid_from)} already: "
                f"{decimal_text(first[1], 6)} in, {decimal_text(first[2], 6)} out, {first[4]}; "
                "a changed price is a new one with its own date"
            )
        return False
    tx.many(
        "INSERT INTO prices (model_key, valid_from, above_input_tokens, input, output, "
        "cached_input, currency, source, checked_on, confidence, note, recorded_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (model.key, valid_from, *tier, currency, source, checked_on, confidence, note, now)
            for tier in tiers
        ],
    )
    accounts.change(tx)
    return True


def _tier(
    input: Amount, output: Amount, cached_input: Amount | None
) -> tuple[int, int, int | None]:
    return (
        parse_price(input, "input"),
        parse_price(output, "output"),
        None if cached_input is None else parse_price(cached_input, "cached_input"),
    )


def _limit(value: int | None, name: str) -> int | None:
    return None if value is None else count(value, name, minimum=1, maximum=MAX_CALL_TOKENS)


def _end(value: Moment, zone: str) -> int:
    from tracker.units import parse_end

    return parse_end(value, zone, "available_until")


def _json(values: Iterable[str]) -> str:
    return json.dumps(list(values), ensure_ascii=False)


def _refuse_other(what: str, name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for field, value in before.items():
        if field != "key" and now[field] != value:
            raise AlreadyExists(
                f"{what} {name} is there already, with {field} {_say(value)}, not "
                f"{_say(now[field])}"
            )


def _say(value: object) -> str:
    if isinstance(value, int) and value > MICROS * 1_000_000:
        return rfc3339(value)
    return show(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
