"""The one place where errors become exit codes and the lines a person reads.

0   done
1   failed: not found, exists already, no price, no rate, reservation closed
2   wrong use: an option or a value that cannot be used
3   no offer, or not enough credit
4   the ledger cannot be opened: missing, locked, read-only, newer, damaged
5   the request id was used for something else
75  it is not known whether it was written: repeat it with the same request id
130 interrupted; 141 the reader of our output went away
"""

from __future__ import annotations

import os
import sys

from tracker.cli.output import paint
from tracker.errors import (
    InvalidValue,
    LedgerUnavailable,
    NoOffer,
    OutcomeUnknown,
    RequestConflict,
    TrackerError,
)
from tracker.text import visible

FAILED = 1
WRONG_USE = 2
NO_CREDIT = 3
INTERRUPTED = 130
READER_GONE = 141

CODES: dict[type[TrackerError], int] = {
    InvalidValue: WRONG_USE,
    NoOffer: NO_CREDIT,
    LedgerUnavailable: 4,
    RequestConflict: 5,
    OutcomeUnknown: 75,
    TrackerError: FAILED,
}


def exit_code(error: TrackerError) -> int:
    """Return the exit code of an error: that of its nearest class in `CODES`."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def debugging() -> bool:
    """Tell whether tracebacks are wanted: TRACKER_DEBUG is set, and not to 0."""
    return os.environ.get("TRACKER_DEBUG", "0") not in ("", "0")


def say(message: str, hint: str | None = None) -> None:
    """Write an error, and a way out where the message has none."""
    print(paint("error:", "red", sys.stderr), visible(message), file=sys.stderr)
    if hint:
        print(visible(hint), file=sys.stderr)


def failed(error: TrackerError) -> int:
    """Tell what went wrong and return the exit code."""
    if debugging():
        import traceback

        traceback.print_exception(error)
    say(str(error))
    return exit_code(error)


def defect(error: Exception) -> int:
    """Own up to a mistake of ours, and return the exit code."""
    if debugging():
        import traceback

        traceback.print_exception(error)
    say(
        f"tracker itself failed ({type(error).__name__}); please report it",
        "run it again with TRACKER_DEBUG=1 to see where",
    )
    return FAILED


def reader_gone() -> int:
    """Keep Python from writing to a closed pipe when it ends, and return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_GONE
