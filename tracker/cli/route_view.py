"""How a decision reads: an answer in a sentence or two, then what else there was, in groups."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tracker.cli import words
from tracker.cli.options import OutputFormat
from tracker.cli.output import emit_json, emit_one, note, paint, terminal_columns
from tracker.routing.policy import Alternative, Decision, PassedOver
from tracker.text import clip, pad, visible, width
from tracker.wire import decision_json, passed_over_json

if TYPE_CHECKING:
    from tracker.domain.grant import GrantBalance
    from tracker.errors import NoOffer
    from tracker.service.opened import Opened

TOP = 5  # offers of a group that are shown one by one
AS_CHEAP = "as cheap, but "


def show(
    opened: Opened,
    decision: Decision,
    format: OutputFormat,
    *,
    explain: bool,
    at: datetime | None = None,
) -> None:
    """Write a decision. at: what the question was about, None for now."""
    if format is not OutputFormat.TABLE:
        document = decision_json(decision)
        if format is not OutputFormat.JSON:
            document = {
                key: value
                for key, value in document.items()
                if key not in ("alternatives", "passed_over")
            }
        emit_one(document, format, "")
        return
    room = min(100, terminal_columns(default=80))
    answer = _answer(opened, decision, at) if explain else _short(decision)
    lines = textwrap.wrap(visible(answer), room, break_on_hyphens=False)
    chosen = visible(name_of(decision))
    print("\n".join([lines[0].replace(chosen, paint(chosen, "bold"), 1), *lines[1:]]))
    if decision.reservation_id is not None:
        until = f" until {decision.expires_at:%Y-%m-%d %H:%M:%S} UTC" if decision.expires_at else ""
        print(f"reservation {paint(decision.reservation_id, 'bold')}, held{until}")
    if explain:
        print("\n".join(_others(decision, room)))
    if decision.reservation_id is not None:
        id = decision.reservation_id
        note(f"then  tracker settle {id} --input N --output N\nor    tracker release {id}")


def refusal_json(refusal: NoOffer) -> None:
    """Write why nothing was chosen as tracker.refusal/1."""
    reasons = [passed_over_json(one) for one in refusal.reasons if isinstance(one, PassedOver)]
    emit_json(
        {
            "schema": "tracker.refusal/1",
            "code": refusal.code,
            "message": str(refusal),
            "passed_over": reasons,
        }
    )


def passed_over(reasons: Iterable[object]) -> None:
    """Write why each offer was passed over."""
    found = [(name_of(one), one.reason) for one in reasons if isinstance(one, PassedOver)]
    print("\n".join(_groups(found, min(100, terminal_columns(default=80)))))


def name_of(offer: Decision | Alternative | PassedOver) -> str:
    """Say which offer it is; the default account goes without saying."""
    account = "" if offer.account == "default" else f"@{offer.account}"
    return f"{offer.provider}{account}/{offer.model}"


def _short(decision: Decision) -> str:
    paying = ", ".join(f"{one.id} pays for {one.tokens:,} tokens" for one in decision.grants)
    price = (
        "list price unknown"
        if decision.expected_list is None
        else (f"list price {decision.expected_list}")
    )
    cost = "free" if decision.free else f"costs {decision.expected_cash}"
    return f"{name_of(decision)}: {cost}{', ' + paying if paying else ''} ({price})"


def _answer(opened: Opened, decision: Decision, at: datetime | None) -> str:
    """Say what to use, who pays, what is left of it, and why it beat the others."""
    total = decision.covered_tokens + decision.overage_tokens
    cost = "It is free" if decision.free else f"It costs {decision.expected_cash}"
    sentences = [f"Use {name_of(decision)}."]
    if decision.grants:
        sentences.append(f"{cost}: {_who_pays(opened, decision, at, total)}.")
    elif decision.free:
        sentences.append(f"{cost}: its list price is 0.")
    else:
        sentences.append(f"{cost} at list price: no free credit covers this request.")
    rivals = [one for one in decision.alternatives if one.expected_cash == decision.expected_cash]
    if decision.grants and decision.expected_list is not None:
        sentences.append(f"Without credit it would cost {decision.expected_list}.")
    elif decision.grants:
        sentences.append("What it would cost without credit is unknown.")
    if decision.free and rivals:
        more = f"{words.plural(len(rivals), 'other offer')} would be free too"
        known = decision.expected_list is not None
        why = "; this one uses up the credit that is worth least" if known else ""
        sentences.append(f"{more}{why}.")
    elif not decision.free and decision.alternatives:
        sentences.append(f"The next best costs {decision.alternatives[0].expected_cash}.")
    return " ".join(sentences)


def _who_pays(opened: Opened, decision: Decision, at: datetime | None, total: int) -> str:
    from tracker.service.balances import balance

    zone = opened.read(lambda tx, book, now: book.providers[decision.provider].zone)
    found = balance(opened, at=at, provider=decision.provider, account=decision.account)
    known = {one.id: one for one in found.grants}
    parts = []
    for one in decision.grants:
        share = f"all {total:,}" if one.tokens == total else f"{one.tokens:,} of {total:,}"
        text = f"grant {one.id} pays for {share} tokens"
        left = known.get(one.id)
        if left is not None:
            text += f" and has {words.compact(left.available, left.unit)} left, "
            text += _until(left, zone, decision.at)
        parts.append(text)
    return "; ".join(parts)


def _until(grant: GrantBalance, zone: str, at: datetime) -> str:
    if grant.expires_at is None:
        return "with no end" if grant.ends_known else "its end unknown"
    return f"until {words.last_day(grant.expires_at, zone)} ({words.span(grant.expires_at - at)})"


def _others(decision: Decision, room: int) -> list[str]:
    """Return what else there was: as cheap, dearer, impossible."""
    ranked = list(
        zip(decision.alternatives, (one.reason for one in decision.passed_over), strict=False)
    )
    equal = [
        (name_of(one), reason.removeprefix(AS_CHEAP))
        for one, reason in ranked
        if one.expected_cash == decision.expected_cash
    ]
    dearer = [
        (one, reason.removeprefix(f"would cost {one.expected_cash}").removeprefix(": "))
        for one, reason in ranked
        if one.expected_cash != decision.expected_cash
    ]
    lines: list[str] = []
    if equal:
        lines += ["", paint("ALSO FREE" if decision.free else "AS CHEAP", "dim")]
        lines += _groups(equal, room)
    if dearer:
        lines += ["", paint("WOULD COST", "dim"), *_dearer(dearer, room)]
    rest = [(name_of(one), one.reason) for one in decision.passed_over[len(ranked) :]]
    if rest:
        lines += ["", paint("CANNOT SERVE", "dim"), *_groups(rest, room)]
    for rate in decision.rates:
        lines += ["", paint(f"exchange rate: {rate}", "dim")]
    return lines


def _dearer(offers: Sequence[tuple[Alternative, str]], room: int) -> list[str]:
    top, rest = offers[:TOP], offers[TOP:]
    rows = [(name_of(one), str(one.expected_cash), reason) for one, reason in top]
    groups: dict[str, list[Alternative]] = {}
    for one, reason in rest:
        groups.setdefault(reason, []).append(one)
    for reason, group in groups.items():
        if len(group) == 1:
            rows.append((name_of(group[0]), str(group[0].expected_cash), reason))
            continue
        low, high = group[0].expected_cash, group[-1].expected_cash
        cost = str(high) if low == high else f"{low.text()} to {high}"
        rows.append((f"{len(group)} more", cost, reason))
    names = max(width(visible(name)) for name, _, _ in rows)
    costs = max(width(cost) for _, cost, _ in rows)
    return [
        clip(
            f"  {pad(visible(name), names)}  {pad(cost, costs, '>')}  {visible(reason)}", room
        ).rstrip()
        for name, cost, reason in rows
    ]


def _groups(offers: Sequence[tuple[str, str]], room: int) -> list[str]:
    """Return offers with why they were passed over; those with the same reason stand together."""
    groups: dict[str, list[str]] = {}
    for name, reason in offers:
        groups.setdefault(reason, []).append(visible(name))
    single = [(names[0], reason) for reason, names in groups.items() if len(names) == 1]
    size = max((width(name) for name, _ in single), default=0)
    lines = []
    for reason, names in groups.items():
        if len(names) == 1:
            lines += _hanging(f"  {pad(names[0], size)}  ", visible(reason), room)
            continue
        lines += _hanging("  ", f"{len(names)} offers: {visible(reason)}", room)
        shown = (
            names if len(names) <= TOP + 1 else [*names[:TOP], f"and\xa0{len(names) - TOP}\xa0more"]
        )
        lines += [paint(line, "dim") for line in _hanging("    ", ", ".join(shown), room)]
    return lines


def _hanging(first: str, text: str, room: int) -> list[str]:
    """Wrap a text under its first line's start."""
    indent = min(width(first), room // 2)
    lines = textwrap.wrap(
        text, max(20, room - indent), break_on_hyphens=False, break_long_words=False
    )
    lines = [line.replace("\xa0", " ") for line in lines]
    return [first + lines[0], *(" " * indent + line for line in lines[1:])] if lines else [first]
