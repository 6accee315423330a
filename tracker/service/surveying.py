"""Checking a log before any of it is recorded. See `tracker.service.importing`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self

from tracker.domain.offer import Offer
from tracker.errors import InvalidValue, RequestConflict, TrackerError
from tracker.importers.base import Line
from tracker.service import calls, recording
from tracker.service.opened import AHEAD_MICROS, Opened
from tracker.service.recording import Row
from tracker.service.waiting import Waiting, Waits
from tracker.store import ids
from tracker.store import usage as usages
from tracker.store.book import Book
from tracker.store.connection import Transaction
from tracker.store.purse import Purse
from tracker.store.seen import Seen
from tracker.store.usage import Recorded
from tracker.text import model_key, show
from tracker.units import rfc3339

MASK = (1 << 63) - 1


class Checked(NamedTuple):
    """A line that can be read, and its row."""

    line: Line
    row: Row


class Survey:
    """Checks lines against each other and against the ledger; those that pass wait.

    refuse: called with every line that does not.
    """

    def __init__(
        self, opened: Opened, waiting: Waiting, refuse: Callable[[Line, Exception], None]
    ) -> None:
        self._opened = opened
        self._waiting = waiting
        self._tell = refuse
        self._refused: list[tuple[Line, Exception]] = []
        self._seen = Seen()
        self.lines = 0
        self.duplicates = 0
        self.voided = 0
        self.undated = 0
        self.unpriced = False

    def check(self, lines: Sequence[Line]) -> None:
        """Check lines in the order of the file."""
        checked: list[Checked] = []
        for line in lines:
            self.lines += 1
            if line.fields is None:
                self._refuse(line, line.error or InvalidValue("the line cannot be read"))
            elif line.voided:
                self.voided += 1
            else:
                try:
                    checked.append(Checked(line, _row(line)))
                except TrackerError as error:
                    self._refuse(line, error)
        if checked:
            self._against_ledger(self._against_each_other(checked))
        for refused in sorted(self._refused, key=lambda one: one[0].number):
            self._tell(*refused)
        self._refused.clear()

    def _refuse(self, line: Line, error: Exception) -> None:
        self._refused.append((line, error))

    def _against_each_other(self, checked: Sequence[Checked]) -> list[Checked]:
        """Give rows without a request id theirs; drop what an earlier line says already."""
        keys = [
            hash(_said(row) if row.request_id is None else (row.source, row.request_id)) & MASK
            for _, row in checked
        ]
        seen = self._seen.find(list(dict.fromkeys(keys)))
        kept = []
        for (line, row), key in zip(checked, keys, strict=True):
            before = seen.get(key)
            if row.request_id is None:
                times = 1 if before is None else before[1] + 1
                seen[key] = (0, times)
                kept.append(Checked(line, row._replace(request_id=_request_id(row, times))))
                continue
            digest = hash(_said(row)) & MASK
            if before is None:
                seen[key] = (digest, line.number)
                kept.append(Checked(line, row))
            elif before[0] == digest:
                self.duplicates += 1
            else:
                self._refuse(
                    line,
                    RequestConflict(
                        f"request id {show(row.request_id)} is on line {before[1]} too, for "
                        "another call; every call needs its own",
                        field="request_id",
                    ),
                )
        self._seen.put((key, first, second) for key, (first, second) in seen.items())
        return kept

    def _against_ledger(self, checked: Sequence[Checked]) -> None:
        def work(tx: Transaction, book: Book, now: int) -> list[Waits]:
            known = recording.known_requests(tx, [(line.number, row) for line, row in checked])
            exported = _exported(tx, [line for line, _ in checked if line.id is not None])
            offers = Offers(book)
            kept: list[Waits] = []
            for line, row in checked:
                call = known.get((row.source, row.request_id)) or exported.get(line.id or "")
                try:
                    if call is not None:
                        recording.same_call(call, row, book)
                        self.duplicates += 1
                        continue
                    at = now if row.at is None else row.at
                    if at > now + AHEAD_MICROS:
                        raise InvalidValue(f"at {rfc3339(at)} is in the future", field="at")
                    priced = offers.of(row).price_at(at) is not None
                except TrackerError as error:
                    self._refuse(line, error)
                    continue
                self.unpriced |= not priced
                self.undated += row.at is None
                said = None if priced else (line.text, dict(line.found or {}))
                kept.append((line.number, row, said))
            return kept

        self._waiting.add(self._opened.read(work))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._seen.close()


class Offers:
    """Offers by the names a log uses; an account the ledger has yet to learn of has no credit."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._found: dict[tuple[str, str, str], Offer] = {}

    def of(self, row: Row) -> Offer:
        """Return the offer of a row. Raises NotFound for an unknown provider or model."""
        key = (row.provider, row.account, row.model)
        found = self._found.get(key)
        if found is None:
            book = self._book
            model = book.model(row.provider, row.model)
            account_key = book.accounts.get(key[:2])
            if account_key is None:
                default = book.offer(book.accounts[(row.provider, "default")], model.key)
                found = default._replace(account=row.account, pools=())
            else:
                found = book.offer(account_key, model.key)
            self._found[key] = found
        return found


@dataclass(slots=True)
class Tried:
    """Who would pay for rows that wait.

    drawn: by (grant, unit): amount and tokens. cash: nano-units by currency. refused: those nobody
    knows the cost of.
    """

    drawn: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    overage_tokens: int = 0
    cash: dict[str, int] = field(default_factory=dict)
    refused: list[tuple[Line, TrackerError]] = field(default_factory=list)


def trial(opened: Opened, waiting: Waiting) -> Tried:
    """Pay for the rows that wait, as recording them would, and write nothing."""

    def work(tx: Transaction, book: Book, now: int) -> Tried:
        tried = Tried()
        purse = _Trial(_Reading(tx), book)
        offers = Offers(book)
        for chunk in waiting.chunks():
            for number, row, said in chunk:
                offer = offers.of(row)
                at = now if row.at is None else row.at
                need, currency = calls.need_of(offer, row.tokens, at)
                overage, cash = purse.pay(offer, need, at, 0)
                if cash is None:
                    text, found = said or ("", {})
                    line = Line(number, text, None, found=found)
                    tried.refused.append((line, recording.no_price(offer, at, overage)))
                    continue
                tried.overage_tokens += overage
                if cash:
                    tried.cash[currency] = tried.cash.get(currency, 0) + cash
            purse.add_up(tried.drawn)
        return tried

    return opened.read(work)


class _Reading:
    """A transaction that locks nothing."""

    locks = False

    def __init__(self, transaction: Transaction) -> None:
        self.rows = transaction.rows
        self.one = transaction.one


class _Trial(Purse):
    """A purse that is never closed."""

    def __init__(self, transaction: Any, book: Book) -> None:
        super().__init__(transaction, book)

    def add_up(self, into: dict[tuple[str, str], tuple[int, int]]) -> None:
        """Add what was drawn since the last time, by grant, and forget it."""
        for credit, amount, tokens, _, _ in self._drawn:
            before = into.get((credit.id, credit.unit), (0, 0))
            into[(credit.id, credit.unit)] = (before[0] + amount, before[1] + tokens)
        self._drawn.clear()


def _row(line: Line) -> Row:
    """Check what a line says. Raises InvalidValue that names the field."""
    assert line.fields is not None, line
    row = recording.check(line.fields, line.at)
    if line.id is not None and row.request_id is None:
        return row._replace(request_id=f"usage-{line.id[:100]}")
    return row


def _said(row: Row) -> tuple[object, ...]:
    """Return what a row says, its request id aside; spellings of one model are the same."""
    provider, model, tokens, at, source, _, account, project, user, tags = row
    return (source, provider, account, model_key(model), *tokens, at, project, user, tags)


def _request_id(row: Row, times: int) -> str:
    """Make a request id of what a row says. It must stay the same from version to version."""
    parts = ("" if part is None else str(part) for part in _said(row))
    data = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return f"row-{hashlib.blake2b(data, digest_size=16).hexdigest()}-{times}"


def _exported(tx: Transaction, lines: Sequence[Line]) -> dict[str, Recorded]:
    """Return the calls of this ledger that lines are exports of, by their ids."""
    numbers: dict[int, str] = {}
    for line in lines:
        try:
            numbers[ids.from_text(line.id, "usage")] = line.id or ""
        except TrackerError:
            continue  # of no ledger: it is a call like any other
    found: dict[str, Recorded] = {}
    wanted = sorted(numbers)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ", ".join("?" * len(part))
        for row in tx.rows(f"SELECT {usages.COLUMNS} FROM usage WHERE id IN ({marks})", part):
            found[numbers[row[0]]] = Recorded(*row)
    return found
