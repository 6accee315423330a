"""Choosing an offer: what each would cost now, which one wins, and why the others did not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tracker.domain.burndown import Credit, Need, spend
from tracker.domain.offer import Offer
from tracker.domain.price import MAX_COST_NANO, Tokens, cost_nano
from tracker.errors import NoOffer, NoRate
from tracker.routing import screen
from tracker.routing.policy import (
    Allotment,
    Alternative,
    Decision,
    PassedOver,
    Policy,
    Quote,
    Request,
)
from tracker.store import credit as credits
from tracker.store.book import Book
from tracker.store.connection import Transaction
from tracker.text import show
from tracker.units import NEVER, Money, rfc3339, to_datetime
from tracker.wire import decision_from, decision_json, passed_over_json


class Choice(NamedTuple):
    """What was chosen, or the refusal where nothing was."""

    outcome: Decision | NoOffer
    quote: Quote | None

    @property
    def decision(self) -> Decision:
        """The decision. Raises the refusal."""
        if isinstance(self.outcome, NoOffer):
            raise self.outcome
        return self.outcome

    def answer(self) -> str:
        """Write the outcome so that `replay` gives it again."""
        if isinstance(self.outcome, NoOffer):
            reasons = [
                passed_over_json(one) for one in self.outcome.reasons if isinstance(one, PassedOver)
            ]
            return json.dumps({"refused": str(self.outcome), "reasons": reasons})
        return json.dumps(decision_json(self.outcome))


def replay(answer: str) -> Decision:
    """Give an earlier answer again. Raises NoOffer where it was a refusal."""
    stored = json.loads(answer)
    if "refused" in stored:
        raise NoOffer(stored["refused"], tuple(PassedOver(**one) for one in stored["reasons"]))
    return decision_from(stored)


def credit(
    tx: Transaction, book: Book, offer: Offer, at: int, lapsed: Mapping[int, int] | None = None
) -> Iterator[Credit]:
    """Yield what can pay for an offer at `at`, in burn-down order."""
    return credits.active(tx, book, offer, at, lapsed) if offer.pools else iter(())


def choose(
    tx: Transaction,
    book: Book,
    request: Request,
    policy: Policy,
    at: int,
    *,
    explain: bool,
    refuse: bool = True,
    reservation_id: str | None = None,
    expires_at: int | None = None,
    lapsed: Mapping[int, int] | None = None,
) -> Choice:
    """Rank every offer that serves the request and choose the first.

    Raises NoOffer where none does, or returns it as the outcome where `refuse` is False. Raises
    NoRate where the winner depends on an exchange rate the ledger does not hold.
    reservation_id, expires_at: of the hold the decision is to come with.
    lapsed: per grant, what reservations past their time still seem to hold: see `credit.active`.
    """
    if request.providers or request.exclude:
        for name in (*(request.providers or ()), *request.exclude):
            book.provider(name)
    into = book.base_currency
    quotes, passed, no_rate = _quotes(tx, book, request, at, lapsed, into)
    if no_rate is not None and request.max_cash is None:
        only = _only_currency(book, request, at)
        if only is not None:  # nothing has to be converted to be compared
            into = only
            quotes, passed, no_rate = _quotes(tx, book, request, at, lapsed, into)
    ranked = policy.rank(quotes, at)
    if no_rate is not None and (not ranked or ranked[0].cash_base):
        raise no_rate
    if not ranked:
        refusal = _refusal(tx, request, passed, at)
        if refuse:
            raise refusal
        return Choice(refusal, None)
    best = ranked[0]
    over: tuple[PassedOver, ...] = ()
    if explain:
        over = tuple(
            _passed_over(quote.offer, _lost(tx, into, quote, best, request, at))
            for quote in ranked[1:]
        ) + tuple(_passed_over(offer, _more(tx, offer, reason, at)) for offer, reason in passed)
    decision = _decision(
        book, best, ranked[1:], over, request, policy.name, at, into, reservation_id, expires_at
    )
    return Choice(decision, best)


def _quotes(
    tx: Transaction,
    book: Book,
    request: Request,
    at: int,
    lapsed: Mapping[int, int] | None,
    into: str,
) -> tuple[list[Quote], list[tuple[Offer, str]], NoRate | None]:
    """Quote every offer that can serve the request, with costs comparable in the currency `into`.

    Returns the quotes, the offers passed over with the reason, and a rate that was missing.
    """
    tokens = Tokens(request.input_tokens, 0, request.max_output_tokens)
    limited = request.free_only or request.max_cash is not None
    quotes: list[Quote] = []
    passed: list[tuple[Offer, str]] = []
    no_rate: NoRate | None = None
    for offer in book.serving(request.model):
        quote: Quote | str | None = screen.screen(offer, request, at)
        if quote is None:
            try:
                quote = _quote(tx, book, offer, tokens, at, lapsed, into, request.free_only)
            except NoRate as error:
                no_rate, quote = error, str(error)
        if limited and not isinstance(quote, str):
            quote = screen.refuse(quote, request) or quote
        if isinstance(quote, str):
            passed.append((offer, quote))
        else:
            quotes.append(quote)
    return quotes, passed, no_rate


def _only_currency(book: Book, request: Request, at: int) -> str | None:
    """Return the currency of every offer that can serve the request, if it is one."""
    found = {
        offer.currency if price is None else price.currency
        for offer in book.serving(request.model)
        if screen.screen(offer, request, at) is None
        for price in (offer.price_at(at),)
    }
    return found.pop() if len(found) == 1 else None


def _quote(
    tx: Transaction,
    book: Book,
    offer: Offer,
    tokens: Tokens,
    at: int,
    lapsed: Mapping[int, int] | None,
    into: str,
    free_only: bool,
) -> Quote | str:
    """Work out what an offer would cost now, or say why it cannot be known.

    free_only: what costs anything will be refused, so that it need not be comparable.
    """
    price = offer.price_at(at)
    if price is None:
        currency, list_nano = offer.currency, None
    else:
        currency, list_nano = price.currency, cost_nano(price, tokens)
        if list_nano > MAX_COST_NANO:
            return f"would cost {Money(list_nano, currency)}, more than a call can"
    need = Need(tokens.total, list_nano, currency)
    burn = spend(credits.active(tx, book, offer, at, lapsed) if offer.pools else (), need)
    cash = burn.cash_nano
    if cash is None:
        covered = need.tokens - burn.overage_tokens
        return f"no price is known, and credit covers {covered:,} of {need.tokens:,} tokens"
    if currency == into:
        worth = None if list_nano is None else list_nano - cash
        return Quote(offer, burn, currency, list_nano, cash, cash, worth)
    cash_base = cash if free_only else book.convert(cash, currency, into, at)
    try:
        worth = None if list_nano is None else book.convert(list_nano - cash, currency, into, at)
    except NoRate:
        worth = None
    return Quote(offer, burn, currency, list_nano, cash, cash_base, worth)


def _decision(
    book: Book,
    best: Quote,
    others: Sequence[Quote],
    over: tuple[PassedOver, ...],
    request: Request,
    policy: str,
    at: int,
    into: str,
    reservation_id: str | None,
    expires_at: int | None,
) -> Decision:
    offer, burn, currency, list_nano, cash, _, _ = best
    return Decision(
        to_datetime(at),
        reservation_id,
        offer.provider,
        offer.account,
        offer.model,
        cash == 0,
        request.tokens - burn.overage_tokens,
        burn.overage_tokens,
        tuple(
            Allotment(credit.id, tokens, amount, credit.unit)
            for credit, amount, tokens in burn.draws
        ),
        Money(cash, currency),
        None if list_nano is None else Money(list_nano, currency),
        policy,
        tuple(
            Alternative(
                other[0].provider,
                other[0].account,
                other[0].model,
                other[4] == 0,
                Money(other[4], other[2]),
            )
            for other in others
        ),
        over,
        _rates_used(book, (best, *others), into, at),
        None if expires_at is None else to_datetime(expires_at),
    )


def _rates_used(book: Book, quotes: Sequence[Quote], into: str, at: int) -> tuple[str, ...]:
    """Say which exchange rates the comparison rests on."""
    foreign = {quote.currency for quote in quotes} - {into}
    if not foreign:
        return ()
    used = [book.rate(currency, into, at) for currency in sorted(foreign)]
    return tuple(
        f"1 {rate.base} = {Money(rate.rate_nano, rate.quote)} since {rfc3339(rate.valid_from)}"
        for rate in used
        if rate is not None
    )


def _refusal(
    tx: Transaction, request: Request, passed: Sequence[tuple[Offer, str]], at: int
) -> NoOffer:
    passed = sorted(passed, key=lambda one: one[1] in (screen.NOT_ASKED, screen.EXCLUDED))
    reasons = tuple(_passed_over(offer, _more(tx, offer, reason, at)) for offer, reason in passed)
    shown = "; ".join(
        f"{offer.name}: {one.reason}"
        for (offer, _), one in list(zip(passed, reasons, strict=True))[:3]
    )
    more = f"; and {len(passed) - 3} more" if len(passed) > 3 else ""
    way_out = "add a grant, or drop --free-only" if request.free_only else "relax the limits"
    return NoOffer(
        f"no offer of {show(request.model)} serves {request.tokens:,} tokens ({shown}{more}); "
        f"{way_out}",
        reasons,
    )


def _passed_over(offer: Offer, reason: str) -> PassedOver:
    return PassedOver(offer.provider, offer.account, offer.model, reason)


def _lost(tx: Transaction, into: str, quote: Quote, best: Quote, request: Request, at: int) -> str:
    credit = None
    if quote.burn.overage_tokens:
        covered = request.tokens - quote.burn.overage_tokens
        credit = (
            f"{covered:,} tokens left, {request.tokens:,} needed"
            if covered
            else _ended(tx, quote.offer, at)
        )
    return screen.compare(quote, best, credit, into)


def _more(tx: Transaction, offer: Offer, reason: str, at: int) -> str:
    """Add what became of an offer's credit where it has none left."""
    if reason != screen.NO_CREDIT:
        return reason
    return _ended(tx, offer, at) or reason


def _ended(tx: Transaction, offer: Offer, at: int) -> str | None:
    """Say what became of the credit that covers an offer: the grant that ended last speaks."""
    if not offer.pools:
        return "no grant"
    marks = ", ".join("?" * len(offer.pools))
    row = tx.one(
        "SELECT starts_at, expires_at, available, held, voided_at FROM grants "
        f"WHERE pool_key IN ({marks}) ORDER BY expires_at DESC, starts_at DESC LIMIT 1",
        tuple(pool.key for pool in offer.pools),
    )
    if row is None:
        return "no grant"
    starts_at, expires_at, available, held, voided_at = row
    if voided_at is not None and voided_at <= at:
        return f"voided {screen.day(voided_at, offer.zone)}"
    if expires_at <= at:
        return f"expired {screen.last_day(expires_at, offer.zone)}"
    if starts_at > at:
        return f"starts {screen.day(starts_at, offer.zone)}"
    if held and not available:
        return "credit held by other calls"
    if not available:
        ends = "" if expires_at == NEVER else f", ends {screen.last_day(expires_at, offer.zone)}"
        return f"credit used up{ends}"
    return None
