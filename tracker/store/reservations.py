"""Reservations: what is held, for how long, and how it ends."""

from __future__ import annotations

from typing import NamedTuple

from tracker.domain.burndown import Credit
from tracker.domain.journal import EXPIRE, EXPIRE_VOIDED, Move, Movement
from tracker.domain.reservation import NEXT, State
from tracker.store.connection import Row, Transaction
from tracker.store.journal import append, lock

INSERT = (
    "INSERT INTO reservations (id, state, account_key, model_key, at, expires_at, lapses_at, "
    "input_tokens, max_output_tokens, policy, request_id, project, user_id, tags, recorded_at) "
    "VALUES (?, 'held', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
FIND = (
    "SELECT id, state, account_key, model_key, at, expires_at, lapses_at, input_tokens, "
    "max_output_tokens, request_id, project, user_id, tags FROM reservations WHERE id = ?"
)
CLOSE = "UPDATE reservations SET state = ?, closed_at = ? WHERE id = ?"
HOLDS = (
    "SELECT p.priority, g.expires_at, p.breadth, g.starts_at, g.id, g.key, p.unit, j.amount, "
    "g.entries, g.voided_at, j.tokens FROM journal j JOIN grants g ON g.key = j.grant_key "
    "JOIN pools p ON p.key = g.pool_key WHERE j.call_id = ? AND j.kind = 'hold'"
)
FIND_WITH_HOLDS = (
    "SELECT r.id, r.state, r.account_key, r.model_key, r.at, r.expires_at, r.lapses_at, "
    "r.input_tokens, r.max_output_tokens, r.request_id, r.project, r.user_id, r.tags, "
    "p.priority, g.expires_at, p.breadth, g.starts_at, g.id, g.key, p.unit, j.amount, "
    "g.entries, g.voided_at, j.tokens FROM reservations r "
    "LEFT JOIN journal j ON j.call_id = r.id AND j.kind = 'hold' "
    "LEFT JOIN grants g ON g.key = j.grant_key LEFT JOIN pools p ON p.key = g.pool_key "
    "WHERE r.id = ?"
)
LAPSED = (
    "SELECT id, expires_at FROM reservations WHERE state = 'held' "
    "AND (expires_at <= ? OR lapses_at <= ?) ORDER BY id LIMIT 500"
)
EXPIRED = "SELECT 1 FROM reservations WHERE state = 'held' AND expires_at <= ? LIMIT 1"


class Held(NamedTuple):
    """A reservation as recorded."""

    id: int
    state: State
    account_key: int
    model_key: int
    at: int
    expires_at: int
    lapses_at: int
    input_tokens: int
    max_output_tokens: int
    request_id: str | None
    project: str | None
    user: str | None
    tags: str | None


class Hold(NamedTuple):
    """What a reservation holds of one grant; `credit.available` is the amount held."""

    credit: Credit
    voided: bool
    tokens: int


def find(transaction: Transaction, id: int) -> Held | None:
    """Return a reservation, locked until the transaction ends."""
    row = transaction.one(FIND + (" FOR UPDATE" if transaction.locks else ""), (id,))
    return None if row is None else _held(row)


def find_with_holds(transaction: Transaction, id: int) -> tuple[Held | None, list[Hold]]:
    """Return a reservation, locked until the transaction ends, and its holds in burn-down order."""
    rows = transaction.rows(
        FIND_WITH_HOLDS + (" FOR UPDATE OF r" if transaction.locks else ""), (id,)
    )
    if not rows:
        return None, []
    kept = [_hold(row[13:]) for row in rows if row[18] is not None]
    kept.sort()
    return _held(rows[0][:13]), kept


def holds(transaction: Transaction, id: int) -> list[Hold]:
    """Return what a reservation holds or held, in burn-down order."""
    return sorted(
        Hold(Credit(*row[:9]), row[9] is not None, row[10])
        for row in transaction.rows(HOLDS, (id,))
    )


def close(transaction: Transaction, held: Held, event: str, at: int) -> State:
    """Move a reservation on. What cannot happen is not in the table `NEXT`."""
    state = NEXT[held.state][event]
    transaction.run(CLOSE, (state.value, at, held.id))
    return state


def give_back(
    transaction: Transaction,
    held: Held,
    moves: tuple[Move, Move],
    at: int,
    now: int,
) -> None:
    """Give back all a reservation holds.

    moves: what happens to the hold of a grant, and of one that was voided.
    """
    kept = holds(transaction, held.id)
    if not kept:
        return
    if transaction.locks:
        state = lock(transaction, sorted(hold.credit.key for hold in kept))
        entries = {key: count for key, (_, count, _) in state.items()}
        voided = {key: gone for key, (_, _, gone) in state.items()}
    else:
        entries = {hold.credit.key: hold.credit.entries for hold in kept}
        voided = {hold.credit.key: hold.voided for hold in kept}
    append(
        transaction,
        [
            Movement(
                hold.credit.key,
                moves[voided[hold.credit.key]],
                hold.credit.available,
                hold.tokens,
                held.id,
                at,
            )
            for hold in kept
        ],
        entries,
        now,
    )


def sweep(transaction: Transaction, at: int, now: int) -> None:
    """End the reservations past their time to live. Nothing depends on when this runs.

    A reservation made about the past (`at` long before `now`) lives on its own time: it ends for
    those who speak of its future, and when its time to live has passed since it was recorded.
    """
    at = min(at, now)  # a caller whose clock is ahead ends nobody's reservation early
    if at == now and transaction.one(EXPIRED, (at,)) is None:
        return
    while True:
        lapsed = transaction.rows(LAPSED, (at, now))
        for id, expires_at in lapsed:
            held = find(transaction, id)
            if held is not None and held.state is State.HELD:
                give_back(transaction, held, (EXPIRE, EXPIRE_VOIDED), expires_at, now)
                close(transaction, held, "expire", expires_at)
        if len(lapsed) < 500:
            return


def insert(
    transaction: Transaction,
    *,
    id: int,
    account_key: int,
    model_key: int,
    at: int,
    now: int,
    ttl_micros: int,
    input_tokens: int,
    max_output_tokens: int,
    policy: str,
    request_id: str | None,
    project: str | None,
    user: str | None,
    tags: str | None,
) -> None:
    """Record a reservation."""
    transaction.run(
        INSERT,
        (
            id,
            account_key,
            model_key,
            at,
            at + ttl_micros,
            max(at, now) + ttl_micros,
            input_tokens,
            max_output_tokens,
            policy,
            request_id,
            project,
            user,
            tags,
            now,
        ),
    )


def open_holds(transaction: Transaction, at: int, now: int) -> dict[int, int]:
    """Return, per grant, what reservations past their time at `at` still seem to hold.

    Those are the ones `sweep` would end, and no writer has yet; what they hold is available.
    """
    found: dict[int, int] = {}
    for grant_key, amount in transaction.rows(
        # CROSS JOIN: left to choose, SQLite reads the whole journal to look for reservations
        "SELECT j.grant_key, j.amount FROM reservations r CROSS JOIN journal j "
        "WHERE r.state = 'held' AND (r.expires_at <= ? OR r.lapses_at <= ?) "
        "AND j.call_id = r.id AND j.kind = 'hold'",
        (at, now),
    ):
        found[grant_key] = found.get(grant_key, 0) + amount
    return found


def remember(transaction: Transaction, request_id: str, body: str, answer: str, now: int) -> None:
    """Keep the first answer to a request."""
    transaction.run(
        "INSERT INTO requests (request_id, body, answer, recorded_at) VALUES (?, ?, ?, ?)",
        (request_id, body, answer, now),
    )


def remembered(transaction: Transaction, request_id: str) -> tuple[str, str] | None:
    """Return (body, answer) of a request that was answered before."""
    row = transaction.one("SELECT body, answer FROM requests WHERE request_id = ?", (request_id,))
    return None if row is None else (row[0], row[1])


def _hold(row: Row) -> Hold:
    return Hold(Credit(*row[:9]), row[9] is not None, row[10])


def _held(row: Row) -> Held:
    return Held(row[0], State(row[1]), *row[2:])
