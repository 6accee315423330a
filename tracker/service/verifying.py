"""Verifying a ledger: replay the journal and check everything that must always hold."""

from __future__ import annotations

from collections.abc import Iterator

from tracker.domain.journal import (
    AVAILABLE,
    BUCKETS,
    HELD,
    MOVES,
    SOURCE,
    SPENT,
    WRITTEN_OFF,
    Move,
)
from tracker.domain.verification import Verification
from tracker.service.opened import Opened
from tracker.store import grants, ids
from tracker.store import usage as usages
from tracker.store.book import Book
from tracker.store.connection import Transaction
from tracker.store.usage import Recorded

MOST = 100  # problems named; a broken ledger may have millions


def verify(opened: Opened) -> Verification:
    """Replay the journal and compare it with every number kept beside it.

    Checks: each grant's buckets are what its rows add up to, none below zero at any row, rows
    numbered without a gap, every movement one the journal knows; held is what open reservations
    hold; each call's draws and overage cover its tokens and its cash and saved make up its list
    cost; the hourly sums are the sums of the calls.
    """

    def work(tx: Transaction, book: Book, now: int) -> Verification:
        state = _Replay()
        for row in tx.stream(
            "SELECT grant_key, entry, kind, source, target, amount FROM journal "
            "ORDER BY grant_key, entry"
        ):
            state.move(*row)
        problems = list(state.problems)
        for check in (
            _grants(tx, state), _holds(tx), _calls(tx), _reservations(tx), _rollups(tx),
        ):  # fmt: skip
            for problem in check:
                problems.append(problem)
                if len(problems) >= MOST:
                    break
        return Verification(not problems, state.grants, state.entries, tuple(problems[:MOST]))

    return opened.read(work)


class _Replay:
    """What the journal's rows add up to."""

    def __init__(self) -> None:
        self.entries = 0
        self.buckets: dict[int, list[int]] = {}
        self.counts: dict[int, int] = {}
        self.problems: list[str] = []

    @property
    def grants(self) -> int:
        return len(self.counts)

    def move(self, key: int, entry: int, kind: str, source: int, target: int, amount: int) -> None:
        self.entries += 1
        buckets = self.buckets.setdefault(key, [0] * len(BUCKETS))
        expected = self.counts.get(key, 0) + 1
        self.counts[key] = entry
        if entry != expected:
            self._say(f"journal of grant #{key}: row {expected} is missing before row {entry}")
        if Move(kind, source, target) not in MOVES or amount <= 0:
            self._say(
                f"journal of grant #{key}, row {entry}: {kind} of {amount} from bucket {source} to "
                f"{target} is not a movement"
            )
            return
        buckets[source] -= amount
        buckets[target] += amount
        if source != SOURCE and buckets[source] < 0:
            self._say(f"journal of grant #{key}, row {entry}: {BUCKETS[source]} falls below 0")

    def _say(self, problem: str) -> None:
        if len(self.problems) < MOST:
            self.problems.append(problem)


def _grants(tx: Transaction, state: _Replay) -> Iterator[str]:
    for row in grants.all_grants(tx):
        replayed = state.buckets.pop(row.key, [0] * len(BUCKETS))
        for name, kept, found in (
            ("amount", row.amount, -replayed[SOURCE]),
            ("available", row.available, replayed[AVAILABLE]),
            ("held", row.held, replayed[HELD]),
            ("spent", row.spent, replayed[SPENT]),
            ("written off", row.written_off, replayed[WRITTEN_OFF]),
            ("number of journal rows", row.entries, state.counts.get(row.key, 0)),
        ):
            if kept != found:
                yield f"grant {row.id}: {name} is kept as {kept:,}, the journal says {found:,}"
        if row.voided_at is not None and row.available:
            yield f"grant {row.id}: voided, but {row.available:,} are available"
    for key in state.buckets:
        yield f"journal: rows of grant #{key}, which is not there"


def _holds(tx: Transaction) -> Iterator[str]:
    for id, held, reserved in tx.rows(
        "SELECT g.id, g.held, COALESCE(h.amount, 0) FROM grants g LEFT JOIN ("
        "SELECT j.grant_key AS key, SUM(j.amount) AS amount FROM journal j "
        "JOIN reservations r ON r.id = j.call_id "
        "WHERE j.kind = 'hold' AND r.state = 'held' GROUP BY j.grant_key"
        ") h ON h.key = g.key WHERE g.held <> COALESCE(h.amount, 0)"
    ):
        yield f"grant {id}: {held:,} held, but open reservations hold {int(reserved):,}"


def _reservations(tx: Transaction) -> Iterator[str]:
    for (id,) in tx.rows(
        "SELECT r.id FROM reservations r LEFT JOIN usage u ON u.id = r.id "
        "WHERE r.state = 'settled' AND u.id IS NULL"
    ):
        yield f"reservation {ids.to_text(id)}: settled, but its usage is not there"
    for (id,) in tx.rows(
        "SELECT u.id FROM usage u LEFT JOIN reservations r ON r.id = u.id "
        "WHERE u.source = 'route' AND (r.id IS NULL OR r.state <> 'settled')"
    ):
        yield f"usage {ids.to_text(id)}: recorded for a reservation that is not settled"


def _calls(tx: Transaction) -> Iterator[str]:
    """Compare each call with its draws."""
    covered: dict[int, int] = {}
    returned: dict[int, int] = {}
    for call_id, kind, tokens in tx.stream(
        "SELECT call_id, kind, tokens FROM journal "
        "WHERE call_id IS NOT NULL AND kind IN ('settle', 'draw', 'reverse')"
    ):
        into = returned if kind == "reverse" else covered
        into[call_id] = into.get(call_id, 0) + tokens
    for row in tx.stream(f"SELECT {usages.COLUMNS} FROM usage"):
        call = Recorded(*row)
        drawn = covered.pop(call.id, 0)
        name = f"usage {ids.to_text(call.id)}"
        total = call.uncached_tokens + call.cached_tokens + call.output_tokens
        if drawn + call.overage_tokens != total:
            yield (
                f"{name}: {total:,} tokens used, but draws cover {drawn:,} and overage is "
                f"{call.overage_tokens:,}"
            )
        back = returned.get(call.id, 0)
        if back != (drawn if call.voided_at is not None else 0):
            yield f"{name}: draws of {drawn:,} tokens, of which {back:,} were reversed"
        if (
            call.list_nano is not None
            and call.cash_nano is not None
            and not 0 <= call.cash_nano <= call.list_nano
        ):
            yield f"{name}: cash cost {call.cash_nano} is not within list cost {call.list_nano}"
    for call_id in covered:
        yield f"usage {ids.to_text(call_id)}: the journal has its draws, but it is not there"


def _rollups(tx: Transaction) -> Iterator[str]:
    """Compare the hourly sums with the calls, in the database: there may be millions."""
    names = ", ".join(usages.SUMS)
    sums = ", ".join(f"SUM({name})" for name in usages.SUMS)
    for hour, account, model, project, *_ in tx.rows(
        f"SELECT hour, account_key, model_key, project, currency, {sums} FROM ("
        f"SELECT hour, account_key, model_key, project, currency, {names} FROM rollups UNION ALL "
        "SELECT at - at % 3600000000, account_key, model_key, COALESCE(project, ''), "
        "COALESCE(currency, ''), -1, -uncached_tokens, -cached_tokens, -output_tokens, "
        "-reasoning_tokens, -overage_tokens, -COALESCE(list_nano, 0), -COALESCE(cash_nano, 0), "
        "CASE WHEN list_nano IS NULL THEN -1 ELSE 0 END "
        "FROM usage WHERE voided_at IS NULL) AS both_sides "
        "GROUP BY hour, account_key, model_key, project, currency HAVING "
        + " OR ".join(f"SUM({name}) <> 0" for name in usages.SUMS)
    ):
        yield f"hourly sums of hour {hour}, account #{account}, model #{model}, project {project!r}"
