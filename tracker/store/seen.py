"""What an import has come across so far: kept on disk once it is much, gone when it is closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from tracker.store import sqlite as lite

PART = 500  # keys in one query
CACHE_KIB = 32_000


class Seen:
    """Two numbers under each key; keys are 64-bit numbers."""

    def __init__(self) -> None:
        # SQLite can keep a nameless database itself, but some builds never let it use a disk.
        self._folder = TemporaryDirectory(prefix="tracker-")
        self._connection = lite.sqlite3.connect(
            str(Path(self._folder.name) / "seen"), isolation_level=None
        )
        execute = self._connection.execute
        execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        execute("PRAGMA journal_mode = OFF")
        execute("PRAGMA synchronous = OFF")
        execute("CREATE TABLE seen (key INTEGER PRIMARY KEY, first INTEGER, second INTEGER)")

    def find(self, keys: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Return what is there under keys."""
        found: dict[int, tuple[int, int]] = {}
        for start in range(0, len(keys), PART):
            part = keys[start : start + PART]
            marks = ", ".join("?" * len(part))
            for key, first, second in self._connection.execute(
                f"SELECT key, first, second FROM seen WHERE key IN ({marks})", part
            ):
                found[key] = (first, second)
        return found

    def put(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Set what is there under keys."""
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
