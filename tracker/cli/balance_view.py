"""How a balance looks: two lines a grant on 80 columns, a bar where there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime

from tracker.cli import words
from tracker.cli.options import OutputFormat
from tracker.cli.output import Column, emit, note, on_terminal, paint, terminal_columns
from tracker.domain.grant import REQUESTS, TOKENS, Balance, GrantBalance, GrantState
from tracker.store.book import Provider
from tracker.text import clip, pad, visible, width
from tracker.units import Money, rfc3339, to_micros

BAR = 20  # cells
BARS_FROM = 72  # columns of the terminal
NARROW = 14  # cells a provider's name needs at least
MOST_ENDED = 3  # of those that ended with something left, the latest
SOON_DAYS, CLOSE_DAYS = 7, 30
HEADS = ("AVAILABLE", "SPENT", "HELD", "OF", "ENDS")
STATE_STYLES = {
    GrantState.ACTIVE: "green",
    GrantState.SCHEDULED: "cyan",
    GrantState.USED_UP: "yellow",
    GrantState.EXPIRED: "red",
    GrantState.VOIDED: "dim",
}


def show(shown: Balance, found: Balance, providers: Mapping[str, Provider]) -> None:
    """Print a balance for people. found: with the ended grants that `shown` may leave out."""
    listed = {grant.id for grant in shown.grants}
    ended = [grant for grant in found.grants if grant.id not in listed and not grant.window_of]
    if not shown.grants and not ended:
        print("no grants")
        note('add one with "tracker grants add", or load a catalogue with "tracker init"')
        return
    lost = [grant for grant in reversed(ended) if grant.forfeited][:MOST_ENDED]
    lines = _grants(shown, providers) if shown.grants else ["no grant is active"]
    lines += _ended(lost, providers, found)
    print("\n".join(line.rstrip() for line in lines))
    if len(ended) > len(lost):
        note(f"{words.plural(len(ended) - len(lost), 'ended grant')} not shown; --all shows them")


def _grants(shown: Balance, providers: Mapping[str, Provider]) -> list[str]:
    rows = [
        (
            words.compact(grant.available, grant.unit),
            words.compact(grant.spent, grant.unit),
            words.compact(grant.held, grant.unit),
            words.compact(grant.amount, grant.unit),
            words.ends(grant, providers[grant.provider].zone, shown.at),
        )
        for grant in shown.grants
    ]
    sums = [
        (
            words.compact(total.available, total.unit),
            words.compact(total.spent, total.unit),
            words.compact(total.held, total.unit),
            words.compact(total.amount, total.unit),
            "",
        )
        for total in shown.totals
    ]
    room = terminal_columns(default=80)
    names = [_name(grant, providers) for grant in shown.grants]
    sizes = _widths([HEADS, *rows, *sums])
    if room - sum(sizes) - 2 * len(sizes) < NARROW:  # the day alone, without how long that is
        rows = [(*row[:-1], row[-1].partition(",")[0]) for row in rows]
        sizes = _widths([HEADS, *rows, *sums])
    spare = max(NARROW, room - sum(sizes) - 2 * len(sizes))
    name_width = min(max(BAR, *map(width, names)), spare)
    lines = [paint(_row("GRANT", HEADS, name_width, sizes), "dim")]
    for grant, name, row in zip(shown.grants, names, rows, strict=True):
        lines.append(_row(name, row, name_width, sizes, grant, shown))
        lines += _detail(grant, room, shown.at)
    lines.append(paint("─" * min(room, name_width + sum(sizes) + 2 * len(sizes)), "dim"))
    for total, row in zip(shown.totals, sums, strict=True):
        kind = total.unit if total.unit in ("tokens", "requests") else f"in {total.unit}"
        lines.append(_row(f"total {kind}", row, name_width, sizes, bold=True))
    return lines


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width, column)) for column in zip(*rows, strict=True)]


def _row(
    name: str,
    cells: Sequence[str],
    name_width: int,
    sizes: Sequence[int],
    grant: GrantBalance | None = None,
    shown: Balance | None = None,
    *,
    bold: bool = False,
) -> str:
    parts = [pad(clip(name, name_width), name_width)]
    parts += [pad(cell, size, ">") for cell, size in zip(cells[:-1], sizes[:-1], strict=True)]
    parts.append(cells[-1])
    if grant is not None and shown is not None:
        active = grant.state is GrantState.ACTIVE
        parts[0] = paint(parts[0], "bold" if active else "dim")
        parts[1] = paint(parts[1], STATE_STYLES[grant.state] if active else "dim")
        parts[-1] = paint(parts[-1], _urgency(grant, shown))
    elif bold:
        parts[:2] = [paint(part, "bold") for part in parts[:2]]
    return "  ".join(parts)


def _detail(grant: GrantBalance, room: int, at: datetime) -> list[str]:
    """Return what stands under a grant: its bar, id, state and models."""
    roomy = on_terminal() and room >= BARS_FROM
    bar = f"{_bar(grant)}  " if roomy else "  "
    left = room - (BAR + 2 if roomy else 2)
    parts = [grant.id if grant.account == "default" else f"{grant.id} @{grant.account}"]
    state = grant.state.value
    if grant.state is GrantState.SCHEDULED:
        state += f", in {words.span(grant.starts_at - at)}"
    if grant.forfeited:
        state += f", {words.compact(grant.forfeited, grant.unit)} forfeited"
    parts.append(state)
    head = " · ".join(parts)
    text = clip(f"{head} · {visible(words.scope(grant.models))}", max(left, width(head)))
    return [bar + paint(text, "dim")]


def _bar(grant: GrantBalance) -> str:
    """Draw the share that is available, in eighths of a cell, rounded down; a rest always shows."""
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        full = BAR * grant.available // grant.amount if grant.amount else 0
        return "#" * full + "." * (BAR - full)
    eighths = 8 * BAR * grant.available // grant.amount if grant.amount else 0
    if grant.available and not eighths:
        eighths = 1
    whole, part = divmod(eighths, 8)
    drawn = "█" * whole + (" ▏▎▍▌▋▊▉"[part] if part else "")
    colour = STATE_STYLES[grant.state]
    return paint(drawn, colour) + paint("░" * (BAR - len(drawn)), "dim")


def _urgency(grant: GrantBalance, shown: Balance) -> str:
    """Colour an end by how close it is, where there is something to lose."""
    if grant.state is not GrantState.ACTIVE or grant.expires_at is None or grant.window_of:
        return "dim"
    days = (grant.expires_at - shown.at).days
    return "red" if days < SOON_DAYS else "yellow" if days < CLOSE_DAYS else ""


def _ended(
    lost: Sequence[GrantBalance], providers: Mapping[str, Provider], found: Balance
) -> list[str]:
    """Tell of the grants that ended with something left: it was wasted."""
    if not lost:
        return []
    room = terminal_columns(default=80)
    lines = ["", paint("ENDED WITH CREDIT LEFT", "dim")]
    names = max(BAR, *(width(_name(grant, providers)) for grant in lost))
    for grant in lost:
        forfeited = f"{words.compact(grant.forfeited, grant.unit)} forfeited"
        whole = words.compact(grant.amount, grant.unit)
        end = words.ends(grant, providers[grant.provider].zone, found.at)
        rest = f"{f' of {whole}' if grant.forfeited < grant.amount else ''}, expired {end}"
        if room - len(forfeited) - len(rest) - 2 < NARROW:
            rest = rest.rpartition(",")[0]
        name_width = min(names, max(NARROW, room - len(forfeited) - len(rest) - 2))
        name = pad(clip(_name(grant, providers), name_width), name_width)
        lines.append(f"{name}  {paint(forfeited, 'red')}{rest}")
        detail = " · ".join((grant.id, visible(words.scope(grant.models))))
        lines.append("  " + paint(clip(detail, room - 2), "dim"))
    return lines


def _name(grant: GrantBalance, providers: Mapping[str, Provider]) -> str:
    return visible(providers[grant.provider].name)


def export(shown: Balance, format: OutputFormat) -> None:
    """Write a balance as CSV or Markdown: exact numbers, instants in UTC."""
    columns = (
        Column("provider", "Provider"),
        Column("account"),
        Column("id", "Grant"),
        Column("models", "Models"),
        Column("unit", "Unit"),
        *(
            Column(key, key.capitalize(), ">")
            for key in ("amount", "spent", "held", "remaining", "available", "forfeited")
        ),
        Column("priority"),
        Column("state", "State"),
        Column("starts_at"),
        Column("expires_at"),
        Column("ends", "Ends"),
        Column("when_used_up"),
    )
    rows = [
        (
            grant.provider,
            grant.account,
            grant.id,
            list(grant.models),
            grant.unit,
            *(
                in_unit(amount, grant.unit)
                for amount in (
                    grant.amount, grant.spent, grant.held, grant.remaining, grant.available,
                    grant.forfeited,
                )
            ),
            grant.priority,
            grant.state.value,
            grant.starts_at,
            grant.expires_at,
            _ends_exactly(grant),
            grant.when_used_up,
        )
        for grant in shown.grants
    ]  # fmt: skip
    emit(columns, rows, format, schema="tracker.balance/1", name="grants")


def in_unit(amount: int, unit: str) -> int | Money:
    """Return an amount of a grant as what it is: a count, or money."""
    return amount if unit in (TOKENS, REQUESTS) else Money(amount, unit)


def _ends_exactly(grant: GrantBalance) -> str:
    if grant.expires_at is None:
        return "never" if grant.ends_known else "unknown"
    return rfc3339(to_micros(grant.expires_at, "expires_at"))
