"""Importing a log of usage: all of it or nothing, and nothing twice.

A log is read once. Every line is checked before any is recorded: whether it can be read, whether
its provider and model are known, whether its cost is, whether it says something else than a line
before it or a call recorded before. What passes waits in a temporary file, then is recorded, 10,000
calls a transaction. An import that is cut short between two of them is finished by repeating it.

Calls are recognised by (source, request id). A line without a request id is given one made of what
it says and of how many lines before it say the same: a file that is imported again, overlaps
another or comes in another order adds only what is new, and two equal lines of one file count as
two calls.
"""

from __future__ import annotations

import gc
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from tracker.errors import AlreadyExists, LedgerUnavailable
from tracker.files import new_file
from tracker.importers import registry, rejects
from tracker.importers.base import HEAD_BYTES, Line
from tracker.service import recording
from tracker.service.opened import Opened
from tracker.service.surveying import Survey, trial
from tracker.service.waiting import Waiting
from tracker.text import visible
from tracker.units import Money

NAMED = 20  # refused lines an answer names
Progress = Callable[[str, int, int], None]
CHECKING, RECORDING = "checking", "recording"


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that was refused. code: that of the error, `request_conflict` for instance."""

    line: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an import would draw on a grant: `amount` in its unit, covering `tokens`."""

    grant: str
    unit: str
    amount: int
    tokens: int


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """What became of a log.

    lines: calls in it; each is accepted, a duplicate of one known, rejected, or voided, which is
        skipped. conflicts: how many of the rejected give a known request id another body.
    undated: accepted calls without a time, which are dated when they are recorded.
    recorded: whether the accepted ones are in the ledger now: not after a dry run, nor when lines
        were rejected and no file was named for them.
    problems: the first lines that were rejected.
    draws, overage_tokens, cash: of a dry run, what the accepted calls would cost.
    """

    format: str
    lines: int
    accepted: int
    duplicates: int
    rejected: int
    conflicts: int
    voided: int
    undated: int
    recorded: bool
    problems: tuple[Problem, ...] = ()
    draws: tuple[Drawn, ...] = ()
    overage_tokens: int = 0
    cash: tuple[Money, ...] = ()


def import_file(
    opened: Opened,
    file: BinaryIO,
    *,
    name: str = "",
    format: str = registry.AUTO,
    dry_run: bool = False,
    rejects_to: Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> ImportedFile:
    """Record the calls of a log.

    name: of the file, a hint at its format. rejects_to: a new file for refused lines; the others
    are then recorded. Without it, one refused line keeps all of them out. force: replace that file.
    progress: called as (what is being done, how much of it is done, of how much), in bytes while
    checking and in calls while recording. An exception it raises ends the import between two
    transactions. Raises InvalidValue where the file cannot be read as a log at all.
    """
    if rejects_to is not None and rejects_to.exists() and not force:
        raise AlreadyExists(
            f"{visible(str(rejects_to))} exists already; choose another name, or add --force"
        )
    tell = progress or (lambda doing, done, total: None)
    stream = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
    chosen = registry.choose(format, name, head)
    with ExitStack() as stack:
        if stream is not file:
            stack.callback(stream.detach)  # the file is the caller's to close
        refused = _Refused(rejects_to, force)
        waiting = stack.enter_context(_temporary())
        with refused:
            survey = stack.enter_context(Survey(opened, waiting, refused.add))
            total = _size(stream)
            lines = chosen.read(stream)
            while chunk := _read(lines):
                with _uncollected():
                    survey.check(chunk)
                tell(CHECKING, _position(stream), total)
            found = ImportedFile(
                chosen.name, survey.lines, waiting.rows, survey.duplicates, 0, 0, survey.voided,
                survey.undated, False,
            )  # fmt: skip
            if dry_run or survey.unpriced:
                found = _tried(opened, waiting, found, refused)
        if not dry_run and (not refused.count or rejects_to is not None):
            found = _recorded(opened, waiting, found, refused, tell)
        return replace(
            found, rejected=refused.count, conflicts=refused.conflicts,
            problems=tuple(sorted(refused.problems, key=lambda one: one.line)),
        )  # fmt: skip


def _recorded(
    opened: Opened, waiting: Waiting, found: ImportedFile, refused: _Refused, tell: Progress
) -> ImportedFile:
    """Record what waits, a transaction at a time."""
    accepted, duplicates, done = 0, found.duplicates, 0
    for chunk in waiting.chunks():
        tell(RECORDING, done, waiting.rows)
        with _uncollected():
            rows = [(number, row) for number, row, _ in chunk]
            counted, rejected = recording.record(opened, rows)
        accepted += counted.accepted
        duplicates += counted.duplicates
        for one in rejected:
            refused.note(one.row, one.code, one.message)
        done += len(chunk)
    tell(RECORDING, done, waiting.rows)
    return replace(
        found, accepted=accepted, duplicates=duplicates, recorded=True, draws=(), overage_tokens=0,
        cash=(),
    )  # fmt: skip


def _tried(
    opened: Opened, waiting: Waiting, found: ImportedFile, refused: _Refused
) -> ImportedFile:
    """Work out who would pay, and refuse what nobody knows the cost of."""
    outcome = trial(opened, waiting)
    for line, error in outcome.refused:
        refused.add(line, error)
        refused.told.add(line.number)
    return replace(
        found,
        accepted=found.accepted - len(outcome.refused),
        draws=tuple(
            Drawn(grant, unit, amount, tokens)
            for (grant, unit), (amount, tokens) in sorted(outcome.drawn.items())
        ),
        overage_tokens=outcome.overage_tokens,
        cash=tuple(Money(nano, currency) for currency, nano in sorted(outcome.cash.items())),
    )


class _Refused:
    """Refused lines: counted, the first of them named, all of them written where that is asked.

    told: those that will be refused again when the rows that wait are recorded.
    """

    def __init__(self, path: Path | None, force: bool) -> None:
        self._path = path
        self._force = force
        self._files = ExitStack()
        self._file: BinaryIO | None = None
        self.told: set[int] = set()
        self.count = 0
        self.conflicts = 0
        self.problems: list[Problem] = []

    def add(self, line: Line, error: Exception) -> None:
        """Count a refused line, and write it down."""
        code = getattr(error, "code", "error")
        if self._path is not None:
            if self._file is None:
                self._file = self._files.enter_context(new_file(self._path, force=self._force))
            rejects.write(self._file, line, str(error))
        self._count(line.number, code, str(error))

    def note(self, number: int, code: str, message: str) -> None:
        """Count a line that was refused when it was recorded, unless it was counted before."""
        if number not in self.told:
            self._count(number, code, message)

    def _count(self, number: int, code: str, message: str) -> None:
        self.count += 1
        self.conflicts += code == "request_conflict"
        if len(self.problems) < NAMED:
            self.problems.append(Problem(number, code, message))

    def __enter__(self) -> _Refused:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.__exit__(*error)  # type: ignore[arg-type]


def _read(lines: Iterator[Line]) -> list[Line]:
    with _uncollected():
        return list(islice(lines, recording.CHUNK))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the search for cyclic garbage, a quarter of the time here: rows hold no cycles."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _temporary() -> Waiting:
    try:
        return Waiting(tempfile.TemporaryFile(prefix="tracker-"))
    except OSError as error:
        raise LedgerUnavailable(
            f"no temporary file can be made ({error.strerror}); nothing was imported"
        ) from None


def _size(file: BinaryIO) -> int:
    """Return how many bytes a file has; 0 where that is not known."""
    try:
        return os.fstat(file.fileno()).st_size
    except (OSError, io.UnsupportedOperation):
        return 0


def _position(file: BinaryIO) -> int:
    try:
        return file.tell()
    except (OSError, io.UnsupportedOperation):
        return 0
