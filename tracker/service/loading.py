"""Loading a catalogue into a ledger: what is new is added, what is there stays as it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tracker.catalogue import loader
from tracker.catalogue.loader import Catalogue, GrantTemplate
from tracker.domain.grant import ALL_MODELS, REQUESTS, TOKENS, Grant
from tracker.errors import InvalidValue, NotFound
from tracker.service import catalog
from tracker.service.grants import add_grant, get_grant
from tracker.service.opened import Opened
from tracker.store import book as books
from tracker.store.book import Book, Model, Provider
from tracker.store.connection import Transaction
from tracker.text import model_key, show, slug
from tracker.units import Money, to_datetime


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading a catalogue added. All 0 when it was loaded before."""

    catalogue: str
    version: int
    providers: int
    models: int
    prices: int
    templates: int
    grants: int


def load_catalogue(opened: Opened, name: str) -> Loaded:
    """Load a catalogue by name. Raises NotFound that lists those there are."""
    found = loader.load(name)

    def work(tx: Transaction, book: Book, now: int) -> dict[str, int]:
        added = {
            "providers": _providers(tx, book, found, now),
            "models": _models(tx, books.current(tx, None), found, now),
            "prices": _prices(tx, books.current(tx, None), found, now),
            "templates": _templates(tx, found, now),
        }
        tx.run(
            "INSERT INTO catalogues (name, version, recorded_at) VALUES (?, ?, ?) "
            "ON CONFLICT (name, version) DO NOTHING",
            (found.name, found.version, now),
        )
        return added

    added = opened.write(work)
    grants = sum(_hold(opened, template) for template in found.grants if template.held)
    return Loaded(found.name, found.version, grants=grants, **added)


def claim(
    opened: Opened,
    template: str,
    *,
    on: date | None = None,
    account: str = "default",
    amount: int | str | Decimal | None = None,
    id: str | None = None,
) -> Grant:
    """Turn a catalogue's template into a grant of an account, claimed on a day (default today).

    Raises InvalidValue where the day is outside the time to claim, or where nobody knows the amount
    and none is given. Claiming again for the same account and day returns the grant that is there.
    """
    wanted = slug(template, "template")

    def find(tx: Transaction, book: Book, now: int) -> tuple[GrantTemplate, str, int]:
        row = tx.one("SELECT catalogue FROM templates WHERE id = ?", (wanted,))
        if row is None:
            raise NotFound(
                f"template {show(template)} is not in the ledger; run "
                '"tracker catalogue show NAME" for those there are, "tracker catalogue load NAME" '
                "to load them"
            )
        found = next(one for one in loader.load(row[0]).grants if one.id == wanted)
        return found, book.provider(found.provider).zone, now

    found, zone, now = opened.read(find)
    if on is None:
        from zoneinfo import ZoneInfo

        on = to_datetime(now).astimezone(ZoneInfo(zone)).date()
    starts_at, expires_at, ends_known = loader.claim_period(found, zone, on)
    size: int | str | Decimal
    if amount is not None:
        size = amount
    elif found.amount is None:
        raise InvalidValue(
            f"no source says how much {found.id} gives; say it with --amount", field="amount"
        )
    else:
        size = found.amount
        if found.unit not in (TOKENS, REQUESTS):
            size = Money(found.amount, found.unit).text()
    default = account == "default"
    return add_grant(
        opened,
        found.provider,
        size,
        id=id or (found.id if default else f"{found.id}-{slug(account, 'account')}"),
        account=account,
        models=found.models or ALL_MODELS,
        unit=found.unit,
        starts_at=to_datetime(starts_at),
        expires_at=to_datetime(expires_at)
        if expires_at is not None
        else "never"
        if ends_known
        else "unknown",
        when_used_up=found.when_used_up,
        source="; ".join(found.sources) or None,
        note_text=found.note,
        template=found.id,
    )


def templates(opened: Opened) -> list[tuple[str, dict[str, Any]]]:
    """Return (catalogue, template as recorded) of every template, by id."""
    return opened.read(
        lambda tx, book, now: [
            (catalogue, json.loads(body))
            for catalogue, body in tx.rows("SELECT catalogue, body FROM templates ORDER BY id")
        ]
    )


def _hold(opened: Opened, template: GrantTemplate) -> int:
    """Record a grant the catalogue says is held, unless it is there. Returns how many."""
    try:
        get_grant(opened, template.id)
    except NotFound:
        pass
    else:
        return 0
    assert template.amount is not None, template
    assert template.starts_at is not None, template
    add_grant(
        opened,
        template.provider,
        template.amount,
        id=template.id,
        models=template.models or ALL_MODELS,
        unit=template.unit,
        starts_at=to_datetime(template.starts_at),
        expires_at=to_datetime(template.expires_at)
        if template.expires_at is not None
        else "never"
        if template.ends_known
        else "unknown",
        when_used_up=template.when_used_up,
        source="; ".join(template.sources) or None,
        note_text=_note(template),
        template=template.id,
    )
    return 1


def _note(template: GrantTemplate) -> str | None:
    """Keep what came with a grant, and what nobody knows about it, beside it."""
    parts = [template.note] if template.note else []
    if template.perks:
        parts.append("Also: " + "; ".join(template.perks) + ".")
    if template.unknown:
        parts.append("Not known: " + "; ".join(template.unknown) + ".")
    return " ".join(parts)[:2000] or None


def _providers(tx: Transaction, book: Book, found: Catalogue, now: int) -> int:
    new = [one for one in found.providers if one.id not in book.providers]
    for one in new:
        catalog.insert_provider(
            tx,
            Provider(0, one.id, one.name, one.currency, one.timezone, one.base_url, one.note),
            now,
        )
    return len(new)


def _models(tx: Transaction, book: Book, found: Catalogue, now: int) -> int:
    there = {(model.provider, model.identity) for model in book.models}
    new = [one for one in found.models if (one.provider, model_key(one.id)) not in there]
    for one in new:
        catalog.insert_model(
            tx,
            book.provider(one.provider).key,
            Model(
                0, one.provider, one.id, model_key(one.id), one.groups, one.aliases,
                one.context_window, one.max_output_tokens, one.available_from,
                one.available_until, one.availability, one.note,
            ),
            now,
        )  # fmt: skip
    return len(new)


def _prices(tx: Transaction, book: Book, found: Catalogue, now: int) -> int:
    return sum(
        catalog.insert_price(
            tx,
            book,
            book.model(one.provider, one.model),
            one.valid_from,
            one.currency,
            [
                (
                    0,
                    one.input_micro_per_mtok,
                    one.output_micro_per_mtok,
                    one.cached_input_micro_per_mtok,
                )
            ],
            now,
            source="; ".join(one.sources) or None,
            checked_on=one.checked_on.isoformat(),
            confidence=one.confidence,
            note=one.note,
            keep=True,
        )
        for one in found.prices
    )


def _templates(tx: Transaction, found: Catalogue, now: int) -> int:
    added = 0
    for template in found.grants:
        body = json.dumps(asdict(template), default=str, ensure_ascii=False)
        added += tx.run(
            "INSERT INTO templates (id, catalogue, body, recorded_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO NOTHING",
            (template.id, found.name, body, now),
        )
    return added
