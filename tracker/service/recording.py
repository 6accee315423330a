"""Recording usage that was not reserved: one call, or a log of them; and taking one back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from tracker.domain.burndown import spend
from tracker.domain.journal import DRAW, REVERSE, REVERSE_VOIDED, Movement
from tracker.domain.offer import Offer
from tracker.domain.price import Tokens
from tracker.domain.usage import Imported, Rejected, Usage, tokens_of
from tracker.errors import InvalidValue, NoPrice, NotFound, RequestConflict, TrackerError
from tracker.service.calls import labels, need_of, tags_text, to_usage
from tracker.service.choosing import credit
from tracker.service.opened import AHEAD_MICROS, Opened, past_instant
from tracker.store import accounts, ids, journal, reservations
from tracker.store import usage as usages
from tracker.store.book import Book
from tracker.store.connection import Transaction
from tracker.store.purse import Purse
from tracker.store.usage import Paid, Recorded
from tracker.text import label, show, slug
from tracker.units import rfc3339, to_micros

CHUNK = 10_000  # rows in one transaction
OWN = ""  # the source of usage recorded in our own shape
ROUTED = "route"  # the source of usage that was reserved
FIELDS = frozenset(
    (
        "provider", "model", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens",
        "at", "request_id", "account", "project", "user", "tags", "source",
    )
)  # fmt: skip


class Row(NamedTuple):
    """One call to record, checked, before the ledger has seen it."""

    provider: str
    model: str
    tokens: Tokens
    at: int | None
    source: str
    request_id: str | None
    account: str
    project: str | None
    user: str | None
    tags: str | None


@dataclass(slots=True)
class Counted:
    """What became of the rows of one import so far."""

    accepted: int = 0
    duplicates: int = 0


def log_usage(
    opened: Opened,
    provider: str,
    model: str,
    *,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int = 0,
    reasoning_tokens: int = 0,
    at: datetime | None = None,
    request_id: str | None = None,
    account: str = "default",
    project: str | None = None,
    user: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Usage:
    """Record one finished call. It draws on grants that were active when it happened."""
    row = Row(
        slug(provider, "provider"),
        model,
        _used(tokens_of(input_tokens, output_tokens, cached_tokens, reasoning_tokens)),
        None if at is None else to_micros(at, "at"),
        OWN,
        None if request_id is None else label(request_id, "request_id"),
        slug(account, "account"),
        *labels(project, user, tags),
    )

    def work(tx: Transaction, book: Book, now: int) -> Usage:
        instant = past_instant(at, now)
        if row.request_id is not None:
            found = usages.find_requests(tx, OWN, [row.request_id]).get(row.request_id)
            if found is not None:
                return _recorded_before(tx, book, found, row)
        book = accounts.ensure(tx, book, row.provider, row.account, now)
        offer = _offer(book, row)
        reservations.sweep(tx, instant, now)
        need, currency = need_of(offer, row.tokens, instant)
        burn = spend(credit(tx, book, offer, instant), need)
        if burn.cash_nano is None:
            raise no_price(offer, instant, burn.overage_tokens)
        overage, cash = burn.overage_tokens, burn.cash_nano
        call = _call(ids.new(), row, offer, instant, need.list_nano, currency, overage, cash, now)
        if burn.draws:
            journal.take(tx, book, burn.draws, DRAW, call.id, instant, now)
        usages.insert(tx, call)  # after the grants, like a settlement: or the two deadlock
        return to_usage(
            call, offer, [Paid(c.key, c.id, c.unit, amount, n) for c, amount, n in burn.draws]
        )

    return opened.write(work)


def log_many(opened: Opened, rows: Iterable[Mapping[str, Any]]) -> Imported:
    """Record many calls, a transaction per 10,000. Repeating an import adds nothing.

    A row is keyed by (source, request_id); one without a request id is always new.
    """
    counted = Counted()
    rejected: list[Rejected] = []
    number = 0
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        checked: list[tuple[int, Row]] = []
        for raw in chunk:
            number += 1
            try:
                checked.append((number, check(raw)))
            except TrackerError as error:
                rejected.append(Rejected(number, error.code, str(error)))
        if checked:
            done, refused = record(opened, checked)
            counted.accepted += done.accepted
            counted.duplicates += done.duplicates
            rejected += refused
    rejected.sort(key=lambda one: one.row)
    return Imported(counted.accepted, counted.duplicates, tuple(rejected))


_slug, _label = lru_cache(4096)(slug), lru_cache(4096)(label)  # a log repeats its names


def check(raw: Mapping[str, Any], instant: int | None = None) -> Row:
    """Check a row of usage in our own shape. Raises InvalidValue that names the field.

    instant: when it was, for a caller who has read `at` already.
    """
    if not isinstance(raw, Mapping):
        raise InvalidValue(f"row {show(raw)} is not a mapping of fields to values", field="row")
    get = raw.get
    if not FIELDS.issuperset(raw):
        unknown = min(str(name) for name in raw if name not in FIELDS)
        raise InvalidValue(
            f"field {show(unknown)} is not known; the fields are {', '.join(sorted(FIELDS))}",
            field=unknown[:100],
        )
    provider, model = get("provider"), get("model")
    if provider is None or model is None:
        missing = "provider" if provider is None else "model"
        raise InvalidValue(f"{missing} is missing", field=missing)
    if "input_tokens" not in raw or "output_tokens" not in raw:
        missing = "input_tokens" if "input_tokens" not in raw else "output_tokens"
        raise InvalidValue(f"{missing} is missing", field=missing)
    at, request_id, account, source = get("at"), get("request_id"), get("account"), get("source")
    project, user, tags = get("project"), get("user"), get("tags")
    if source == ROUTED:
        raise InvalidValue(
            f"source {show(source)} names calls that were reserved here; choose another",
            field="source",
        )
    return Row(
        _slug(provider, "provider") if type(provider) is str else slug(provider, "provider"),
        model if isinstance(model, str) else label(model, "model"),
        _used(
            tokens_of(
                raw["input_tokens"],
                raw["output_tokens"],
                get("cached_tokens", 0),
                get("reasoning_tokens", 0),
            )
        ),
        instant if instant is not None or at is None else to_micros(at, "at"),
        OWN if source is None else label(source, "source"),
        None if request_id is None else label(request_id, "request_id"),
        "default" if account is None else slug(account, "account"),
        None if project is None else _named(project, "project"),
        None if user is None else _named(user, "user"),
        tags_text(tags) if tags else None,
    )


def _used(tokens: Tokens) -> Tokens:
    """Refuse a call that used nothing: there is nothing to record."""
    if tokens[0] or tokens[1] or tokens[2]:
        return tokens
    raise InvalidValue(
        "input_tokens and output_tokens are both 0: a call that used nothing is no usage, "
        "leave it out",
        field="input_tokens",
    )


def _named(value: object, name: str) -> str:
    return _label(value, name) if type(value) is str else label(value, name)


def record(opened: Opened, rows: list[tuple[int, Row]]) -> tuple[Counted, list[Rejected]]:
    """Record checked rows in one transaction: those that are new, once each."""

    def work(tx: Transaction, book: Book, now: int) -> tuple[Counted, list[Rejected]]:
        counted = Counted()
        refused: list[Rejected] = []
        names = {(row.provider, row.account, row.model) for _, row in rows}
        for provider, account, model in names:
            if book.has_model(provider, model):
                book = accounts.ensure(tx, book, provider, account, now)
        reservations.sweep(tx, now, now)
        known = known_requests(tx, rows)
        purse = Purse(tx, book)
        offers: dict[tuple[str, str, str], Offer] = {}
        calls: list[Recorded] = []
        call_id = ids.new_many(len(rows))
        for number, row in rows:
            key = (row.source, row.request_id)
            try:
                if row.request_id is not None and key in known:
                    same_call(known[key], row, book)
                    counted.duplicates += 1
                    continue
                name = (row.provider, row.account, row.model)
                offer = offers.get(name)
                if offer is None:
                    offer = offers[name] = _offer(book, row)
                at = now if row.at is None else row.at
                if at > now + AHEAD_MICROS:
                    raise InvalidValue(f"at {rfc3339(at)} is in the future", field="at")
                need, currency = need_of(offer, row.tokens, at)
                overage, cash = purse.pay(offer, need, at, call_id)
                if cash is None:
                    raise no_price(offer, at, overage)
            except TrackerError as error:
                refused.append(Rejected(number, error.code, str(error)))
                continue
            call = _call(call_id, row, offer, at, need.list_nano, currency, overage, cash, now)
            calls.append(call)
            call_id += 1
            if row.request_id is not None:
                known[key] = call
        purse.close(now)
        usages.insert_many(tx, calls)
        counted.accepted = len(calls)
        return counted, refused

    return opened.write(work)


def void_usage(
    opened: Opened, id: str, *, at: datetime | None = None, reason: str | None = None
) -> Usage:
    """Take a call back: its grants get back what it drew. Voiding again changes nothing."""
    call_id = ids.from_text(id, "usage")
    reason = None if reason is None else label(reason, "reason")

    def work(tx: Transaction, book: Book, now: int) -> Usage:
        instant = past_instant(at, now)
        call = usages.find(tx, call_id)
        if call is None:
            raise NotFound(f'usage {show(id)} is not in the ledger; run "tracker usage list"')
        instant = max(instant, call.at)
        offer = book.offer(call.account_key, call.model_key)
        paid = usages.draws(tx, call_id)
        if call.voided_at is None:
            if paid:
                locked = journal.lock(tx, sorted(one.grant_key for one in paid))
                journal.append(
                    tx,
                    [_reversal(one, call_id, instant, reason, locked) for one in paid],
                    {key: state[1] for key, state in locked.items()},
                    now,
                )
            usages.subtract(tx, call, instant)
            call = call._replace(voided_at=instant)
        return to_usage(call, offer, paid)

    return opened.write(work)


def usage_of(opened: Opened, ids_wanted: Iterable[int]) -> Iterator[Usage]:
    """Return recorded calls with what paid for them."""

    def work(tx: Transaction, book: Book, now: int) -> list[Usage]:
        found = []
        for id in ids_wanted:
            row = tx.one(f"SELECT {usages.COLUMNS} FROM usage WHERE id = ?", (id,))
            if row is not None:
                call = Recorded(*row)
                offer = book.offer(call.account_key, call.model_key)
                found.append(to_usage(call, offer, usages.draws(tx, id)))
        return found

    return iter(opened.read(work))


def _reversal(
    paid: Paid, call_id: int, at: int, reason: str | None, locked: dict[int, tuple[int, int, bool]]
) -> Movement:
    move = REVERSE_VOIDED if locked[paid.grant_key][2] else REVERSE
    return Movement(paid.grant_key, move, paid.amount, paid.tokens, call_id, at, reason)


def _offer(book: Book, row: Row) -> Offer:
    model = book.model(row.provider, row.model)
    return book.offer(book.accounts[(row.provider, row.account)], model.key)


def _call(
    call_id: int,
    row: Row,
    offer: Offer,
    at: int,
    list_nano: int | None,
    currency: str,
    overage: int,
    cash: int,
    now: int,
) -> Recorded:
    _, _, (uncached, cached, output, reasoning), _, source, request_id, _, project, user, tags = row
    return Recorded._make(
        (
            call_id, source, request_id, offer.account_key, offer.model_key, at, uncached, cached,
            output, reasoning, overage, currency, list_nano, cash, project, user, tags, None, now,
        )
    )  # fmt: skip


def no_price(offer: Offer, at: int, overage: int) -> NoPrice:
    """Say that a call costs something and nobody knows what."""
    return NoPrice(
        f"no price of {offer.name} is known at {rfc3339(at)}, and {overage:,} tokens of the call "
        f"are not covered by credit; set it with "
        f'"tracker prices set {offer.provider} {offer.model} --input P --output P"'
    )


def known_requests(
    tx: Transaction, rows: list[tuple[int, Row]]
) -> dict[tuple[str, str | None], Recorded]:
    """Return the calls recorded under the request ids of rows, by source and request id."""
    by_source: dict[str, list[str]] = {}
    for _, row in rows:
        if row.request_id is not None:
            by_source.setdefault(row.source, []).append(row.request_id)
    return {
        (source, request_id): call
        for source, request_ids in by_source.items()
        for request_id, call in usages.find_requests(tx, source, request_ids).items()
    }


def _recorded_before(tx: Transaction, book: Book, found: Recorded, row: Row) -> Usage:
    same_call(found, row, book)
    offer = book.offer(found.account_key, found.model_key)
    return to_usage(found, offer, usages.draws(tx, found.id))


def same_call(found: Recorded, row: Row, book: Book) -> None:
    """Refuse a request id that was recorded with another body. A repeat may leave the time out."""
    offer = book.offer(found.account_key, found.model_key)
    try:
        model = book.model(row.provider, row.model).id
    except NotFound:
        model = row.model
    before = {
        "provider": offer.provider, "account": offer.account, "model": offer.model,
        "input_tokens": found.uncached_tokens + found.cached_tokens,
        "cached_tokens": found.cached_tokens, "output_tokens": found.output_tokens,
        "reasoning_tokens": found.reasoning_tokens, "at": found.at, "project": found.project,
        "user": found.user, "tags": found.tags,
    }  # fmt: skip
    tokens = row.tokens
    now = {
        "provider": row.provider, "account": row.account, "model": model,
        "input_tokens": tokens.uncached + tokens.cached, "cached_tokens": tokens.cached,
        "output_tokens": tokens.output, "reasoning_tokens": tokens.reasoning,
        "at": found.at if row.at is None else row.at, "project": row.project, "user": row.user,
        "tags": row.tags,
    }  # fmt: skip
    for field, value in before.items():
        if now[field] != value:
            first, second = value, now[field]
            if field == "at":
                first, second = rfc3339(found.at), rfc3339(row.at)
            raise RequestConflict(
                f"request id {show(row.request_id)} was recorded before with {field} "
                f"{show(first)}, not {show(second)}; use a new id for a new call",
                field=field,
            )
