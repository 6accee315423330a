"""Reads a catalogue: who gave which credit, what a call cost, and how we know.

A catalogue is one TOML file: a built-in one under `data/`, or a user's own. Reading it checks
everything once: an unknown key, a name that is defined nowhere, a day that is in no calendar. What
comes out is frozen, every day turned into an instant in its provider's time zone, every price and
amount into an integer.

What no source says stays unsaid: it is None here, and `GrantTemplate.unknown` lists it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from tracker import text, units
from tracker.errors import InvalidValue, NotFound

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

T = TypeVar("T")
Choice = TypeVar("Choice", bound=str)

Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure was read.

    date: what the source carries: a day, a month ("2024-07") or a year; None if it is undated.
    """

    id: str
    title: str
    locator: str | None
    date: str | None


@dataclass(frozen=True, slots=True)
class Provider:
    """A company behind an API. base_url: None if it is not known."""

    id: str
    name: str
    currency: str
    timezone: str
    base_url: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Model:
    """A model id at a provider.

    available_from, available_until: microseconds since the epoch, from inclusive to exclusive;
    None means no bound. availability: why there is one ("blocked in CN").
    aliases: other names of the same model at this provider.
    """

    provider: str
    id: str
    name: str
    groups: tuple[str, ...]
    context_window: int | None
    max_output_tokens: int | None
    aliases: tuple[str, ...]
    available_from: int | None
    available_until: int | None
    availability: str | None
    sources: tuple[str, ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class Price:
    """A dated list price, in micro-units of `currency` per million tokens.

    valid_from: microseconds since the epoch, start of that day in the provider's time zone.
    valid_from_basis: "stated" if a source names the day, "first seen" if it is only the first day
    on which a dated source shows the price: it may have held before.
    """

    provider: str
    model: str
    currency: str
    input_micro_per_mtok: int
    output_micro_per_mtok: int
    cached_input_micro_per_mtok: int | None
    valid_from: int
    valid_from_basis: Literal["stated", "first seen"]
    sources: tuple[str, ...]
    checked_on: date
    confidence: Confidence
    note: str | None


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long credit lives once activated; the day of activation is day one."""

    count: int
    unit: Literal["days", "months"]

    def first_day_after(self, activated_on: date) -> date:
        """Return the first day on which credit activated that day is gone.

        In months it is the same day of a later month: from 15 February, one month lasts through
        14 March. Where that month has no such day it is the first of the next one: from 31 January,
        one month lasts through the last day of February, never a day less.
        Source: Tencent Cloud document 1047/66403 (15 February to 14 March), checked 2026-11-22.
        """
        if self.unit == "days":
            return activated_on + timedelta(days=self.count)
        years, month = divmod(activated_on.month - 1 + self.count, 12)
        first = date(activated_on.year + years, month + 1, 1)
        same_day = first + timedelta(days=activated_on.day - 1)
        if same_day.month == first.month:
            return same_day
        return same_day.replace(day=1)

    def __str__(self) -> str:
        return f"{self.count} {self.unit if self.count != 1 else self.unit[:-1]}"


@dataclass(frozen=True, slots=True)
class GrantTemplate:
    """A grant as offered: what a claim turns into a grant of one account.

    amount: tokens, requests, or nano-units of the currency in `unit`; None if no source gives it.
    held: loaded with the catalogue, without a claim; then `amount` and `starts_at` are known.
    starts_at, expires_at, claim_from, claim_until: microseconds since the epoch; a start includes
    its instant, an end excludes it; None if there is none, or none is known.
    ends_known: False if no source gives an end. With True, no `expires_at` and no `valid_for`, the
    credit never ends.
    unknown: what no source says, in words.
    """

    id: str
    provider: str
    models: tuple[str, ...]
    unit: str
    amount: int | None
    held: bool
    starts_at: int | None
    starts_basis: Literal["announced", "first reported"] | None
    expires_at: int | None
    ends_known: bool
    claim_from: int | None
    claim_until: int | None
    valid_for: Lifetime | None
    when_used_up: Literal["bills", "stops", "unknown"]
    eligibility: str | None
    perks: tuple[str, ...]
    sources: tuple[str, ...]
    checked_on: date
    confidence: Confidence
    note: str | None
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to everyone, kept so that the catalogue explains itself."""

    id: str
    title: str
    on: date
    sources: tuple[str, ...]
    confidence: Confidence
    note: str | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything one catalogue file says, checked: every name in it is defined in it."""

    name: str
    version: int
    title: str
    compiled_on: date
    sources: tuple[Source, ...]
    providers: tuple[Provider, ...]
    models: tuple[Model, ...]
    prices: tuple[Price, ...]
    grants: tuple[GrantTemplate, ...]
    events: tuple[Event, ...]


# The built-in ones


def names() -> tuple[str, ...]:
    """Return the names of the built-in catalogues, sorted."""
    files = (path.name for path in _data().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def load(name: str) -> Catalogue:
    """Read a built-in catalogue. Raises NotFound, which names those there are."""
    known = names()
    if name not in known:
        raise NotFound(f"catalogue {text.show(name)} is not known; choose {', '.join(known)}")
    content = _data().joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse(content, f"catalogue {name}")


def _data() -> Traversable:
    from importlib.resources import files

    return files("tracker.catalogue").joinpath("data")


# Claiming


def claim_period(
    template: GrantTemplate, zone: str, claimed_on: date
) -> tuple[int, int | None, bool]:
    """Work out what a grant claimed on that day covers: (starts_at, expires_at, ends_known).

    zone: the provider's time zone. The grant starts with the day, or when claiming opens if that is
    later on the same day. It ends at the template's own end or at the end of its life, whichever
    comes first; None with `ends_known` means never, None without it that nobody knows.
    When it was announced does not matter: reports come after the fact.
    Raises InvalidValue for a day outside the window for claims, or on which it would be over.
    """
    assert not isinstance(claimed_on, datetime), claimed_on
    day_starts = units.parse_start(claimed_on, zone, "claimed_on")
    day_ends = units.parse_end(claimed_on, zone, "claimed_on")

    if template.claim_from is not None and day_ends <= template.claim_from:
        first = _local_day(template.claim_from, zone)
        raise _not_claimable(template, claimed_on, f"claims open on {first}")
    if template.claim_until is not None and day_starts >= template.claim_until:
        last = _local_day(template.claim_until - 1, zone)
        raise _not_claimable(template, claimed_on, f"claims closed with {last}")

    starts_at = max(day_starts, template.claim_from or day_starts)
    ends = [template.expires_at] if template.expires_at is not None else []
    if template.valid_for is not None:
        ends.append(_end_of_life(template.valid_for, claimed_on, zone))
    expires_at = min(ends, default=None)
    if expires_at is not None and starts_at >= expires_at:
        last = _local_day(expires_at - 1, zone)
        raise _not_claimable(template, claimed_on, f"it ended with {last}")
    return starts_at, expires_at, template.ends_known


def _end_of_life(life: Lifetime, activated_on: date, zone: str) -> int:
    try:
        return units.parse_start(life.first_day_after(activated_on), zone, "claimed_on")
    except (ValueError, OverflowError):
        raise InvalidValue(
            f"claimed_on: {activated_on} plus {life} is beyond the calendar", field="claimed_on"
        ) from None


def _local_day(at: int, zone: str) -> date:
    return units.to_datetime(at).astimezone(units.zone_info(zone)).date()


def _not_claimable(template: GrantTemplate, claimed_on: date, reason: str) -> InvalidValue:
    return InvalidValue(
        f"grant {template.id} cannot be claimed on {claimed_on}: {reason}", field="claimed_on"
    )


# Reading


_KEYS: Mapping[str, tuple[str, ...]] = {
    "catalogue": ("name", "version", "title", "compiled_on"),
    "source": ("id", "title", "locator", "date"),
    "provider": ("id", "name", "currency", "timezone", "base_url", "note"),
    "model": (
        *("provider", "id", "name", "groups", "context_window", "max_output_tokens", "aliases"),
        *("available_from", "available_until", "availability", "sources", "note"),
    ),
    "price": (
        *("provider", "model", "input", "output", "cached_input", "currency", "valid_from"),
        *("valid_from_basis", "sources", "checked_on", "confidence", "note"),
    ),
    "grant": (
        *("id", "provider", "models", "unit", "amount", "held", "starts_on", "starts_basis"),
        *("ends_on", "ends", "claim_from", "claim_until", "valid_for", "when_used_up"),
        *("eligibility", "perks", "sources", "checked_on", "confidence", "note", "unknown"),
    ),
    "event": ("id", "title", "on", "sources", "confidence", "note"),
}
_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "model": ("provider", "id"),
    "price": ("provider", "model", "valid_from"),
}

_CONFIDENCE: tuple[Confidence, ...] = ("high", "medium", "low")
_PRICE_BASIS: tuple[Literal["stated", "first seen"], ...] = ("stated", "first seen")
_START_BASIS: tuple[Literal["announced", "first reported"], ...] = ("announced", "first reported")
_USED_UP: tuple[Literal["bills", "stops", "unknown"], ...] = ("bills", "stops", "unknown")
_ENDS: tuple[Literal["never", "unknown"], ...] = ("never", "unknown")


def parse(content: str, origin: str) -> Catalogue:
    """Read a catalogue from the text of its file.

    origin: what to call the file in an error. Raises InvalidValue, which names the entry and the
    key, for whatever is not in `_KEYS`, missing, malformed, contradictory or given twice, or refers
    to a provider, model or source that the same file does not define.
    """
    import tomllib

    try:
        document: dict[str, object] = tomllib.loads(content.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{origin}: not TOML: {error}") from None

    for key in document:
        _check_key(key, _KEYS, origin)
    head = document.get("catalogue")
    if not isinstance(head, dict):
        raise InvalidValue(f"{origin}: needs one [catalogue] table", field="catalogue")
    catalogue = _Entry("catalogue", head, origin, "[catalogue]")

    sources = _read_all(document, "source", origin, _read_source, lambda source: [source.id])
    providers = _read_all(document, "provider", origin, _read_provider, lambda it: [it.id])
    known = _Known(
        sources=frozenset(source.id for source in sources),
        providers={provider.id: provider for provider in providers},
    )
    models = _read_all(
        document,
        "model",
        origin,
        lambda entry: _read_model(entry, known),
        lambda model: [(model.provider, text.model_key(n)) for n in (model.id, *model.aliases)],
    )
    model_ids = {(model.provider, text.model_key(model.id)): model.id for model in models}
    prices = _read_all(
        document,
        "price",
        origin,
        lambda entry: _read_price(entry, known, model_ids),
        lambda price: [(price.provider, price.model, price.valid_from)],
    )
    grants = _read_all(
        document, "grant", origin, lambda entry: _read_grant(entry, known), lambda it: [it.id]
    )
    events = _read_all(
        document, "event", origin, lambda entry: _read_event(entry, known), lambda it: [it.id]
    )
    return Catalogue(
        name=catalogue.read("name", text.slug),
        version=catalogue.read("version", _version),
        title=catalogue.read("title", text.label),
        compiled_on=catalogue.read("compiled_on", _day),
        sources=sources,
        providers=providers,
        models=models,
        prices=prices,
        grants=grants,
        events=events,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """The sources and providers that entries refer to."""

    sources: frozenset[str]
    providers: Mapping[str, Provider]


class _Entry:
    """One table of the file, read key by key. A refusal names the file, the entry and the key."""

    def __init__(self, kind: str, table: Mapping[str, object], origin: str, name: str) -> None:
        self._table = table
        self._where = f"{origin}: {name}"
        for key in table:
            _check_key(key, _KEYS[kind], self._where)

    def has(self, key: str) -> bool:
        return key in self._table

    def read(self, key: str, reader: Callable[[object, str], T]) -> T:
        """Read a key that must be there."""
        if key not in self._table:
            raise self.refuse(key, f"{key} is missing")
        try:
            return reader(self._table[key], key)
        except InvalidValue as error:
            raise self.refuse(key, str(error)) from None

    def read_if_given(self, key: str, reader: Callable[[object, str], T]) -> T | None:
        return self.read(key, reader) if key in self._table else None

    def read_each(self, key: str, reader: Callable[[object, str], T]) -> tuple[T, ...]:
        """Read a list; a key that is absent is an empty one."""

        def each(value: object, name: str) -> tuple[T, ...]:
            if not isinstance(value, list):
                raise InvalidValue(f'{name}: {text.show(value)} is not a list; write ["..."]')
            return tuple(reader(item, name) for item in value)

        return self.read(key, each) if key in self._table else ()

    def read_choice(self, key: str, choices: tuple[Choice, ...]) -> Choice:
        def one(value: object, name: str) -> Choice:
            for choice in choices:
                if value == choice:
                    return choice
            raise InvalidValue(f"{name}: {text.show(value)} is not one of {', '.join(choices)}")

        return self.read(key, one)

    def read_sources(self, known: _Known) -> tuple[str, ...]:
        """Read the ids of the sources; at least one."""
        sources = self.read_each(
            "sources", lambda value, name: _defined(value, name, known.sources)
        )
        if not sources:
            raise self.refuse("sources", "sources: name at least one source")
        return sources

    def read_provider(self, known: _Known) -> Provider:
        return known.providers[
            self.read("provider", lambda value, name: _defined(value, name, known.providers))
        ]

    def refuse(self, key: str, problem: str) -> InvalidValue:
        return InvalidValue(f"{self._where}: {problem}", field=key)


def _read_all(
    document: Mapping[str, object],
    kind: str,
    origin: str,
    reader: Callable[[_Entry], T],
    keys: Callable[[T], Iterable[Hashable]],
) -> tuple[T, ...]:
    """Read all entries of a kind, in the file's order. No two may share one of their keys."""
    tables = document.get(kind, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidValue(f"{origin}: {kind}: write each one as [[{kind}]]", field=kind)
    items: list[T] = []
    taken: set[Hashable] = set()
    for number, table in enumerate(tables, start=1):
        entry = _Entry(kind, table, origin, _entry_name(kind, table, number))
        item = reader(entry)
        own = set(keys(item))
        if own & taken:
            also = "; aliases count as well" if kind == "model" else ""
            raise entry.refuse(_NAMED_BY.get(kind, ("id",))[-1], f"given twice{also}")
        taken |= own
        items.append(item)
    return tuple(items)


def _entry_name(kind: str, table: Mapping[str, object], number: int) -> str:
    """Name an entry by what identifies it, or by its place if that is missing."""
    parts = [table.get(key) for key in _NAMED_BY.get(kind, ("id",))]
    if not all(isinstance(part, str | date) for part in parts):
        return f"{kind} number {number}"
    return " ".join([kind, *(text.visible(str(part))[: text.SHOWN] for part in parts)])


def _check_key(key: str, allowed: Collection[str], where: str) -> None:
    if key not in allowed:
        raise InvalidValue(
            f"{where}: {text.show(key)} is not a key; choose {', '.join(allowed)}", field=key
        )


# One kind each


def _read_source(entry: _Entry) -> Source:
    return Source(
        id=entry.read("id", text.slug),
        title=entry.read("title", text.label),
        locator=entry.read_if_given("locator", text.note),
        date=entry.read_if_given("date", _loose_date),
    )


def _read_provider(entry: _Entry) -> Provider:
    return Provider(
        id=entry.read("id", text.slug),
        name=entry.read("name", text.label),
        currency=entry.read("currency", units.currency_code),
        timezone=entry.read("timezone", units.timezone_name),
        base_url=entry.read_if_given("base_url", _url),
        note=entry.read_if_given("note", text.note),
    )


def _read_model(entry: _Entry, known: _Known) -> Model:
    provider = entry.read_provider(known)
    model = Model(
        provider=provider.id,
        id=entry.read("id", text.model_name),
        name=entry.read("name", text.label),
        groups=entry.read_each("groups", text.slug),
        context_window=entry.read_if_given("context_window", _positive),
        max_output_tokens=entry.read_if_given("max_output_tokens", _positive),
        aliases=entry.read_each("aliases", text.model_name),
        available_from=entry.read_if_given("available_from", _start_in(provider.timezone)),
        available_until=entry.read_if_given("available_until", _end_in(provider.timezone)),
        availability=entry.read_if_given("availability", text.label),
        sources=entry.read_each(
            "sources", lambda value, name: _defined(value, name, known.sources)
        ),
        note=entry.read_if_given("note", text.note),
    )
    _check_order(entry, model.available_from, model.available_until, "available_until")
    return model


def _read_price(entry: _Entry, known: _Known, model_ids: Mapping[tuple[str, str], str]) -> Price:
    """Read one price. model_ids: provider and model key to the id as its model spells it."""
    provider = entry.read_provider(known)

    def known_model(value: object, name: str) -> str:
        key = provider.id, text.model_key(text.model_name(value, name))
        if key not in model_ids:
            raise InvalidValue(
                f"{name}: {text.show(value)} is not the id of a model of {provider.id}; "
                "add a [[model]] with it",
            )
        return model_ids[key]

    return Price(
        provider=provider.id,
        model=entry.read("model", known_model),
        currency=entry.read_if_given("currency", units.currency_code) or provider.currency,
        input_micro_per_mtok=entry.read("input", _price),
        output_micro_per_mtok=entry.read("output", _price),
        cached_input_micro_per_mtok=entry.read_if_given("cached_input", _price),
        valid_from=entry.read("valid_from", _start_in(provider.timezone)),
        valid_from_basis=entry.read_choice("valid_from_basis", _PRICE_BASIS),
        sources=entry.read_sources(known),
        checked_on=entry.read("checked_on", _day),
        confidence=entry.read_choice("confidence", _CONFIDENCE),
        note=entry.read_if_given("note", text.note),
    )


def _read_grant(entry: _Entry, known: _Known) -> GrantTemplate:
    provider = entry.read_provider(known)
    unit = entry.read("unit", _unit)
    start, end = _start_in(provider.timezone), _end_in(provider.timezone)

    def amount(value: object, name: str) -> int:
        if unit in ("tokens", "requests"):
            return units.count(value, name, minimum=1, maximum=units.MAX_AMOUNT)
        if not isinstance(value, str):
            raise InvalidValue(f'{name}: {text.show(value)} is not a decimal text such as "36.5"')
        nano = units.parse_money(value, unit, name).nano
        return units.count(nano, name, minimum=1, maximum=units.MAX_AMOUNT)

    template = GrantTemplate(
        id=entry.read("id", text.slug),
        provider=provider.id,
        models=entry.read_each("models", text.model_name),
        unit=unit,
        amount=entry.read_if_given("amount", amount),
        held=entry.read_if_given("held", _flag) or False,
        starts_at=entry.read_if_given("starts_on", start),
        starts_basis=(
            entry.read_choice("starts_basis", _START_BASIS) if entry.has("starts_on") else None
        ),
        expires_at=entry.read_if_given("ends_on", end),
        ends_known=not entry.has("ends") or entry.read_choice("ends", _ENDS) == "never",
        claim_from=entry.read_if_given("claim_from", start),
        claim_until=entry.read_if_given("claim_until", end),
        valid_for=entry.read_if_given("valid_for", _lifetime),
        when_used_up=entry.read_choice("when_used_up", _USED_UP),
        eligibility=entry.read_if_given("eligibility", text.note),
        perks=entry.read_each("perks", text.note),
        sources=entry.read_sources(known),
        checked_on=entry.read("checked_on", _day),
        confidence=entry.read_choice("confidence", _CONFIDENCE),
        note=entry.read_if_given("note", text.note),
        unknown=entry.read_each("unknown", text.note),
    )
    _check_grant(entry, template)
    return template


def _check_grant(entry: _Entry, template: GrantTemplate) -> None:
    """Refuse what contradicts itself, and an end that was forgotten instead of unknown."""
    if not template.models:
        raise entry.refuse("models", 'models: name at least one; write ["*"] for all of them')
    if entry.has("starts_basis") and not entry.has("starts_on"):
        raise entry.refuse("starts_basis", "starts_basis: there is no starts_on for it")
    has_end = entry.has("ends_on") or entry.has("valid_for")
    if has_end == entry.has("ends"):
        raise entry.refuse(
            "ends", 'ends: write ends_on, valid_for or both, or else ends = "unknown" or "never"'
        )
    if template.held and (template.amount is None or template.starts_at is None):
        raise entry.refuse("held", "held: credit that is held needs amount and starts_on")
    if template.held and template.valid_for is not None:
        raise entry.refuse(
            "held", "held: valid_for counts from a claim, which held credit has not; write ends_on"
        )
    _check_order(entry, template.starts_at, template.expires_at, "ends_on")
    _check_order(entry, template.claim_from, template.claim_until, "claim_until")


def _read_event(entry: _Entry, known: _Known) -> Event:
    return Event(
        id=entry.read("id", text.slug),
        title=entry.read("title", text.label),
        on=entry.read("on", _day),
        sources=entry.read_sources(known),
        confidence=entry.read_choice("confidence", _CONFIDENCE),
        note=entry.read_if_given("note", text.note),
    )


def _check_order(entry: _Entry, start: int | None, end: int | None, end_key: str) -> None:
    if start is not None and end is not None and start >= end:
        raise entry.refuse(end_key, f"{end_key}: is not after its start")


# One value each: (value, name of its key) to what is kept, or InvalidValue


def _defined(value: object, name: str, ids: Collection[str]) -> str:
    found = text.slug(value, name)
    if found not in ids:
        kind = name.removesuffix("s")
        raise InvalidValue(
            f"{name}: {found} is not in this catalogue; add a [[{kind}]] with that id"
        )
    return found


def _version(value: object, name: str) -> int:
    return units.count(value, name, minimum=1)


def _positive(value: object, name: str) -> int:
    return units.count(value, name, minimum=1)


def _flag(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidValue(f"{name}: {text.show(value)} is neither true nor false")


def _price(value: object, name: str) -> int:
    if isinstance(value, str):
        return units.parse_price(value, name)
    raise InvalidValue(f'{name}: {text.show(value)} is not a decimal text; write it like "4.5"')


def _unit(value: object, name: str) -> str:
    return str(value) if value in ("tokens", "requests") else units.currency_code(value, name)


def _url(value: object, name: str) -> str:
    url = text.label(value, name)
    if not url.startswith(("https://", "http://")):
        raise InvalidValue(f"{name}: {text.show(url)} is not a URL; write it with https://")
    return url


def _lifetime(value: object, name: str) -> Lifetime:
    match = (
        re.fullmatch("([1-9][0-9]{0,3}) (day|month)s?", value) if isinstance(value, str) else None
    )
    if match is None:
        raise InvalidValue(
            f'{name}: {text.show(value)} is not a life; write it like "30 days" or "12 months"'
        )
    return Lifetime(int(match[1]), "days" if match[2] == "day" else "months")


def _day(value: object, name: str) -> date:
    """Read a day: a TOML date, or the same as text."""
    if isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        with suppress(ValueError):  # 30 February is refused below, like all that is no day
            value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise InvalidValue(f"{name}: {text.show(value)} is not a day; write it like 2024-07-31")


def _loose_date(value: object, name: str) -> str:
    """Read a day, or a month or a year as text, for what is dated no better."""
    if isinstance(value, str) and re.fullmatch("[0-9]{4}(-(0[1-9]|1[0-2]))?", value):
        return value
    return _day(value, name).isoformat()


def _start_in(zone: str) -> Callable[[object, str], int]:
    return lambda value, name: units.parse_start(_moment(value, name), zone, name)


def _end_in(zone: str) -> Callable[[object, str], int]:
    return lambda value, name: units.parse_end(_moment(value, name), zone, name)


def _moment(value: object, name: str) -> str | date:
    if isinstance(value, str | date):
        return value
    raise InvalidValue(
        f"{name}: {text.show(value)} is not a date or an instant; "
        "write it like 2024-07-31 or 2024-07-31T16:00:00Z"
    )
