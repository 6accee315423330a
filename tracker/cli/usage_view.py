"""How recorded calls look."""

from __future__ import annotations

from collections.abc import Sequence

from tracker.cli import words
from tracker.cli.options import OutputFormat
from tracker.cli.output import Column, emit, emit_json, emit_one
from tracker.domain.usage import Usage
from tracker.text import visible
from tracker.units import Money
from tracker.wire import usage_json


def one(usage: Usage, format: OutputFormat) -> None:
    """Write one call: who paid for it, and what it saved."""
    emit_one(usage_json(usage), format, sentence(usage))


def sentence(usage: Usage) -> str:
    """Say what a call used and who paid, in two lines."""
    total = usage.input_tokens + usage.output_tokens
    voided = "voided " if usage.voided else ""
    lines = [
        f"{voided}usage {usage.id}: {usage.provider}/{usage.model}, {total:,} tokens "
        f"({usage.input_tokens:,} in, {usage.output_tokens:,} out)"
    ]
    parts = [f"{draw.tokens:,} paid by {draw.grant}" for draw in usage.draws]
    if usage.overage_tokens:
        parts.append(f"{usage.overage_tokens:,} not covered by credit")
    if usage.cash_cost is not None:
        parts.append(f"cash {usage.cash_cost}" if usage.cash_cost.nano else "no cash")
    if usage.saved is not None and usage.saved.nano:
        parts.append(f"saved {usage.saved}")
    elif usage.saved is None:
        parts.append("list price unknown")
    return visible(lines[0]) + "\n  " + visible(", ".join(parts))


def listed(found: Sequence[Usage], format: OutputFormat) -> None:
    """Write a list of calls."""
    if format is OutputFormat.JSON:
        emit_json({"schema": "tracker.usages/1", "usage": [usage_json(usage) for usage in found]})
        return
    columns = (
        Column("id", "USAGE"),
        Column("request_id"),
        Column("at", "AT (UTC)"),
        Column("provider"),
        Column("account"),
        Column("model"),
        Column("name", "MODEL", shrinks=2),
        Column("tokens", "TOKENS", ">"),
        Column("input_tokens"),
        Column("cached_tokens"),
        Column("output_tokens"),
        Column("reasoning_tokens"),
        Column("draws"),
        Column("overage_tokens"),
        Column("list_cost"),
        Column("cash_cost", "CASH", ">", show=_money),
        Column("saved", "SAVED", ">", show=_money),
        Column("currency"),
        Column("project", "PROJECT", shrinks=1, optional=True),
        Column("user"),
        Column("tags"),
        Column("voided"),
    )
    rows = [_row(usage) for usage in found]
    hidden = ("name", "tokens") if format is OutputFormat.CSV else ()
    kept = [at for at, column in enumerate(columns) if column.key not in hidden]
    emit(
        [columns[at] for at in kept],
        [[row[at] for at in kept] for row in rows],
        format,
        schema="",
        name="",
    )


def _row(usage: Usage) -> tuple[object, ...]:
    money = usage.list_cost or usage.cash_cost
    return (
        usage.id, usage.request_id, usage.at, usage.provider, usage.account, usage.model,
        f"{usage.provider}/{usage.model}" + (" (voided)" if usage.voided else ""),
        usage.input_tokens + usage.output_tokens, usage.input_tokens, usage.cached_tokens,
        usage.output_tokens, usage.reasoning_tokens,
        [f"{draw.grant}={draw.tokens}" for draw in usage.draws],
        usage.overage_tokens, usage.list_cost, usage.cash_cost, usage.saved,
        None if money is None else money.currency,
        usage.project, usage.user, dict(usage.tags), usage.voided,
    )  # fmt: skip


def _money(money: Money | None) -> str:
    if money is None:
        return "unknown"
    return words.compact(money.nano, money.currency) if money.nano else "0"
