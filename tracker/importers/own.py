"""Our own shape: the fields of a call, as `usage list` writes and `usage import` reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tracker.errors import InvalidValue
from tracker.importers.base import Line
from tracker.text import show
from tracker.units import parse_instant

COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
TEXTS = ("provider", "model", "request_id", "account", "project", "user", "source")
FIELDS = frozenset((*COUNTS, *TEXTS, "at", "tags"))

# What an export says of a call beyond what it was: worked out anew when it is imported.
DERIVED = frozenset(
    ("schema", "draws", "overage_tokens", "list_cost", "cash_cost", "saved", "currency")
)
# What `--rejects` writes beside a line, so that it can be put right and imported as it is.
REJECT_FIELDS = ("reject_line", "reject_reason", "reject_text")
KNOWN = FIELDS | DERIVED | {"id", "voided", *REJECT_FIELDS}

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


def call(number: int, text: str, found: Mapping[str, Any]) -> Line:
    """Make a line of what it says. Unknown fields are refused by name; derived ones are skipped."""
    try:
        id = voided = None
        fields = found
        if not FIELDS.issuperset(found):
            _refuse_unknown(found)
            id, voided = found.get("id"), found.get("voided")
            fields = {name: value for name, value in found.items() if name in FIELDS}
        given = fields.get("at")
        at = None if given is None else instant(given)
        if voided is not None and type(voided) is not bool:
            raise InvalidValue(f"voided: {show(voided)} is neither true nor false", field="voided")
        if id is not None and not isinstance(id, str):
            raise InvalidValue(f"id: {show(id)} is not text", field="id")
    except InvalidValue as error:
        return Line(number, text, None, error, found=found)
    return Line(number, text, fields, None, at, id, bool(voided), found)


def _refuse_unknown(found: Mapping[str, Any]) -> None:
    unknown = sorted(name for name in found if name not in KNOWN)
    if unknown:
        raise InvalidValue(
            f"field {show(unknown[0])} is not known; the fields are {', '.join(sorted(FIELDS))}",
            field=unknown[0][:100],
        )


def instant(text: object) -> int:
    """Read the time of a call: RFC 3339 with an offset, as text."""
    if not isinstance(text, str):
        raise InvalidValue(
            f"at: {show(text)} is not an instant; write it like 2024-07-31T16:00:00Z", field="at"
        )
    if _INSTANT.fullmatch(text):
        try:
            micros = (datetime.fromisoformat(text) - _EPOCH) // _MICRO
        except (ValueError, OverflowError):
            return parse_instant(text, "at")  # says what is wrong with it
        if micros >= 0:
            return micros
    return parse_instant(text, "at")
