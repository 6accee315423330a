"""How an import looks: its progress, and what became of the lines."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tracker.cli import words
from tracker.cli.output import emit_json, note, paint, table
from tracker.service.importing import RECORDING, ImportedFile
from tracker.text import visible
from tracker.units import Money
from tracker.wire import amount_json

BAR = 30  # cells


class Progress:
    """A line on stderr that moves, where a person is looking; and a way to stop between steps."""

    def __init__(self) -> None:
        self._seen = sys.stderr.isatty()
        self._shown = ""
        self._stop = False
        self.doing = ""
        self.done = 0
        self.total = 0

    def __call__(self, doing: str, done: int, total: int) -> None:
        """Show how far it is. Raises KeyboardInterrupt if it was asked to stop."""
        self.doing, self.done, self.total = doing, done, total
        if self._stop:
            raise KeyboardInterrupt
        if not self._seen:
            return
        share = min(1000, 1000 * done // total) if total else 0
        bar = "#" * (BAR * share // 1000)
        amount = f"{done:,} calls" if doing == RECORDING or not total else f"{share // 10}%"
        text = f"{doing:<9}  [{bar:<{BAR}}]  {amount}"
        if text != self._shown:
            sys.stderr.write(f"\r{text:<{len(self._shown)}}")
            sys.stderr.flush()
            self._shown = text

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r" + " " * len(self._shown) + "\r")
            sys.stderr.flush()
            self._shown = ""

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C end the import at its next step; a second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(signum: int, frame: FrameType | None) -> None:
            if self._stop or self.doing != RECORDING:
                raise KeyboardInterrupt
            self._stop = True

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def stopped(progress: Progress) -> None:
    """Say how far an import got before it was stopped."""
    if progress.doing != RECORDING or not progress.done:
        note("stopped; nothing was imported")
        return
    note(
        f"stopped: {progress.done:,} of {progress.total:,} calls are recorded; the same command "
        "goes on from there"
    )


def show(found: ImportedFile, *, dry_run: bool, rejects: Path | None, json: bool) -> None:
    """Tell what became of a log: numbers on stdout, refused lines on stderr."""
    if json:
        emit_json(_document(found))
    else:
        print("\n".join(_lines(found, dry_run=dry_run)))
    for problem in found.problems:
        note(f"line {problem.line}: {visible(problem.message)}")
    more = found.rejected - len(found.problems)
    if more > 0:
        note(f"and {words.plural(more, 'more line')}")
    if found.undated:
        note(f"{words.plural(found.undated, 'call')} without a time count as made now")
    if not found.rejected:
        return
    refused = words.plural(found.rejected, "line")
    if rejects is not None:
        note(f"{refused} written to {visible(str(rejects))}; put them right and import that file")
    elif not dry_run:
        note(
            f"nothing was imported: put {refused} right, or name a file for them with --rejects to "
            "import the others"
        )


def _lines(found: ImportedFile, *, dry_run: bool) -> list[str]:
    verb = "recorded" if found.recorded else "would be recorded" if dry_run else "fine"
    parts = [f"{found.accepted:,} {verb}", f"{found.duplicates:,} known already"]
    if found.voided:
        parts.append(f"{found.voided:,} voided and skipped")
    if found.rejected:
        conflicts = f" ({found.conflicts:,} in conflict)" if found.conflicts else ""
        parts.append(paint(f"{found.rejected:,} refused{conflicts}", "red"))
    lines = [f"{words.plural(found.lines, 'call')} in the log: " + ", ".join(parts)]
    if not dry_run or not found.accepted:
        return lines
    rows = [
        (one.grant, words.exact(one.amount, one.unit), one.unit, f"{one.tokens:,}")
        for one in found.draws
    ]
    rows.append(("no credit", "", "", f"{found.overage_tokens:,}"))
    lines += ["", *table(("GRANT", "WOULD PAY", "UNIT", "TOKENS"), rows, ("<", ">", "<", ">"))]
    lines += [f"cash {money}" for money in found.cash] or ["no cash"]
    return lines


def _document(found: ImportedFile) -> dict[str, object]:
    """Write the outcome as tracker.import/1."""
    return {
        "schema": "tracker.import/1",
        "format": found.format,
        "recorded": found.recorded,
        "lines": found.lines,
        "accepted": found.accepted,
        "duplicates": found.duplicates,
        "rejected": found.rejected,
        "conflicts": found.conflicts,
        "voided": found.voided,
        "undated": found.undated,
        "problems": [
            {"line": one.line, "code": one.code, "message": one.message} for one in found.problems
        ],
        "draws": [
            {
                "grant": one.grant,
                "unit": one.unit,
                "amount": amount_json(one.amount, one.unit),
                "tokens": one.tokens,
            }
            for one in found.draws
        ],
        "overage_tokens": found.overage_tokens,
        "cash": [Money(one.nano, one.currency).as_json() for one in found.cash],
    }
