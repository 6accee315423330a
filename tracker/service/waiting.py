"""Rows of a log on their way to the ledger. See `tracker.service.importing`."""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from typing import IO, Any, Self

from tracker.domain.price import Tokens
from tracker.errors import LedgerUnavailable
from tracker.service.recording import Row

Said = tuple[str, dict[str, Any]]  # the text of a line, and the fields it gave
Waits = tuple[int, Row, Said | None]


class Waiting:
    """Rows on their way to the ledger, in a temporary file only this process has.

    Each is (line number, row, what the line said if its cost is not known yet).
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.rows = 0

    def add(self, rows: Sequence[Waits]) -> None:
        """Append a chunk of rows."""
        if not rows:
            return
        data = marshal.dumps(
            [(number, (*row[:2], (*row[2],), *row[3:]), said) for number, row, said in rows]
        )
        try:
            self._file.write(len(data).to_bytes(8, "big") + data)
        except OSError as error:
            raise LedgerUnavailable(
                f"the temporary folder cannot hold the log ({error.strerror}); nothing was imported"
            ) from None
        self.rows += len(rows)

    def chunks(self) -> Iterator[list[Waits]]:
        """Yield the chunks as they were added."""
        self._file.seek(0)
        while size := self._file.read(8):
            plain = marshal.loads(self._file.read(int.from_bytes(size, "big")))
            yield [
                (number, Row._make((*row[:2], Tokens._make(row[2]), *row[3:])), said)
                for number, row, said in plain
            ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
