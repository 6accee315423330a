"""How a catalogue looks."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from datetime import datetime

from tracker.catalogue.loader import Catalogue, GrantTemplate
from tracker.cli import words
from tracker.cli.balance_view import in_unit
from tracker.cli.options import OutputFormat
from tracker.cli.output import Column, emit, emit_json, paint, terminal_columns
from tracker.text import visible
from tracker.units import rfc3339, to_datetime


def show(catalogue: Catalogue, format: OutputFormat) -> None:
    """Write a catalogue's credit; JSON has all of it, sources among it."""
    if format is OutputFormat.JSON:
        emit_json({"schema": "tracker.catalogue/1", **_document(catalogue)})
    elif format is OutputFormat.TABLE:
        print("\n".join(_page(catalogue)))
    else:
        _listed(catalogue, format)


def _page(catalogue: Catalogue) -> list[str]:
    names = {one.id: one.name for one in catalogue.providers}
    zones = {one.id: one.timezone for one in catalogue.providers}
    room = terminal_columns(default=80)
    lines = [
        paint(visible(catalogue.title), "bold"),
        f"{catalogue.name} version {catalogue.version}, compiled {catalogue.compiled_on}: "
        f"{len(catalogue.providers)} providers, {len(catalogue.models)} models, "
        f"{len(catalogue.prices)} prices",
    ]
    for provider in dict.fromkeys(one.provider for one in catalogue.grants):
        lines += ["", paint(visible(names[provider]), "bold")]
        for grant in catalogue.grants:
            if grant.provider == provider:
                lines += _grant(grant, zones[provider], room)
    return lines


def _grant(grant: GrantTemplate, zone: str, room: int) -> list[str]:
    amount = "amount unknown" if grant.amount is None else words.counted(grant.amount, grant.unit)
    held = paint(" held", "green") if grant.held else ""
    lines = [f"  {grant.id}{held}  {paint(amount, 'bold')}  {visible(words.scope(grant.models))}"]
    facts = [("claim", _claim(grant, zone)), ("lasts", _life(grant, zone))]
    facts.append(("sure", f"{grant.confidence}; checked {grant.checked_on}"))
    if grant.unknown:
        facts.append(("unknown", "; ".join(grant.unknown)))
    for name, text in facts:
        wrapped = textwrap.wrap(visible(text), room - 13, break_on_hyphens=False) or [""]
        lines.append(f"    {paint(name.ljust(7), 'dim')}  {wrapped[0]}")
        lines += [" " * 13 + more for more in wrapped[1:]]
    return lines


def _claim(grant: GrantTemplate, zone: str) -> str:
    first = None if grant.claim_from is None else words.local_time(_at(grant.claim_from), zone)[:10]
    last = None if grant.claim_until is None else words.last_day(_at(grant.claim_until), zone)
    if first is None and last is None:
        return "no window known"
    return f"{first or '...'} to {last or '...'}"


def _life(grant: GrantTemplate, zone: str) -> str:
    parts = []
    if grant.starts_at is not None:
        start = words.local_time(_at(grant.starts_at), zone)[:10]
        parts.append(f"from {start} ({grant.starts_basis})")
    if grant.valid_for is not None:
        parts.append(f"{grant.valid_for} from the claim on")
    if grant.expires_at is not None:
        parts.append(f"until {words.last_day(_at(grant.expires_at), zone)}")
    elif grant.valid_for is None:
        parts.append("no end" if grant.ends_known else "end unknown")
    return ", ".join(parts)


def _listed(catalogue: Catalogue, format: OutputFormat) -> None:
    columns = (
        Column("id", "Grant"),
        Column("provider", "Provider"),
        Column("models", "Models"),
        Column("amount", "Amount", ">"),
        Column("unit", "Unit"),
        Column("held", "Held"),
        Column("claim_from", "Claim from"),
        Column("claim_until", "Claim until"),
        Column("valid_for", "Lasts"),
        Column("expires_at", "Ends"),
        Column("confidence", "Sure"),
        Column("unknown", "Unknown"),
    )
    rows = [
        (
            one.id, one.provider, list(one.models),
            None if one.amount is None else in_unit(one.amount, one.unit),
            one.unit, one.held, rfc3339(one.claim_from), rfc3339(one.claim_until),
            None if one.valid_for is None else str(one.valid_for), _end(one), one.confidence,
            "; ".join(one.unknown),
        )
        for one in catalogue.grants
    ]  # fmt: skip
    emit(columns, rows, format, schema="", name="")


def _end(grant: GrantTemplate) -> str | None:
    if grant.expires_at is not None:
        return rfc3339(grant.expires_at)
    if grant.valid_for is not None:
        return None
    return "never" if grant.ends_known else "unknown"


def _document(catalogue: Catalogue) -> dict[str, object]:
    """Return a catalogue as JSON can hold it: instants as RFC 3339, days as text."""
    instants = {
        "starts_at", "expires_at", "claim_from", "claim_until", "valid_from", "available_from",
        "available_until",
    }  # fmt: skip

    def written(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: written(one, name) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [written(one) for one in value]
        if key in instants and isinstance(value, int):
            return rfc3339(value)
        return value if value is None or isinstance(value, str | int | bool) else str(value)

    document = written(asdict(catalogue))
    assert isinstance(document, dict)
    for grant, record in zip(catalogue.grants, document["grants"], strict=True):
        record["valid_for"] = None if grant.valid_for is None else str(grant.valid_for)
    return document


def _at(micros: int) -> datetime:
    return to_datetime(micros)
