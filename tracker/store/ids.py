"""Ids of calls: a reservation and the usage it becomes share one.

63 bits: microseconds since 2024 in the upper 52, and in the lower 11 a number that each process
draws when it starts. They ascend in time, so tables grow at their end, and are written as thirteen
letters and digits (Crockford's base 32).
"""

from __future__ import annotations

import os
import threading
import time

from tracker.errors import NotFound
from tracker.text import show

EPOCH_MICROS = 1_704_067_200_000_000  # 2024-01-01T00:00:00Z
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 13
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
# What int() reads in their place; the letters that are not used become one it refuses.
_DIGITS = str.maketrans(ALPHABET + "ilou", "0123456789abcdefghijklmnopqrstuv!!!!")

_lock = threading.Lock()
_last = 0
_process = 0


def _start() -> None:
    """Start afresh: a process and its child that go on from one number would meet."""
    global _lock, _last, _process
    _lock = threading.Lock()
    _last = 0
    _process = int.from_bytes(os.urandom(2)) & 2047


_start()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start)


def new() -> int:
    """Return an id larger than every one this process has made."""
    return new_many(1)


def new_many(count: int) -> int:
    """Return the first of `count` consecutive ids."""
    global _last
    with _lock:
        now = (time.time_ns() // 1000 - EPOCH_MICROS) << 11 | _process
        first = max(now, _last + 1)
        _last = first + count - 1
        return first


def to_text(value: int) -> str:
    """Write an id the way people and programs see it."""
    pairs = _PAIRS
    return (
        ALPHABET[value >> 60]
        + pairs[value >> 50 & 1023]
        + pairs[value >> 40 & 1023]
        + pairs[value >> 30 & 1023]
        + pairs[value >> 20 & 1023]
        + pairs[value >> 10 & 1023]
        + pairs[value & 1023]
    )


def from_text(text: object, what: str) -> int:
    """Read an id. Raises NotFound for anything that cannot be one: there is nothing it names."""
    if isinstance(text, str) and len(text) == LENGTH and text.isascii() and text.isalnum():
        try:
            value = int(text.lower().translate(_DIGITS), 32)
        except ValueError:
            value = -1
        if 0 <= value < 1 << 63:
            return value
    raise NotFound(f"{what} {show(text)} is not in the ledger")
