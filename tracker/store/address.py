"""Ledger addresses: a path, an SQLAlchemy URL, or nothing for the platform's own place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from tracker.errors import InvalidValue
from tracker.text import show

POSTGRESQL = ("postgresql+psycopg://", "postgresql://")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a ledger is. Exactly one of the two is set."""

    path: Path | None = None
    url: str | None = None

    def __str__(self) -> str:
        """Write the address as it may be shown: never a password."""
        if self.path is not None:
            return str(self.path)
        from sqlalchemy import make_url

        return make_url(self.url or "").render_as_string(hide_password=True)


def parse_address(value: object) -> Address:
    """Read an address. Relative paths stay relative; `~` is the home folder.

    Raises InvalidValue for schemes other than sqlite and postgresql+psycopg.
    """
    if value is None:
        return Address(path=default_path())
    if isinstance(value, Path):
        return Address(path=value.expanduser())
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise InvalidValue(f"ledger {show(value)} is neither a path nor a database URL", field="db")
    for scheme in ("sqlite+pysqlite:///", "sqlite:///"):
        if value.startswith(scheme):
            path = unquote(value[len(scheme) :].partition("?")[0])
            if path in ("", ":memory:"):
                raise InvalidValue(
                    "a ledger in memory is lost when the process ends; give a path", field="db"
                )
            return Address(path=Path(path).expanduser())
    if value.startswith(POSTGRESQL):
        return Address(url=POSTGRESQL[0] + value.partition("://")[2])
    if "://" in value:
        scheme = value.partition("://")[0]
        raise InvalidValue(
            f"ledger scheme {show(scheme)} is not supported; use a path, sqlite:///PATH or "
            "postgresql+psycopg://HOST/DATABASE",
            field="db",
        )
    return Address(path=Path(value).expanduser())


def default_path() -> Path:
    """Return `ledger.db` in the platform's folder for this user's data."""
    from platformdirs import user_data_path

    return user_data_path("tracker", appauthor=False) / "ledger.db"
