"""Calls: choose an offer and hold its credit, then settle, release, or record what was used."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tracker.domain.burndown import BurnDown, Draw, Need, spend
from tracker.domain.grant import REQUESTS, TOKENS
from tracker.domain.journal import (
    DRAW,
    EXPIRE,
    EXPIRE_VOIDED,
    HOLD,
    RELEASE,
    RELEASE_VOIDED,
    SETTLE,
    Move,
    Movement,
)
from tracker.domain.offer import Offer
from tracker.domain.price import MAX_COST_NANO, Tokens, cost_nano
from tracker.domain.reservation import Reservation, State
from tracker.domain.usage import GrantDraw, Usage, tokens_from, tokens_of
from tracker.errors import InvalidValue, NotFound, RequestConflict, ReservationClosed
from tracker.routing.policy import Decision, Request
from tracker.routing.registry import policy
from tracker.service import choosing
from tracker.service.opened import Opened, instant, past_instant
from tracker.store import ids, journal, reservations
from tracker.store import usage as usages
from tracker.store.book import Book
from tracker.store.connection import Transaction
from tracker.store.reservations import Held, Hold
from tracker.store.usage import Paid, Recorded
from tracker.text import label, show, slug
from tracker.units import MICROS, Money, count, div_half_even, parse_money, to_datetime

MAX_TTL_S = 30 * 86_400


def route(
    opened: Opened,
    model: str,
    *,
    input_tokens: int,
    max_output_tokens: int,
    hold: bool = True,
    free_only: bool = False,
    max_cash: Decimal | str | int | None = None,
    providers: Collection[str] | None = None,
    exclude: Collection[str] = (),
    policy_name: str = "cheapest",
    ttl_s: int = 600,
    request_id: str | None = None,
    project: str | None = None,
    user: str | None = None,
    tags: Mapping[str, str] | None = None,
    explain: bool = False,
    at: datetime | None = None,
) -> Decision:
    """Choose an offer and, with `hold`, reserve the estimate on its grants."""
    request = Request(
        model,
        count(input_tokens, "input_tokens"),
        count(max_output_tokens, "max_output_tokens"),
        free_only,
        None if max_cash is None else parse_money(max_cash, "CNY", "max_cash").nano,
        None if providers is None else _slugs(providers, "providers"),
        _slugs(exclude, "exclude") if exclude else frozenset(),
    )
    if not request.tokens:
        raise InvalidValue(
            "input_tokens and max_output_tokens are both 0; there is nothing to hold",
            field="input_tokens",
        )
    chooser = policy(policy_name)
    if not hold:

        def look(tx: Transaction, book: Book, now: int) -> Decision:
            when = instant(at, now)
            lapsed = reservations.open_holds(tx, when, now)
            return choosing.choose(
                tx, book, request, chooser, when, explain=explain, lapsed=lapsed
            ).decision

        return opened.read(look)
    ttl_micros = count(ttl_s, "ttl_s", minimum=1, maximum=MAX_TTL_S) * MICROS
    project, user, tags_text = labels(project, user, tags)
    body = None
    if request_id is not None:
        request_id = label(request_id, "request_id")
        body = _body(request, ttl_s, policy_name, project, user, tags_text, at)

    def reserve(tx: Transaction, book: Book, now: int) -> choosing.Choice | str:
        instant = past_instant(at, now)
        if request_id is not None and body is not None:
            before = reservations.remembered(tx, request_id)
            if before is not None:
                _same_body(request_id, before[0], body)
                return before[1]
        reservations.sweep(tx, instant, now)
        call_id = ids.new()
        choice = choosing.choose(
            tx,
            book,
            request,
            chooser,
            instant,
            explain=explain,
            refuse=request_id is None,
            reservation_id=ids.to_text(call_id),
            expires_at=instant + ttl_micros,
        )
        quote = choice.quote
        if quote is not None:
            offer = quote.offer
            reservations.insert(
                tx,
                id=call_id,
                account_key=offer.account_key,
                model_key=offer.model_key,
                at=instant,
                now=now,
                ttl_micros=ttl_micros,
                input_tokens=input_tokens,
                max_output_tokens=max_output_tokens,
                policy=chooser.name,
                request_id=request_id,
                project=project,
                user=user,
                tags=tags_text,
            )
            _take(tx, book, quote.burn, HOLD, call_id, instant, now)
        if request_id is not None and body is not None:
            reservations.remember(tx, request_id, body, choice.answer(), now)
        return choice

    outcome = opened.write(reserve)
    return choosing.replay(outcome) if isinstance(outcome, str) else outcome.decision


def settle(
    opened: Opened,
    reservation_id: str,
    *,
    usage: object = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cached_tokens: int = 0,
    reasoning_tokens: int = 0,
    at: datetime | None = None,
) -> Usage:
    """Record what a reserved call used. The call is dated by its reservation."""
    call_id = ids.from_text(reservation_id, "reservation")
    if usage is not None:
        tokens = tokens_from(usage)
    elif input_tokens is None or output_tokens is None:
        raise InvalidValue(
            "settle needs usage, or input_tokens and output_tokens", field="input_tokens"
        )
    else:
        tokens = tokens_of(input_tokens, output_tokens, cached_tokens, reasoning_tokens)

    def work(tx: Transaction, book: Book, now: int) -> Usage:
        held, kept = _reservation(tx, call_id, reservation_id)
        instant = max(past_instant(at, now), held.at)  # nothing ends before it began
        if held.state is State.SETTLED:
            return _settled_before(tx, book, held, tokens)
        if held.state is State.RELEASED:
            raise ReservationClosed(
                f"reservation {reservation_id} was released; record what the call used with "
                f'"tracker usage log"'
            )
        offer = book.offer(held.account_key, held.model_key)
        need, currency = need_of(offer, tokens, held.at)
        if held.state is State.HELD and held.expires_at <= instant:
            reservations.sweep(tx, instant, now)
            held, kept = _reservation(tx, call_id, reservation_id)
        if held.state is not State.HELD:
            kept = []
        within = spend([hold.credit for hold in kept], need)
        _settle_holds(tx, kept, within, call_id, instant, now)
        reservations.close(tx, held, "settle", instant)
        beyond = BurnDown((), 0, within.cash_nano)
        if within.overage_tokens:
            reservations.sweep(tx, instant, now)
            rest = Need(within.overage_tokens, within.cash_nano, need.currency)
            beyond = spend(choosing.credit(tx, book, offer, held.at), rest)
            _take(tx, book, beyond, DRAW, call_id, instant, now)
        overage = beyond.overage_tokens if within.overage_tokens else 0
        call = Recorded(
            call_id,
            "route",
            held.request_id,
            held.account_key,
            held.model_key,
            held.at,
            *tokens,
            overage,
            currency,
            need.list_nano,
            _cash(need, overage, (*within.draws, *beyond.draws), beyond.cash_nano),
            held.project,
            held.user,
            held.tags,
            None,
            now,
        )
        usages.insert(tx, call)
        return to_usage(call, offer, _paid(within, beyond))

    return opened.write(work)


def release(opened: Opened, reservation_id: str, *, at: datetime | None = None) -> Reservation:
    """Give back all a reservation holds. Releasing again, or after it expired, changes nothing."""
    call_id = ids.from_text(reservation_id, "reservation")

    def work(tx: Transaction, book: Book, now: int) -> Reservation:
        held, kept = _reservation(tx, call_id, reservation_id)
        instant = max(past_instant(at, now), held.at)  # nothing ends before it began
        if held.state is State.SETTLED:
            raise ReservationClosed(
                f"reservation {reservation_id} was settled; to take its usage back, run "
                f'"tracker usage void {reservation_id}"'
            )
        if held.state is State.HELD:
            event, when, moves = "release", instant, (RELEASE, RELEASE_VOIDED)
            if held.expires_at <= instant:
                event, when, moves = "expire", held.expires_at, (EXPIRE, EXPIRE_VOIDED)
            reservations.give_back(tx, held, moves, when, now)
            held = held._replace(state=reservations.close(tx, held, event, when))
        return to_reservation(book, held, kept)

    return opened.write(work)


def labels(
    project: str | None, user: str | None, tags: Mapping[str, str] | None
) -> tuple[str | None, str | None, str | None]:
    """Check who a call was for, and write its tags as they are stored."""
    return (
        None if project is None else label(project, "project"),
        None if user is None else label(user, "user"),
        tags_text(tags) if tags else None,
    )


def tags_text(tags: Mapping[str, str]) -> str:
    """Write tags as JSON in one order."""
    if not isinstance(tags, Mapping):
        raise InvalidValue(f"tags {show(tags)} is not a mapping of names to values", field="tags")
    checked = {label(key, "tags"): label(value, f"tags.{key}") for key, value in tags.items()}
    return json.dumps(checked, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def to_usage(call: Recorded, offer: Offer, paid: Collection[Paid]) -> Usage:
    """Return a recorded call as callers see it."""
    list_cost = cash = saved = None
    if call.currency is not None:
        if call.list_nano is not None:
            list_cost = Money(call.list_nano, call.currency)
        if call.cash_nano is not None:
            cash = Money(call.cash_nano, call.currency)
        if call.list_nano is not None and call.cash_nano is not None:
            saved = Money(call.list_nano - call.cash_nano, call.currency)
    return Usage(
        ids.to_text(call.id),
        call.request_id,
        offer.provider,
        offer.account,
        offer.model,
        to_datetime(call.at),
        call.uncached_tokens + call.cached_tokens,
        call.cached_tokens,
        call.output_tokens,
        call.reasoning_tokens,
        tuple(GrantDraw(one.grant, one.tokens, one.amount, one.unit) for one in paid),
        call.overage_tokens,
        list_cost,
        cash,
        saved,
        call.project,
        call.user,
        json.loads(call.tags) if call.tags else {},
        call.voided_at is not None,
    )


def to_reservation(book: Book, held: Held, kept: Collection[Hold]) -> Reservation:
    """Return a recorded reservation as callers see it."""
    offer = book.offer(held.account_key, held.model_key)
    return Reservation(
        ids.to_text(held.id),
        held.state,
        offer.provider,
        offer.account,
        offer.model,
        to_datetime(held.at),
        to_datetime(held.expires_at),
        held.input_tokens,
        held.max_output_tokens,
        tuple((hold.credit.id, hold.credit.available) for hold in kept),
        held.request_id,
        held.project,
        held.user,
    )


def need_of(offer: Offer, tokens: Tokens, at: int) -> tuple[Need, str]:
    """Return what a call asks of credit, and the currency its costs are in.

    Raises InvalidValue for a cost that is a mistake in the counts or the price, not a cost.
    """
    price = offer.price_at(at)
    if price is None:
        return Need(tokens.total, None, None), offer.currency
    cost, currency = cost_nano(price, tokens), price.currency
    if cost > MAX_COST_NANO:
        raise InvalidValue(
            f"{tokens.total:,} tokens of {offer.name} would cost {Money(cost, currency)}, and a "
            f"call at most {Money(MAX_COST_NANO, currency)}; check the counts and the price",
            field="input_tokens",
        )
    return Need(tokens.total, cost, currency), currency


def _slugs(names: Collection[str], field: str) -> frozenset[str]:
    """Return ids. Raises InvalidValue for one name: its letters are not names."""
    if isinstance(names, str | bytes) or not isinstance(names, Collection):
        raise InvalidValue(f"{field}: {show(names)} is not a list of ids", field=field)
    return frozenset(slug(one, field) for one in names)


def _cash(need: Need, overage: int, draws: Sequence[Draw], cash_nano: int | None) -> int | None:
    """Return the cash cost: 0 where nothing is left to pay, whatever the price.

    Otherwise it is the overage's share of the list cost, rounded once; what money has paid of it is
    gone from `cash_nano`, which was worked out step by step.
    """
    if not overage:
        return 0
    if need.list_nano is None or any(draw.credit.unit not in (TOKENS, REQUESTS) for draw in draws):
        return cash_nano
    return div_half_even(need.list_nano * overage, need.tokens)


def _take(
    tx: Transaction, book: Book, burn: BurnDown, move: Move, call_id: int, at: int, now: int
) -> None:
    if burn.draws:
        journal.take(tx, book, burn.draws, move, call_id, at, now)


def _settle_holds(
    tx: Transaction, kept: list[Hold], used: BurnDown, call_id: int, at: int, now: int
) -> None:
    """Spend what was used of each hold and give the rest back."""
    if not kept:
        return
    entries = {hold.credit.key: hold.credit.entries for hold in kept}
    voided = {hold.credit.key: hold.voided for hold in kept}
    if tx.locks:
        locked = journal.lock(tx, sorted(entries))
        entries = {key: state[1] for key, state in locked.items()}
        voided = {key: state[2] for key, state in locked.items()}
    spent = {draw.credit.key: draw for draw in used.draws}
    movements = []
    for hold in kept:
        credit = hold.credit
        draw = spent.get(credit.key)
        left, left_tokens = credit.available, hold.tokens
        if draw is not None:
            left, left_tokens = left - draw.amount, max(0, left_tokens - draw.tokens)
            movements.append(Movement(credit.key, SETTLE, draw.amount, draw.tokens, call_id, at))
        if left:
            move = RELEASE_VOIDED if voided[credit.key] else RELEASE
            movements.append(Movement(credit.key, move, left, left_tokens, call_id, at))
    journal.append(tx, movements, entries, now)


def _paid(within: BurnDown, beyond: BurnDown) -> list[Paid]:
    paid: dict[int, Paid] = {}
    for credit, amount, tokens in (*within.draws, *beyond.draws):
        before = paid.get(credit.key)
        if before is not None:
            amount, tokens = amount + before.amount, tokens + before.tokens
        paid[credit.key] = Paid(credit.key, credit.id, credit.unit, amount, tokens)
    return list(paid.values())


def _reservation(tx: Transaction, call_id: int, text: str) -> tuple[Held, list[Hold]]:
    held, kept = reservations.find_with_holds(tx, call_id)
    if held is None:
        raise NotFound(
            f'reservation {show(text)} is not in the ledger; run "tracker reservations list"'
        )
    return held, kept


def _settled_before(tx: Transaction, book: Book, held: Held, tokens: Tokens) -> Usage:
    """Return the first answer to a settlement. Raises RequestConflict where the counts differ."""
    call = usages.find(tx, held.id)
    assert call is not None, f"settled reservation {held.id} has its usage"
    for field, before, now in zip(
        ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"),
        (call.tokens.uncached + call.tokens.cached, *call.tokens[1:]),
        (tokens.uncached + tokens.cached, *tokens[1:]),
        strict=True,
    ):
        if before != now:
            raise RequestConflict(
                f"reservation {ids.to_text(held.id)} was settled with {field} {before:,}, not "
                f'{now:,}; to correct it, run "tracker usage void" and "tracker usage log"',
                field=field,
            )
    return to_usage(call, book.offer(held.account_key, held.model_key), usages.draws(tx, held.id))


def _body(
    request: Request,
    ttl_s: int,
    policy_name: str,
    project: str | None,
    user: str | None,
    tags: str | None,
    at: datetime | None,
) -> str:
    """Write a request so that two of them can be compared field by field."""
    return json.dumps(
        {
            **request._asdict(),
            "providers": None if request.providers is None else sorted(request.providers),
            "exclude": sorted(request.exclude),
            "ttl_s": ttl_s,
            "policy": policy_name,
            "project": project,
            "user": user,
            "tags": tags,
            "at": None if at is None else at.isoformat(),
        },
        ensure_ascii=False,
    )


def _same_body(request_id: str, before: str, body: str) -> None:
    """Refuse a request id that was used for something else."""
    if before == body:
        return
    first: dict[str, Any] = json.loads(before)
    second: dict[str, Any] = json.loads(body)
    for field, value in first.items():
        if second.get(field) != value:
            raise RequestConflict(
                f"request id {show(request_id)} was used before with {field} {show(value)}, not "
                f"{show(second.get(field))}; use a new id for a new request",
                field=field,
            )
