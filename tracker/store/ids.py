"""Ids of calls: a reservation and the usage it becomes share one.

63 bits: microseconds since 2024 in the upper 52, chance in the lower 11. They ascend in time, so
tables grow at their end, and are written as thirteen letters and digits (Crockford's base 32).
"""

from __future__ import annotations

import secrets
import threading
import time

from tracker.errors import NotFound
from tracker.text import show

EPOCH_MICROS = 1_704_067_200_000_000  # 2024-01-01T00:00:00Z
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 13
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}

_lock = threading.Lock()
_last = 0


def new() -> int:
    """Return an id larger than every one this process has made."""
    return new_many(1)


def new_many(count: int) -> int:
    """Return the first of `count` consecutive ids."""
    global _last
    with _lock:
        now = (time.time_ns() // 1000 - EPOCH_MICROS) << 11 | secrets.randbits(11)
        first = max(now, _last + 1)
        _last = first + count - 1
        return first


def to_text(value: int) -> str:
    """Write an id the way people and programs see it."""
    letters = []
    for _ in range(LENGTH):
        letters.append(ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(letters))


def from_text(text: object, what: str) -> int:
    """Read an id. Raises NotFound for anything that cannot be one: there is nothing it names."""
    value = 0
    if isinstance(text, str) and len(text) == LENGTH:
        for letter in text.lower():
            digit = _VALUE.get(letter)
            if digit is None:
                break
            value = value << 5 | digit
        else:
            if value < 1 << 63:
                return value
    raise NotFound(f"{what} {show(text)} is not in the ledger")
