"""What the ledger's catalogue says, held in memory while its revision stands.

A process reads it once and compares one number in every transaction afterwards; whoever changes the
catalogue raises the number in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from tracker.domain.grant import covers
from tracker.domain.offer import Offer, Pool
from tracker.domain.price import Price, Tier
from tracker.errors import NoRate, NotFound
from tracker.store.connection import Retry, Row, Transaction
from tracker.text import model_key, show
from tracker.units import NANOS, div_half_even, rfc3339


class Provider(NamedTuple):
    """A provider as recorded."""

    key: int
    id: str
    name: str
    currency: str
    zone: str
    base_url: str | None
    note: str | None


class Model(NamedTuple):
    """A model as recorded."""

    key: int
    provider: str
    id: str
    identity: str
    groups: tuple[str, ...]
    aliases: tuple[str, ...]
    context_window: int | None
    max_output_tokens: int | None
    available_from: int | None
    available_until: int | None
    availability: str | None
    note: str | None


class Series(NamedTuple):
    """A recurring grant as recorded: its windows are grants."""

    key: int
    id: str
    pool_key: int
    every: str
    zone: str
    amount: int
    starts_at: int
    expires_at: int
    ends_known: bool
    voided_at: int | None
    when_used_up: str
    source: str | None
    note: str | None


class Rate(NamedTuple):
    """How many `quote` one `base` is worth, in nano-units, from an instant on."""

    base: str
    quote: str
    valid_from: int
    rate_nano: int


class PoolRow(NamedTuple):
    """A pool as recorded, with the account it belongs to."""

    pool: Pool
    provider: str
    account: str


class Book:
    """The catalogue at one revision. Lookups that repeat are remembered."""

    def __init__(
        self,
        revision: int,
        base_currency: str,
        providers: Iterable[Provider],
        accounts: Iterable[tuple[int, str, str]],
        models: Iterable[Model],
        prices: dict[int, tuple[Price, ...]],
        pools: Iterable[PoolRow],
        series: Iterable[Series],
        rates: Iterable[Rate],
    ) -> None:
        self.revision = revision
        self.base_currency = base_currency
        self.providers = {provider.id: provider for provider in providers}
        self.accounts = {(provider, account): key for key, provider, account in accounts}
        self.models = tuple(models)
        self.prices = prices
        self.pools = {row.pool.key: row for row in pools}
        self.series = {one.key: one for one in series}
        self.rates = tuple(rates)
        self._by_name = {
            (model.provider, name): model
            for model in reversed(self.models)
            for name in (*(model_key(alias) for alias in model.aliases), model.identity)
        }
        self._offers: dict[tuple[int, int], Offer] = {}
        self._serving: dict[str, tuple[Offer, ...]] = {}
        self._by_keys = {key: pair for pair, key in self.accounts.items()}
        self._models_by_key = {model.key: model for model in self.models}
        self._pools_by_account: dict[tuple[str, str], list[Pool]] = {}
        for row in self.pools.values():
            self._pools_by_account.setdefault((row.provider, row.account), []).append(row.pool)

    def provider(self, id: str) -> Provider:
        """Return a provider. Raises NotFound."""
        found = self.providers.get(id)
        if found is None:
            raise NotFound(
                f'provider {show(id)} is not in the ledger; run "tracker providers list", or add '
                'it with "tracker providers add"'
            )
        return found

    def model(self, provider: str, name: str) -> Model:
        """Return a model by id or alias, whatever its case. Raises NotFound."""
        found = self._by_name.get((provider, model_key(name))) if isinstance(name, str) else None
        if found is None:
            self.provider(provider)
            raise NotFound(
                f"model {show(name)} of {provider} is not in the ledger; run "
                f'"tracker models list --provider {provider}", or add it with "tracker models add"'
            )
        return found

    def has_model(self, provider: str, name: str) -> bool:
        """Tell whether a provider offers a model of that id or alias."""
        return (provider, model_key(name)) in self._by_name

    def offer(self, account_key: int, model: int) -> Offer:
        """Return the offer of a model at an account, by their keys."""
        found = self._offers.get((account_key, model))
        if found is None:
            found = self._offers[(account_key, model)] = self._offer(account_key, model)
        return found

    def serving(self, name: str) -> tuple[Offer, ...]:
        """Return every offer of a model, an alias, a `provider/model` or a group.

        Raises NotFound for a name that is none of them.
        """
        found = self._serving.get(name) if isinstance(name, str) else ()
        if found is None:
            found = self._find(name)
            if found:
                if len(self._serving) > 1000:
                    self._serving.clear()
                self._serving[name] = found
        if not found:
            raise NotFound(f'no model or group is called {show(name)}; run "tracker models list"')
        return found

    def rate(self, base: str, quote: str, at: int) -> Rate | None:
        """Return the rate that holds for a pair, whichever way round it was recorded."""
        best = None
        for rate in self.rates:
            if (
                {rate.base, rate.quote} == {base, quote}
                and rate.valid_from <= at
                and (best is None or rate.valid_from >= best.valid_from)
            ):
                best = rate
        return best

    def convert(self, nano: int, currency: str, into: str, at: int) -> int:
        """Return an amount in another currency. Raises NoRate that names the pair."""
        if currency == into or not nano:
            return nano
        rate = self.rate(currency, into, at)
        if rate is None:
            raise NoRate(
                f"no exchange rate {currency}/{into} at {rfc3339(at)}; set it with "
                f'"tracker rates set {currency} {into} RATE"'
            )
        if rate.base == currency:
            return div_half_even(nano * rate.rate_nano, NANOS)
        return div_half_even(nano * NANOS, rate.rate_nano)

    def _find(self, name: str) -> tuple[Offer, ...]:
        key = model_key(name)
        provider, slash, rest = key.partition("/")
        found = [
            self.offer(account_key, model.key)
            for model in self.models
            if key in model.groups
            or self._by_name.get((model.provider, key)) is model
            or (
                slash
                and model.provider == provider
                and self._by_name.get((provider, rest)) is model
            )
            for (owner, _), account_key in self.accounts.items()
            if owner == model.provider
        ]
        return tuple(sorted(found, key=lambda offer: (offer.provider, offer.account, offer.model)))

    def _offer(self, account_key: int, key: int) -> Offer:
        model = self._models_by_key[key]
        provider = self.providers[model.provider]
        owner = self._by_keys[account_key]
        pools = sorted(
            (
                pool
                for pool in self._pools_by_account.get(owner, ())
                if any(covers(pool.models, name) for name in (model.id, *model.aliases))
            ),
            key=lambda pool: (pool.priority, pool.breadth, pool.key),
        )
        return Offer(
            provider.id,
            owner[1],
            model.id,
            account_key,
            model.key,
            provider.zone,
            provider.currency,
            model.context_window,
            model.max_output_tokens,
            model.available_from,
            model.available_until,
            model.availability,
            self.prices.get(model.key, ()),
            tuple(pools),
        )


REVISION = "SELECT revision, base_currency FROM ledger WHERE key = 1"


def current(transaction: Transaction, held: Book | None) -> Book:
    """Return the catalogue as this transaction sees it, reading it only when it has changed."""
    row = transaction.one(REVISION)
    assert row is not None, "a ledger has its row"
    if held is not None and held.revision == row[0]:
        return held
    try:
        book = _read(transaction, row[0], row[1])
    except KeyError:
        if transaction.one(REVISION) == row:
            raise
        raise Retry from None
    if transaction.locks and transaction.one(REVISION) != row:
        raise Retry  # it changed between two of our statements: PostgreSQL's writers see that
    return book


def _read(transaction: Transaction, revision: int, base_currency: str) -> Book:
    providers = [
        Provider(*row)
        for row in transaction.rows(
            "SELECT key, id, name, currency, timezone, base_url, note FROM providers ORDER BY key"
        )
    ]
    names = {provider.key: provider.id for provider in providers}
    zones = {provider.id: provider.zone for provider in providers}
    accounts = [
        (key, names[provider_key], id)
        for key, provider_key, id in transaction.rows(
            "SELECT key, provider_key, id FROM accounts ORDER BY key"
        )
    ]
    owners = {key: (provider, account) for key, provider, account in accounts}
    models = [
        _model(row, names[row[1]])
        for row in transaction.rows(
            "SELECT key, provider_key, id, identity, groups, aliases, context_window, "
            "max_output_tokens, available_from, available_until, availability, note "
            "FROM models ORDER BY key"
        )
    ]
    series = [
        _series(row, zones[owners[row[4]][0]])
        for row in transaction.rows(
            "SELECT s.key, s.id, s.pool_key, s.every, p.account_key, s.amount, s.starts_at, "
            "s.expires_at, s.ends_known, s.voided_at, s.when_used_up, s.source, s.note "
            "FROM series s JOIN pools p ON p.key = s.pool_key ORDER BY s.key"
        )
    ]
    pools = [
        PoolRow(
            Pool(
                row[0],
                row[2],
                row[3],
                row[4],
                tuple(json.loads(row[5])),
                tuple(one.key for one in series if one.pool_key == row[0]),
            ),
            *owners[row[1]],
        )
        for row in transaction.rows(
            "SELECT key, account_key, priority, breadth, unit, models FROM pools ORDER BY key"
        )
    ]
    rates = [
        Rate(*row)
        for row in transaction.rows(
            "SELECT base, quote, valid_from, rate_nano FROM rates ORDER BY valid_from, base, quote"
        )
    ]
    return Book(
        revision,
        base_currency,
        providers,
        accounts,
        models,
        _prices(transaction),
        pools,
        series,
        rates,
    )


def _model(row: Row, provider: str) -> Model:
    groups, aliases = tuple(json.loads(row[4])), tuple(json.loads(row[5]))
    return Model(row[0], provider, row[2], row[3], groups, aliases, *row[6:])


def _series(row: Row, zone: str) -> Series:
    key, id, pool_key, every, _, amount, starts_at, expires_at, ends_known, *rest = row
    return Series(
        key, id, pool_key, every, zone, amount, starts_at, expires_at, bool(ends_known), *rest
    )


def _prices(transaction: Transaction) -> dict[int, tuple[Price, ...]]:
    rows = transaction.rows(
        "SELECT model_key, valid_from, currency, above_input_tokens, input, output, cached_input "
        "FROM prices ORDER BY model_key, valid_from, above_input_tokens"
    )
    return {
        key: tuple(
            Price(valid_from, currency, tuple(Tier(*row[3:]) for row in tiers))
            for (valid_from, currency), tiers in groupby(of_model, key=lambda row: (row[1], row[2]))
        )
        for key, of_model in groupby(rows, key=lambda row: row[0])
    }
