"""Ledger addresses: a path, an SQLAlchemy URL, or nothing for the platform's own place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from tracker.errors import InvalidValue
from tracker.text import show

POSTGRESQL = ("postgresql+psycopg://", "postgresql://")
SECRETS = ("password", "sslpassword")  # as options of an address


@dataclass(frozen=True, slots=True)
class Address:
    """Where a ledger is. Exactly one of the two is set."""

    path: Path | None = None
    url: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Write the address as it may be shown: never a password."""
        if self.path is not None:
            return str(self.path)
        from sqlalchemy import make_url

        url = make_url(self.url or "").difference_update_query(SECRETS)
        return url.render_as_string(hide_password=True)


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
        return Address(url=POSTGRESQL[0] + _server(value.partition("://")[2]))
    if "://" in value:
        scheme = value.partition("://")[0]
        raise InvalidValue(
            f"ledger scheme {show(scheme)} is not supported; use a path, sqlite:///PATH or "
            "postgresql+psycopg://HOST/DATABASE",
            field="db",
        )
    if value.startswith(("postgres:", "postgresql:", "postgresql+psycopg:", "sqlite:")):
        raise InvalidValue(
            f"ledger scheme {value.partition(':')[0]} needs :// after it, and a path three slashes",
            field="db",
        )
    return Address(path=Path(value).expanduser())


def _server(rest: str) -> str:
    """Check what follows the scheme of a server's address. What is wrong is not shown: a password.

    A password with a special character in it is read as a host or a database, and then named in
    messages as such.
    """
    place, _, options = rest.partition("?")
    host = place.partition("/")[0]
    port = host.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    names = {option.partition("=")[0] for option in options.split("&")}
    if (
        place.count("@") > 1
        or "@" in place.partition("/")[2]
        or any(letter.isspace() or letter in '<>"#' for letter in rest)
        or host.count("[") != host.count("]")
        or re.search(r"%(?![0-9A-Fa-f]{2})", rest)
        or not re.fullmatch("[0-9]*", port)
        or (options and "" in names)
    ):
        raise InvalidValue(
            "the ledger's address cannot be read; in user names and passwords write @ as %40, "
            "/ as %2F, : as %3A, # as %23, % as %25 and a space as %20",
            field="db",
        )
    return rest


def default_path() -> Path:
    """Return `ledger.db` in the platform's folder for this user's data."""
    from platformdirs import user_data_path

    return user_data_path("tracker", appauthor=False) / "ledger.db"
